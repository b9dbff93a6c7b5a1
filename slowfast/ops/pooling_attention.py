"""Attention whose queries, keys and values are pooled first (MViT, 2104.11227, Sec. 3.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slowfast.ops.conv import Conv3d
from slowfast.ops.pos_embed import Grid
from slowfast.ops.precision import runs_in_half
from slowfast.ops.rel_pos import relative_logits

POOL_MODES = ("conv", "conv_unshared", "avg", "max")
EPS = 1e-6  # of every layer norm of the family


@dataclass(frozen=True)
class Window:
    """What a pool sees: kernel and stride in T, H, W; padded by half of the kernel."""

    kernel: Grid
    stride: Grid

    @property
    def padding(self) -> Grid:
        t, h, w = self.kernel
        return t // 2, h // 2, w // 2

    def out(self, grid: Grid) -> Grid:
        """The grid that a pool leaves of `grid`."""
        t, h, w = (
            (size + 2 * pad - kernel) // stride + 1
            for size, pad, kernel, stride in zip(
                grid, self.padding, self.kernel, self.stride, strict=True
            )
        )
        return t, h, w


def window_for_stride(stride: Sequence[int]) -> Window:
    """The window of a pool that is given by its stride alone: overlapping by one."""
    t, h, w = stride
    kernel = [s + 1 if s > 1 else s for s in (t, h, w)]
    return Window((kernel[0], kernel[1], kernel[2]), (t, h, w))


@dataclass(frozen=True)
class AttentionOptions:
    """What all attentions of a network have in common.

    Args:
        mode: how tokens are pooled: "conv" (channelwise, the heads share the weights),
            "conv_unshared" (channelwise), "avg" or "max".
        pool_first: pool the input, then project; otherwise project, then pool.
        separate_qkv: three projections instead of one of three times the size.
        residual_pooling: add the pooled queries to the output (2112.01526, Sec. 4.1).
        class_token: the first token is one that is not pooled and has no position.
        pool_eps: of the norms of what was pooled.
    """

    mode: str = "conv"
    pool_first: bool = False
    qkv_bias: bool = True
    separate_qkv: bool = False
    residual_pooling: bool = False
    rel_pos_spatial: bool = False
    rel_pos_temporal: bool = False
    class_token: bool = True
    dropout: float = 0.0
    pool_eps: float = EPS


class PoolingAttention(nn.Module):
    """Multi-head attention with pooled queries, keys and values.

    Args:
        dim: channels of the input. dim_out: of the output.
        grid: T, H, W of the tokens it is built for; sets the size of the relative positions,
            which are interpolated for others.
        pool_q, pool_kv: windows of the pools; None: not pooled.

    Shape: (N, [1 +] L, dim) -> (N, [1 +] L', dim_out), L' as `pool_q` leaves.
    """

    # The attribute names and their order are those of published checkpoints.
    pool_q: nn.Module | None
    norm_q: nn.Module | None
    rel_pos_h: Tensor | None
    rel_pos_w: Tensor | None
    rel_pos_t: Tensor | None

    def __init__(
        self,
        dim: int,
        dim_out: int,
        *,
        heads: int,
        grid: Grid,
        pool_q: Window | None = None,
        pool_kv: Window | None = None,
        options: AttentionOptions,
    ) -> None:
        super().__init__()
        self.heads, self.options = heads, options
        self.windows = pool_q, pool_kv
        if options.separate_qkv or options.pool_first:
            self.q = nn.Linear(dim, dim_out, bias=options.qkv_bias)
            self.k = nn.Linear(dim, dim_out, bias=options.qkv_bias)
            self.v = nn.Linear(dim, dim_out, bias=options.qkv_bias)
        else:
            self.qkv = nn.Linear(dim, 3 * dim_out, bias=options.qkv_bias)
        self.proj = nn.Linear(dim_out, dim_out)
        self.proj_drop = nn.Dropout(options.dropout)
        channels = dim if options.pool_first else dim_out
        if options.mode != "conv_unshared":
            channels //= heads
        for name, window in (("q", pool_q), ("k", pool_kv), ("v", pool_kv)):
            pool, norm = make_pool(window, channels, options.mode, eps=options.pool_eps)
            self.add_module(f"pool_{name}", pool)
            self.add_module(f"norm_{name}", norm)
        self._add_tables(dim_out // heads, grid)

    def _add_tables(self, dim_head: int, grid: Grid) -> None:
        # The length of a table is that of the public networks, which divide where the pools
        # round up; where the two differ, tables are interpolated.
        strides = [window.stride if window else (1, 1, 1) for window in self.windows]
        height, width = (max(grid[axis] // s[axis] for s in strides) for axis in (1, 2))
        spatial, temporal = self.options.rel_pos_spatial, self.options.rel_pos_temporal
        for axis, size, on in (
            ("h", height, spatial),
            ("w", width, spatial),
            ("t", grid[0], temporal),
        ):
            table = nn.Parameter(torch.zeros(2 * max(size, 1) - 1, dim_head)) if on else None
            self.register_parameter(f"rel_pos_{axis}", table)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        q, k, v = self._project_and_pool(x, grid)
        window_q, window_kv = self.windows
        q_grid = window_q.out(grid) if window_q else grid
        k_grid = window_kv.out(grid) if window_kv else grid
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self._bias(q, q_grid, k_grid))
        if self.options.residual_pooling:
            y = y + self._without_class(q)
        y = y.transpose(1, 2).flatten(2)
        return self.proj_drop(self.proj(y))  # type: ignore[no-any-return]

    def pool_like_queries(self, x: Tensor, grid: Grid) -> Tensor:
        """Tokens (N, [1 +] L, C) through the pool and norm of the queries: (N, [1 +] L', C)."""
        return self._pool(self._split(x), "q", grid).transpose(1, 2).flatten(2)

    def _project_and_pool(self, x: Tensor, grid: Grid) -> list[Tensor]:
        """q, k, v of shape (N, heads, tokens, C)."""
        if self.options.pool_first:
            pooled = (self._pool(self._split(x), name, grid) for name in "qkv")
            tokens = [y.transpose(1, 2).flatten(2) for y in pooled]
            qkv = [layer(y) for layer, y in zip((self.q, self.k, self.v), tokens, strict=True)]
            return self._same_type([self._split(y) for y in qkv])
        if self.options.separate_qkv:
            qkv = [self.q(x), self.k(x), self.v(x)]
        else:
            qkv = list(self.qkv(x).chunk(3, dim=-1))
        projected = [self._split(y) for y in qkv]
        pooled = (self._pool(y, name, grid) for y, name in zip(projected, "qkv", strict=True))
        return self._same_type(list(pooled))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    @staticmethod
    def _same_type(qkv: list[Tensor]) -> list[Tensor]:
        # Autocast leaves what went through a norm in float32, and the rest in half precision.
        lowest = qkv[0].dtype
        for y in qkv[1:]:
            if y.dtype.itemsize < lowest.itemsize:
                lowest = y.dtype
        return [y.to(lowest) for y in qkv]

    def _pool(self, x: Tensor, name: str, grid: Grid) -> Tensor:
        """Pool and normalise x (N, heads, tokens, C) as `name`, one of q, k, v."""
        pool, norm = getattr(self, f"pool_{name}"), getattr(self, f"norm_{name}")
        if self.options.mode == "conv_unshared" and pool is not None:
            merged = x.transpose(1, 2).flatten(2).unsqueeze(1)
            merged = pool_tokens(merged, grid, pool, norm, class_token=self.options.class_token)
            return self._split(merged.squeeze(1))
        return pool_tokens(x, grid, pool, norm, class_token=self.options.class_token)

    def _bias(self, q: Tensor, q_grid: Grid, k_grid: Grid) -> Tensor | None:
        """What is added to the logits; a class token has no position."""
        if self.rel_pos_h is None and self.rel_pos_t is None:
            return None
        # Positions see the queries as they are, before the 1 / sqrt(C) of the logits.
        bias = relative_logits(
            q[:, :, 1:] if self.options.class_token else q,
            q_grid,
            k_grid,
            height=self.rel_pos_h,
            width=self.rel_pos_w,
            time=self.rel_pos_t,
        )
        return F.pad(bias, (1, 0, 1, 0)) if self.options.class_token else bias

    def _without_class(self, q: Tensor) -> Tensor:
        return F.pad(q[:, :, 1:], (0, 0, 1, 0)) if self.options.class_token else q


class MeanPool(nn.Module):
    """Mean over windows; the zeros of the padding count.

    `nn.AvgPool3d` refuses what is smaller than its kernel before padding, and has no bfloat16
    kernel for CPUs.
    """

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        pads = [pad for pad in reversed(self.window.padding) for _ in range(2)]
        window = self.window
        return F.avg_pool3d(F.pad(x.float(), pads), window.kernel, window.stride).to(x.dtype)

    def extra_repr(self) -> str:
        return f"kernel_size={self.window.kernel}, stride={self.window.stride}"


def make_pool(
    window: Window | None, channels: int, mode: str, *, eps: float = EPS
) -> tuple[nn.Module | None, nn.Module | None]:
    """A pool and the norm that follows it; None for what there is not."""
    if mode not in POOL_MODES:
        raise ValueError(f"MVIT.MODE is {mode!r}; use one of {', '.join(POOL_MODES)}")
    if window is None or math.prod(window.kernel + window.stride) == 1:
        return None, None
    if mode == "max":
        return nn.MaxPool3d(window.kernel, window.stride, window.padding), None
    if mode == "avg":
        return MeanPool(window), None
    conv = Conv3d(
        channels,
        channels,
        window.kernel,
        stride=window.stride,
        padding=window.padding,
        groups=channels,
        bias=False,
    )
    return conv, nn.LayerNorm(channels, eps=eps)


def pool_tokens(
    x: Tensor,
    grid: Grid,
    pool: nn.Module | None,
    norm: nn.Module | None = None,
    *,
    class_token: bool,
) -> Tensor:
    """Pool tokens (N, heads, [1 +] L, C) on their grid, then normalise; a class token stays.

    Shape: (N, heads, [1 +] L', C).
    """
    if pool is None:
        return x
    n, heads, _, channels = x.shape
    patches = x[:, :, 1:] if class_token else x
    volume = patches.reshape(n * heads, *grid, channels).permute(0, 4, 1, 2, 3)
    if volume.is_cpu and runs_in_half(volume):
        # Channels last, as it is, pools up to 8 times faster in float32; in bfloat16 its backward
        # is 2 to 3 times slower.
        volume = volume.contiguous()
    y: Tensor = pool(volume).flatten(2).transpose(1, 2).reshape(n, heads, -1, channels)
    if class_token:
        y = torch.cat([x[:, :, :1].to(y.dtype), y], dim=2)
    return y if norm is None else norm(y)
