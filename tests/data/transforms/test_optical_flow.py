"""Mirrors slowfast/data/transforms/optical_flow.py."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from slowfast.data.transforms.optical_flow import optical_flow


def moving_texture(right: float, down: float, *, frames: int = 3, size: int = 96) -> Tensor:
    """(1, 1, frames, size, size): a smooth random texture that moves evenly."""
    generator = torch.Generator().manual_seed(0)
    texture = F.interpolate(torch.rand(1, 1, 40, 40, generator=generator), 320, mode="bicubic")
    scale = size / 320
    views = []
    for t in range(frames):
        shift = [-2 * scale * v * t / size for v in (right, down)]
        matrix = torch.tensor([[[scale, 0, shift[0]], [0, scale, shift[1]]]])
        grid = F.affine_grid(matrix, [1, 1, size, size], align_corners=False)
        views.append(F.grid_sample(texture, grid, align_corners=False))
    return torch.stack(views, dim=2)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (1, 0), (0.5, -0.25), (3, -2), (-4, 4)])
def test_an_even_motion_is_found(right: float, down: float) -> None:
    flow = optical_flow(moving_texture(right, down))
    inner = flow[0, :, 1:, 16:-16, 16:-16]
    assert inner.mean((1, 2, 3)).tolist() == pytest.approx([right, down], abs=0.1)
    assert inner.std((1, 2, 3)).max() < 0.4


def test_the_first_frame_and_a_single_frame_have_none() -> None:
    clip = moving_texture(2, 0)
    assert optical_flow(clip)[:, :, 0].eq(0).all()
    assert optical_flow(clip[:, :, :1]).eq(0).all()


def test_frames_without_texture_are_at_rest() -> None:
    assert optical_flow(torch.full((2, 1, 4, 40, 56), 0.3)).eq(0).all()


def test_brightness_in_other_units_gives_the_same() -> None:
    clip = moving_texture(1, -1, size=64)
    torch.testing.assert_close(optical_flow(clip), optical_flow(255 * clip), atol=1e-3, rtol=1e-3)
