"""Mirrors slowfast/data/transforms/fast_input.py."""

from __future__ import annotations

import pytest
import torch

from slowfast.data.transforms.device import InputStage
from slowfast.data.transforms.fast_input import FAST_INPUTS, difference, flow, gray, half


def test_gray_weighs_red_green_and_blue_in_either_order() -> None:
    clip = torch.tensor([1.0, 2.0, 3.0])[None, :, None, None, None]
    assert gray(clip).item() == pytest.approx(0.299 + 2 * 0.587 + 3 * 0.114)
    flipped = gray(clip.flip(1), reverse_channels=True)
    assert flipped.item() == pytest.approx(gray(clip).item())


def test_difference_is_to_the_frame_before() -> None:
    clip = torch.tensor([1.0, 1.0, 4.0, 2.0])[None, None, :, None, None].expand(1, 3, 4, 2, 2)
    assert difference(clip)[0, 0, :, 0, 0].tolist() == pytest.approx([0, 0, 3, -2])


def test_half_is_the_mean_of_four_pixels() -> None:
    clip = torch.arange(16.0).view(1, 1, 1, 4, 4).expand(1, 3, 2, 4, 4)
    assert half(clip)[0, 0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_flow_stays_within_one() -> None:
    clip = 100 * torch.rand(1, 3, 3, 40, 40)
    assert flow(clip).abs().max() <= 1


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("rgb", (3, 8, 32, 32)),
        ("half", (3, 8, 16, 16)),
        ("gray", (1, 8, 32, 32)),
        ("difference", (1, 8, 32, 32)),
        ("flow", (2, 8, 32, 32)),
    ],
)
def test_only_the_fast_pathway_sees_it(kind: str, shape: tuple[int, ...]) -> None:
    clips = torch.randint(256, (2, 8, 32, 32, 3), dtype=torch.uint8)
    colours = ([0.45] * 3, [0.225] * 3)
    slow, fast = InputStage(*colours, alpha=4, fast_input=kind)(clips)
    plain_slow, plain_fast = InputStage(*colours, alpha=4)(clips)
    assert torch.equal(slow, plain_slow)
    assert fast.shape == (2, *shape)
    expected = FAST_INPUTS[kind](plain_fast) if kind != "rgb" else plain_fast
    torch.testing.assert_close(fast, expected)
