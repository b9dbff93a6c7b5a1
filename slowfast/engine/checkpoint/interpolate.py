"""Position embeddings for clips of another size, as the public MViT code resizes them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Grid = tuple[int, int, int]  # patches: T, H, W
JOINT = "pos_embed"  # the embedding of all patches of a clip, whatever its shape


def interpolate(
    name: str,
    value: Tensor,
    shape: Sequence[int],
    *,
    grid: Grid | None = None,
    saved: Grid | None = None,
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
        saved: patches of the network that the checkpoint is of; None, or a grid of another number
            of patches: the likeliest is taken, see `readings`.

    Returns:
        None if this is no position embedding, or if its sizes do not tell how to resize it.
    """
    last = name.rpartition(".")[2]
    if value.dim() != len(shape) or value.shape[-1] != shape[-1] or not value.numel():
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
    if last == JOINT and grid is not None:
        return _joint(value, shape[1], grid, saved)
    return None


def is_elsewhere(name: str, *, grid: Grid | None, saved: Grid | None) -> bool:
    """Whether embeddings, as many as the network has, are for another grid than its own."""
    if name.rpartition(".")[2] != JOINT or grid is None or saved is None or saved == grid:
        return False
    return math.prod(saved) == math.prod(grid)


def doubt(name: str, count: int, length: int, *, grid: Grid | None, saved: Grid | None) -> str:
    """What the numbers of embeddings, old and new, leave open, in words; empty: nothing."""
    if name.rpartition(".")[2] != JOINT or grid is None:
        return ""
    patches = count - (length - math.prod(grid))
    found = readings(patches, grid)
    if len(found) < 2 or (saved is not None and math.prod(saved) == patches):
        return ""
    taken, other = ("x".join(map(str, each)) for each in found)
    return f"{name} (taken for {taken} patches in T, H, W; {other} would be as many)"


def readings(count: int, grid: Grid) -> list[Grid]:
    """Grids of `count` patches that differ from `grid` in their frames alone or their size alone.

    The likeliest comes first: clips of other lengths are commoner than those of other sizes.
    """
    frames, height, width = grid
    found: list[Grid] = []
    if count > 0 and count % (height * width) == 0:
        found.append((count // (height * width), height, width))
    side = math.isqrt(max(count // frames, 0))
    square = frames, side, side
    if height == width and side and frames * side**2 == count and square not in found:
        found.append(square)
    return found


def _joint(value: Tensor, length: int, grid: Grid, saved: Grid | None) -> Tensor | None:
    """pos_embed (1, [1 +] t * h * w, C) -> (1, length, C)."""
    tokens = length - math.prod(grid)  # the class token, if any
    count = value.shape[1] - tokens
    known = saved is not None and math.prod(saved) == count
    old = saved if known else next(iter(readings(count, grid)), None)
    if tokens not in (0, 1) or old is None:
        return None
    return torch.cat([value[:, :tokens], _resize(value[:, tokens:], old, grid, "trilinear")], dim=1)


def _resize(value: Tensor, old: Sequence[int], new: Sequence[int], mode: str) -> Tensor:
    """From (1, prod(old), C) to (1, prod(new), C)."""
    maps = value.transpose(1, 2).reshape(1, -1, *old).float()
    resized = F.interpolate(maps, size=tuple(new), mode=mode, align_corners=False)
    return resized.flatten(2).transpose(1, 2).to(value.dtype).contiguous()
