"""Absolute position embeddings of a grid of tokens, and their resizing to other grids.

Tokens are ordered by time, then row, then column; a class token, if there is one, comes first.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Grid = tuple[int, int, int]  # tokens in T, H, W


def joint_positions(embed: Tensor, built: Grid, grid: Grid) -> Tensor:
    """One embedding for each token, resized trilinearly if `grid` is not the one it is for.

    Args:
        embed: (1, L, C) or, with that of a class token in front, (1, 1 + L, C); L = T * H * W of
            `built`.

    Shape: (1, [1 +] T * H * W of `grid`, C).
    """
    if grid == built:
        return embed
    classes = embed.shape[1] - built[0] * built[1] * built[2]
    front, patches = embed[:, :classes], embed[:, classes:]
    volume = patches.transpose(1, 2).unflatten(2, built)
    resized = F.interpolate(volume.float(), grid, mode="trilinear").to(embed.dtype)
    return torch.cat([front, resized.flatten(2).transpose(1, 2)], dim=1)


def separate_positions(
    spatial: Tensor, temporal: Tensor, class_embed: Tensor | None, built: Grid, grid: Grid
) -> Tensor:
    """The sum of an embedding of the place (1, H * W, C) and one of the time (1, T, C).

    For another grid than `built` places are resized bicubically and times linearly.

    Shape: (1, [1 +] T * H * W of `grid`, C).
    """
    if grid[1:] != built[1:]:
        plane = spatial.transpose(1, 2).unflatten(2, built[1:]).float()
        plane = F.interpolate(plane, grid[1:], mode="bicubic")
        spatial = plane.to(spatial.dtype).flatten(2).transpose(1, 2)
    if grid[0] != built[0]:
        line = F.interpolate(temporal.transpose(1, 2).float(), grid[0], mode="linear")
        temporal = line.to(temporal.dtype).transpose(1, 2)
    both = (temporal.unsqueeze(2) + spatial.unsqueeze(1)).flatten(1, 2)
    return both if class_embed is None else torch.cat([class_embed, both], dim=1)


def sincos(positions: Tensor, dim: int) -> Tensor:
    """Sines, then cosines, of positions (L,) at dim / 2 frequencies (1706.03762, Sec. 3.5)."""
    rates = 10000 ** -(torch.arange(dim // 2, dtype=torch.float64) / (dim / 2))
    angles = positions.double()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


def sincos_plane(height: int, width: int, dim: int) -> Tensor:
    """(H * W, dim): half of the channels for the column, half for the row."""
    _check_channels(dim, 4)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    halves = [sincos(axis.flatten(), dim // 2) for axis in (columns, rows)]
    return torch.cat(halves, dim=1)


def sincos_volume(grid: Grid, dim: int) -> Tensor:
    """(T * H * W, dim): a quarter of the channels for the time, the rest for the place.

    The split of masked autoencoders for video (2205.09113).
    """
    frames, height, width = grid
    if frames == 1:
        return sincos_plane(height, width, dim)
    _check_channels(dim, 16)
    time = sincos(torch.arange(frames), dim // 4)
    place = sincos_plane(height, width, dim // 4 * 3)
    return torch.cat(
        [time.repeat_interleave(height * width, dim=0), place.repeat(frames, 1)], dim=1
    )


def _check_channels(dim: int, divisor: int) -> None:
    if dim % divisor:
        raise ValueError(
            f"MVIT.EMBED_DIM ({dim}) must be a multiple of {divisor} for the sine and cosine "
            "embeddings of MVIT.USE_FIXED_SINCOS_POS"
        )
