"""Mirrors slowfast/data/transforms/device.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from slowfast.data.transforms.device import InputStage

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def clips(frames: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, frames, 6, 7, 3), generator=generator).to(torch.uint8)


def plain(raw: Tensor) -> Tensor:
    """The public order of processing: / 255, - mean, / std, channels first."""
    floats = (raw.float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    return floats.permute(0, 4, 1, 2, 3)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_equals_the_plain_order(reverse: bool, channels_last: bool) -> None:
    raw = clips()
    before = raw.clone()
    stage = InputStage(MEAN, STD, reverse_channels=reverse, alpha=4, channels_last=channels_last)
    slow, fast = stage(raw)
    wanted = plain(raw)
    if reverse:  # as the last step, so each channel keeps its own mean
        wanted = wanted[:, [2, 1, 0]]
    torch.testing.assert_close(fast, wanted, rtol=0, atol=2e-6)
    torch.testing.assert_close(slow, wanted[:, :, [0, 5, 10, 15]], rtol=0, atol=2e-6)
    layout = torch.channels_last_3d if channels_last else torch.contiguous_format
    assert all(pathway.is_contiguous(memory_format=layout) for pathway in (slow, fast))
    assert torch.equal(raw, before)


def test_one_pathway_and_other_types() -> None:
    (only,) = InputStage(MEAN, STD)(clips(3))
    assert only.shape == (2, 3, 3, 6, 7)
    (half,) = InputStage(MEAN, STD, dtype=torch.bfloat16)(clips(3))
    assert half.dtype is torch.bfloat16
    torch.testing.assert_close(half.float(), only, rtol=1e-2, atol=1e-2)


def test_compiles_without_a_break() -> None:
    stage = InputStage(MEAN, STD, alpha=4, reverse_channels=True)
    compiled = torch.compile(stage.__call__, backend="eager", fullgraph=True)
    for ours, theirs in zip(stage(clips()), compiled(clips()), strict=True):
        assert torch.equal(ours, theirs)


def test_clips_that_are_normalised_already() -> None:
    """Strict mode: only the layout changes."""
    normal = clips().float() / 100
    (fast,) = InputStage(MEAN, STD, normalised=True)(normal)
    assert torch.equal(fast, normal.permute(0, 4, 1, 2, 3))


def test_errors_say_what_is_expected() -> None:
    stage = InputStage(MEAN, STD)
    with pytest.raises(
        ValueError, match=r"expected uint8 clips \(N, T, H, W, 3\), or .* got torch.float64"
    ):
        stage(clips().double())
    with pytest.raises(ValueError, match=r"\(2, 16, 6, 7\)"):
        stage(clips()[..., 0])
    with pytest.raises(ValueError, match=r"DATA.MEAN has 3 values and DATA.STD 1"):
        InputStage(MEAN, (0.2,))
