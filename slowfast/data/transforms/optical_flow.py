"""Dense optical flow between the frames of a clip, on the device and without weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 9  # pixels over which a motion is taken as constant
ITERATIONS = 3  # at each level
SMALLEST = 16  # pixels of the coarsest level's shorter side, at least
RIDGE = 1e-3  # keeps windows without texture at rest


def optical_flow(gray: Tensor) -> Tensor:
    """Motion of each pixel from the frame before, by Lucas and Kanade's least squares.

    Coarse to fine: the flow of a half-sized clip is doubled, the earlier frame is warped by it,
    and what motion is left is estimated from the gradients of brightness in a window.

    Args:
        gray: brightness, float (N, 1, T, H, W), of any scale.

    Returns:
        float32 (N, 2, T, H, W): pixels to the right and down; 0 for the first frame, which has
        none before it.
    """
    batch, _, frames, height, width = gray.shape
    flow = gray.new_zeros((batch, 2, frames, height, width), dtype=torch.float32)
    if frames == 1:
        return flow
    images = gray.float().transpose(1, 2)  # N T 1 H W
    before, after = images[:, :-1].flatten(0, 1), images[:, 1:].flatten(0, 1)
    pyramid = [(before, after)]
    while min(before.shape[-2:]) >= 2 * SMALLEST:
        before, after = F.avg_pool2d(before, 2), F.avg_pool2d(after, 2)
        pyramid.append((before, after))
    motion = before.new_zeros((len(before), 2, *before.shape[-2:]))
    for before, after in reversed(pyramid):
        size = before.shape[-2:]
        grow = motion.new_tensor([size[1] / motion.shape[-1], size[0] / motion.shape[-2]])
        motion = F.interpolate(motion, size=size, mode="bilinear", align_corners=False)
        motion = motion * grow[:, None, None]
        for _ in range(ITERATIONS):
            motion = motion + _remaining_motion(_warp(before, motion), after)
    flow[:, :, 1:] = motion.unflatten(0, (batch, frames - 1)).transpose(1, 2)
    return flow


def _remaining_motion(before: Tensor, after: Tensor) -> Tensor:
    """Least-squares motion (N, 2, H, W) of windows between two images (N, 1, H, W)."""
    mean = (before + after) / 2
    padded = F.pad(mean, (1, 1, 1, 1), mode="replicate")
    dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    dt = after - before
    products = torch.cat([dx * dx, dx * dy, dy * dy, dx * dt, dy * dt], dim=1)
    sums = F.avg_pool2d(products, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)
    xx, xy, yy, xt, yt = sums.split(1, dim=1)
    ridge = RIDGE * mean.var().clamp_min(1e-12)
    xx, yy = xx + ridge, yy + ridge
    determinant = xx * yy - xy * xy
    motion = torch.cat([xy * yt - yy * xt, xy * xt - xx * yt], dim=1) / determinant
    return motion.clamp(-2, 2)  # gradients say nothing about more than a pixel or two


def _warp(image: Tensor, motion: Tensor) -> Tensor:
    """`image` (N, 1, H, W) moved along `motion` (N, 2, H, W)."""
    height, width = image.shape[-2:]
    x = torch.arange(width, device=image.device, dtype=image.dtype)
    y = torch.arange(height, device=image.device, dtype=image.dtype)[:, None]
    from_x = (2 * (x - motion[:, 0]) + 1) / width - 1
    from_y = (2 * (y - motion[:, 1]) + 1) / height - 1
    grid = torch.stack([from_x, from_y], dim=-1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)
