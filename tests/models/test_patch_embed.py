"""Mirrors slowfast/models/patch_embed.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slowfast.models.patch_embed import PatchEmbed, PatchSpec


def test_tokens_are_ordered_by_time_row_column() -> None:
    embed = PatchEmbed(1, 1, PatchSpec((1, 2, 2), (1, 2, 2), (0, 0, 0)))
    nn.init.constant_(embed.proj.weight, 0.25)
    nn.init.zeros_(embed.proj.bias)
    clip = torch.arange(12.0).reshape(2, 2, 3).repeat_interleave(2, 1).repeat_interleave(2, 2)
    tokens, grid = embed(clip[None, None])
    assert grid == (2, 2, 3)
    assert tokens.flatten().tolist() == list(range(12))


def test_images_are_clips_of_one_frame() -> None:
    spec = PatchSpec((4, 4), (4, 4), (0, 0), image=True)
    embed = PatchEmbed(3, 8, spec)
    assert isinstance(embed.proj, nn.Conv2d)
    tokens, grid = embed(torch.randn(2, 3, 1, 12, 8))
    assert grid == (1, 3, 2)
    assert spec.grid(1, 12) == (1, 3, 3)
    assert tokens.shape == (2, 6, 8)
    with pytest.raises(ValueError, match="clips of one frame; got 2 frames"):
        embed(torch.randn(2, 3, 2, 12, 8))


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"PATCH_STRIDE is \[4, 4\], .* has 3 numbers, time, hei"):
        PatchSpec((1, 4, 4), (4, 4), (0, 0, 0))
    with pytest.raises(ValueError, match=r"PATCH_KERNEL is \[1, 4, 4\], .* True it has 2 numbers"):
        PatchSpec((1, 4, 4), (4, 4), (0, 0), image=True)
    with pytest.raises(ValueError, match=r"1 frames \(DATA\.NUM_FRAMES\) of 8 pixels .* smaller"):
        PatchSpec().grid(1, 8)
    with pytest.raises(ValueError, match=r"clip of 1 frames of 8x8 pixels .* patch of 3x16x16"):
        PatchEmbed(3, 4, PatchSpec((3, 16, 16), (2, 8, 8), (1, 0, 0)))(torch.zeros(1, 3, 1, 8, 8))
