"""Mirrors slowfast/data/transforms/masks.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from slowfast.data.transforms.masks import BlockMask, FrameMask, PatchMask, TubeMask
from slowfast.randomness import generator_for

WINDOW = (8, 7, 7)
RULES: list[Callable[[float], Callable]] = [
    lambda ratio: BlockMask(WINDOW, ratio),
    lambda ratio: BlockMask(WINDOW, ratio, largest=20),
    lambda ratio: TubeMask(WINDOW, ratio),
    lambda ratio: FrameMask(WINDOW, ratio),
    lambda ratio: PatchMask(WINDOW, ratio),
    lambda ratio: PatchMask(WINDOW, ratio, per_frame=True),
]
STEPS = (392, 392, 49, 8, 392, 49)  # units that each rule hides or shows as a whole


@pytest.mark.parametrize(("rule", "step"), list(zip(RULES, STEPS, strict=True)))
@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.4, 0.75, 0.9, 1.0])
def test_every_mask_hides_the_asked_share(rule: Callable, step: int, ratio: float) -> None:
    for i in range(20):
        mask = rule(ratio)(generator_for(i))
        assert (mask.dtype, tuple(mask.shape)) == (torch.bool, WINDOW)
        assert int(mask.sum()) == round(ratio * step) * 392 // step


@pytest.mark.parametrize("rule", RULES)
def test_the_generator_alone_decides(rule: Callable) -> None:
    masks = [rule(0.5)(generator_for("mask", i)) for i in range(20)]
    assert all(torch.equal(m, rule(0.5)(generator_for("mask", i))) for i, m in enumerate(masks))
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) > 10


def test_tubes_and_frames() -> None:
    for i in range(10):
        tube = TubeMask(WINDOW, 0.4)(generator_for(i))
        assert (tube == tube[:1]).all()
        frames = FrameMask(WINDOW, 0.4)(generator_for(i))
        assert (frames == frames[:, :1, :1]).all()
        even = PatchMask(WINDOW, 0.4, per_frame=True)(generator_for(i))
        assert (even.sum((1, 2)) == round(0.4 * 49)).all()
        assert not (even == even[:1]).all()


def neighbours(mask: Tensor) -> float:
    """Share of hidden patches whose right neighbour is hidden too."""
    here, right = mask[..., :-1], mask[..., 1:]
    return float((here & right).sum() / here.sum())


def test_blocks_hang_together_and_may_be_kept_small() -> None:
    def share(rule: Callable) -> float:
        return sum(neighbours(rule(generator_for(i))) for i in range(40)) / 40

    assert share(BlockMask(WINDOW, 0.4)) > 0.7 > share(PatchMask(WINDOW, 0.4)) + 0.2
    assert share(BlockMask(WINDOW, 0.4, largest=2)) < share(BlockMask(WINDOW, 0.4)) - 0.2
    assert share(BlockMask((1, 14, 14), 0.4, None, 4)) > 0.6
