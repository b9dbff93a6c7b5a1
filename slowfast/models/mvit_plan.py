"""The blocks of a multiscale transformer, worked out from its few settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from slowfast.models.limits import check_count, check_share, check_whole
from slowfast.models.mvit_block import BlockSpec
from slowfast.ops.conv import round_width
from slowfast.ops.pooling_attention import Window, window_for_stride
from slowfast.ops.pos_embed import Grid

Rows = Sequence[Sequence[float]]  # [block, ...] each


@dataclass(frozen=True)
class Growth:
    """Depth and widths (2104.11227, Table 2).

    Args:
        dim, heads: of the first block.
        dim_mul, head_mul: [block, factor] rows: from this block on there are as many times
            more channels, and heads.
        in_attention: channels grow in the attention of the block (2112.01526); otherwise in the
            MLP of the block before it.
        drop_path: of the last block; grows linearly from 0 with depth.
    """

    depth: int = 16
    dim: int = 96
    heads: int = 1
    dim_mul: Rows = ()
    head_mul: Rows = ()
    in_attention: bool = False
    drop_path: float = 0.1

    def __post_init__(self) -> None:
        check_whole(depth=self.depth, dim=self.dim, heads=self.heads)
        check_share(drop_path=self.drop_path)


@dataclass(frozen=True)
class Pools:
    """Where tokens are pooled.

    Args:
        kernel: of every pool, in T, H, W; None: stride + 1 along axes with a stride.
        q_stride, kv_stride: [block, t, h, w] rows; blocks without one are not pooled.
        kv_stride_adaptive: stride of keys and values in the first block, divided by the
            strides that the queries have had so far; goes before `kv_stride`.
    """

    kernel: Sequence[int] | None = None
    q_stride: Rows = ()
    kv_stride: Rows = ()
    kv_stride_adaptive: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.kernel is not None:
            check_count(3, "T, H, W", pool_kernel=self.kernel)
        if self.kv_stride_adaptive is not None:
            check_count(3, "T, H, W", pool_kv_stride_adaptive=self.kv_stride_adaptive)


def plan_blocks(growth: Growth, pools: Pools, grid: Grid) -> list[BlockSpec]:
    """What each block is, for tokens that start on `grid` (T, H, W).

    Raises:
        ValueError: a row names a block that is not there, or channels and heads don't divide.
    """
    widths, heads = _widths_and_heads(growth)
    windows_q = _windows(pools.q_stride, "MVIT.POOL_Q_STRIDE", growth.depth, pools.kernel)
    strides_kv = pools.kv_stride
    if pools.kv_stride_adaptive is not None:
        strides_kv = adaptive_strides(pools.kv_stride_adaptive, windows_q)
    windows_kv = _windows(strides_kv, "MVIT.POOL_KV_STRIDE", growth.depth, pools.kernel)
    specs = []
    for i in range(growth.depth):
        pool_q, skip = windows_q[i], None
        if pool_q is not None and math.prod(pool_q.stride) > 1:
            skip = window_for_stride(pool_q.stride)
            _check_skip(i, grid, pool_q, skip)
        specs.append(
            BlockSpec(
                widths[i],
                widths[i + 1] if growth.in_attention else widths[i],
                widths[i + 1],
                heads[i],
                grid,
                pool_q=pool_q,
                pool_kv=windows_kv[i],
                pool_skip=skip,
                drop_path=growth.drop_path * i / max(growth.depth - 1, 1),
            )
        )
        if pool_q is not None:
            t, h, w = (size // s for size, s in zip(grid, pool_q.stride, strict=True))
            grid = (t, h, w)
    return specs


def adaptive_strides(first: Sequence[int], windows_q: Sequence[Window | None]) -> Rows:
    """Strides that keep the number of keys as the queries become fewer (2104.11227, Sec. 3.2)."""
    rows, stride = [], list(first)
    for i, window in enumerate(windows_q):
        if window is not None:
            stride = [max(s // q, 1) for s, q in zip(stride, window.stride, strict=True)]
        rows.append([i, *stride])
    return rows


def values_by_block(rows: Rows, key: str, depth: int, columns: int) -> dict[int, Sequence[float]]:
    """Block -> the rest of its row, ``columns`` numbers above 0."""
    found: dict[int, Sequence[float]] = {}
    for row in rows:
        block = int(row[0])
        if block != row[0] or not 0 <= block < depth:
            raise ValueError(
                f"{key} has a row {list(row)} for block {row[0]}, but the blocks are numbered "
                f"0 to {depth - 1} (MVIT.DEPTH {depth})"
            )
        if len(row) != 1 + columns or min(row[1:]) <= 0:
            raise ValueError(
                f"{key} has a row {list(row)}; expected the block and {columns} number(s) above 0"
            )
        if block in found:
            raise ValueError(f"{key} has two rows for block {block}; give one a block")
        found[block] = row[1:]
    return found


def _widths_and_heads(growth: Growth) -> tuple[list[int], list[int]]:
    """Channels before each block and after the last; heads of each block."""
    dim_mul = values_by_block(growth.dim_mul, "MVIT.DIM_MUL", growth.depth, 1)
    head_mul = values_by_block(growth.head_mul, "MVIT.HEAD_MUL", growth.depth, 1)
    if 0 in dim_mul and not growth.in_attention:
        raise ValueError(
            "MVIT.DIM_MUL has a row for block 0, before which nothing can grow; set "
            "MVIT.EMBED_DIM, or MVIT.DIM_MUL_IN_ATT True"
        )
    heads, count = [], growth.heads
    for i in range(growth.depth):
        count = round_width(count, head_mul[i][0]) if i in head_mul else count
        heads.append(count)
    widths = [growth.dim]
    for i in range(growth.depth):
        # What grows "at block i + 1" does so in the MLP of block i, or in the next attention.
        at = i if growth.in_attention else i + 1
        width = widths[-1]
        if at in dim_mul:
            width = round_width(width, dim_mul[at][0], divisor=heads[at])
        widths.append(width)
    for i, count in enumerate(heads):
        width = widths[i + 1] if growth.in_attention else widths[i]
        if width % count:
            raise ValueError(
                f"block {i} has {width} channels for {count} heads, which must divide them; set "
                "MVIT.EMBED_DIM to a multiple of MVIT.NUM_HEADS, or change MVIT.DIM_MUL and "
                "MVIT.HEAD_MUL"
            )
    return widths, heads


def _windows(rows: Rows, key: str, depth: int, kernel: Sequence[int] | None) -> list[Window | None]:
    windows: list[Window | None] = [None] * depth
    for block, values in values_by_block(rows, key, depth, 3).items():
        if any(value != int(value) or value < 1 for value in values):
            raise ValueError(
                f"{key} has the strides {list(values)} for block {block}; they are whole numbers "
                "from 1, in time, height and width"
            )
        window = window_for_stride([int(value) for value in values])
        if kernel is not None:
            t, h, w = kernel
            window = Window((t, h, w), window.stride)
        if math.prod(window.kernel + window.stride) > 1:  # one token stays one token
            windows[block] = window
    return windows


def _check_skip(block: int, grid: Grid, pool_q: Window, skip: Window) -> None:
    if pool_q.out(grid) != skip.out(grid):
        raise ValueError(
            f"block {block}: queries are pooled to {pool_q.out(grid)} tokens (T, H, W), and the "
            f"shortcut with a kernel of {skip.kernel} to {skip.out(grid)}; choose "
            "MVIT.POOL_KVQ_KERNEL odd and MVIT.POOL_Q_STRIDE 1 or 2, or no MVIT.POOL_KVQ_KERNEL"
        )
