"""The blocks of a multiscale vision transformer: pooling attention, then an MLP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slowfast.ops.checkpointing import run_block
from slowfast.ops.drop_path import drop_path
from slowfast.ops.pooling_attention import (
    EPS,
    AttentionOptions,
    PoolingAttention,
    Window,
    make_pool,
    pool_tokens,
)
from slowfast.ops.pos_embed import Grid


@dataclass(frozen=True)
class BlockSpec:
    """One block of the network.

    Args:
        dim: channels of its input; dim_attention: of its attention; dim_out: of its output.
        heads: of the attention.
        grid: T, H, W of its input's tokens, of the clips the network is built for.
        pool_q, pool_kv: windows of the attention's pools. pool_skip: of the shortcut's, which
            follows the queries.
        drop_path: probability of dropping each of its two branches.
    """

    dim: int
    dim_attention: int
    dim_out: int
    heads: int
    grid: Grid
    pool_q: Window | None = None
    pool_kv: Window | None = None
    pool_skip: Window | None = None
    drop_path: float = 0.0

    def out(self, grid: Grid) -> Grid:
        """The grid of the tokens that it puts out."""
        return self.pool_q.out(grid) if self.pool_q else grid

    def attention(self, options: AttentionOptions) -> PoolingAttention:
        return PoolingAttention(
            self.dim,
            self.dim_attention,
            heads=self.heads,
            grid=self.grid,
            pool_q=self.pool_q,
            pool_kv=self.pool_kv,
            options=options,
        )


class Mlp(nn.Module):
    """Linear, GELU, linear, over the last dimension."""

    def __init__(self, dim: int, dim_hidden: int, dim_out: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        # The attribute names are keys of published checkpoints.
        self.fc1 = nn.Linear(dim, dim_hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(dim_hidden, dim_out)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.act(self.fc1(x)))
        return self.drop(self.fc2(x))  # type: ignore[no-any-return]


class MultiscaleBlock(nn.Module):
    """Attention and MLP, each with a norm before it and a shortcut around it.

    Where channels grow (in the attention: MViT v2; in the MLP: v1) the shortcut is a linear
    layer over the normalised input; where queries are pooled it is max-pooled.

    Args:
        mlp_ratio: hidden channels of the MLP over its input's.
        layer_scale: initial factor of both branches, one a channel (2103.17239); 0: no factors.

    Shape: (N, [1 +] L, dim) -> (N, [1 +] L', dim_out).
    """

    gamma_1: Tensor | None
    gamma_2: Tensor | None

    def __init__(
        self,
        spec: BlockSpec,
        options: AttentionOptions,
        *,
        mlp_ratio: float = 4.0,
        layer_scale: float = 0.0,
    ) -> None:
        super().__init__()
        self.spec, self.class_token = spec, options.class_token
        dim, dim_attention, dim_out = spec.dim, spec.dim_attention, spec.dim_out
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.attn = spec.attention(options)
        self.drop_path = drop_path(spec.drop_path)
        self.norm2 = nn.LayerNorm(dim_attention, eps=EPS)
        hidden = int(dim_attention * mlp_ratio)
        self.mlp = Mlp(dim_attention, hidden, dim_out, dropout=options.dropout)
        for name, width in (("gamma_1", dim_attention), ("gamma_2", dim_out)):
            factor = nn.Parameter(torch.full((width,), layer_scale)) if layer_scale else None
            self.register_parameter(name, factor)
        self.proj = nn.Linear(dim, dim_out) if dim != dim_out else None
        self.pool_skip = make_pool(spec.pool_skip, 1, "max")[0]

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        normed = self.norm1(x)
        branch = self.attn(normed, grid)
        if self.proj is not None and self.spec.dim_attention != self.spec.dim:
            x = self.proj(normed)
        x = pool_tokens(x.unsqueeze(1), grid, self.pool_skip, class_token=self.class_token)
        x = x.squeeze(1) + self.drop_path(scaled(branch, self.gamma_1))
        normed = self.norm2(x)
        branch = self.mlp(normed)
        if self.proj is not None and self.spec.dim_attention == self.spec.dim:
            x = self.proj(normed)
        return x + self.drop_path(scaled(branch, self.gamma_2))  # type: ignore[no-any-return]


def scaled(x: Tensor, factor: Tensor | None) -> Tensor:
    return x if factor is None else x * factor


class Blocks(nn.ModuleList):
    """The blocks, one after the other; the arguments are those of `MultiscaleBlock`.

    Args:
        recompute: activation checkpointing.

    Shape: tokens (N, [1 +] L, C) and their grid -> the same, as the last block leaves them.
    """

    def __init__(
        self,
        specs: Sequence[BlockSpec],
        options: AttentionOptions,
        *,
        mlp_ratio: float = 4.0,
        layer_scale: float = 0.0,
        recompute: bool = False,
    ) -> None:
        super().__init__(
            MultiscaleBlock(spec, options, mlp_ratio=mlp_ratio, layer_scale=layer_scale)
            for spec in specs
        )
        self.recompute = recompute

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        for block in self:
            assert isinstance(block, MultiscaleBlock)
            x = run_block(block, x, grid, recompute=self.recompute)
            grid = block.spec.out(grid)
        return x, grid
