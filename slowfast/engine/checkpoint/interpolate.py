"""Position embeddings for clips of another size, as the public MViT code resizes them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Grid = tuple[int, int, int]  # patches: T, H, W


def interpolate(
    name: str, value: Tensor, shape: Sequence[int], *, grid: Grid | None = None
) -> Tensor | None:
    """The embedding `name` of a checkpoint at the `shape` that the network wants.

    ===================  =======================  ==========================
    ``rel_pos_h, _w, _t``  (2L - 1, C)            linear
    ``pos_embed_temporal`` (1, T, C)              linear
    ``pos_embed_spatial``  (1, H * W, C), H = W   bicubic
    ``pos_embed``          (1, [1 +] T * H * W, C)  trilinear
    ===================  =======================  ==========================

    The class token in front of ``pos_embed`` is kept as it is.

    Args:
        grid: patches of the network; ``pos_embed`` needs it, because T * H * W does not tell them.

    Returns:
        None if this is no position embedding, or if its sizes do not tell how to resize it.
    """
    last = name.rpartition(".")[2]
    if value.dim() != len(shape) or value.shape[-1] != shape[-1]:
        return None
    if last in ("rel_pos_h", "rel_pos_w", "rel_pos_t") and value.dim() == 2:
        return _resize(value[None], (value.shape[0],), (shape[0],), "linear")[0]
    if value.dim() != 3 or value.shape[0] != 1 or shape[0] != 1:
        return None
    if last == "pos_embed_temporal":
        return _resize(value, (value.shape[1],), (shape[1],), "linear")
    if last == "pos_embed_spatial":
        old, new = math.isqrt(value.shape[1]), math.isqrt(shape[1])
        if old**2 == value.shape[1] and new**2 == shape[1]:
            return _resize(value, (old, old), (new, new), "bicubic")
    if last == "pos_embed" and grid is not None:
        return _joint(value, shape[1], grid)
    return None


def _joint(value: Tensor, length: int, grid: Grid) -> Tensor | None:
    """pos_embed (1, [1 +] t * h * w, C) -> (1, length, C)."""
    tokens = length - math.prod(grid)  # the class token, if any
    old = _old_grid(value.shape[1] - tokens, grid)
    if tokens not in (0, 1) or old is None:
        return None
    return torch.cat([value[:, :tokens], _resize(value[:, tokens:], old, grid, "trilinear")], dim=1)


def _old_grid(count: int, grid: Grid) -> Grid | None:
    """The patches of the checkpoint: as many frames and another square, or the reverse."""
    frames, height, width = grid
    side = math.isqrt(max(count // frames, 0))
    if height == width and frames * side**2 == count:
        return frames, side, side
    if count % (height * width) == 0:
        return count // (height * width), height, width
    return None


def _resize(value: Tensor, old: Sequence[int], new: Sequence[int], mode: str) -> Tensor:
    """From (1, prod(old), C) to (1, prod(new), C)."""
    maps = value.transpose(1, 2).reshape(1, -1, *old).float()
    resized = F.interpolate(maps, size=tuple(new), mode=mode, align_corners=False)
    return resized.flatten(2).transpose(1, 2).to(value.dtype).contiguous()
