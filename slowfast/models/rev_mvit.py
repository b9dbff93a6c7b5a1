"""Reversible transformers (Mangalam et al., 2302.04869): activations' memory is free of depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from slowfast.models.mvit_block import BlockSpec, Mlp
from slowfast.models.mvit_options import ReversibleOptions, TransformerOptions
from slowfast.ops.checkpointing import run_block
from slowfast.ops.drop_path import drop_path
from slowfast.ops.pooling_attention import EPS, AttentionOptions, Window, make_pool, pool_tokens
from slowfast.ops.pos_embed import Grid
from slowfast.ops.precision import autocast_is_on
from slowfast.ops.reversible import Coupling, run_reversible

FUSIONS = ("avg", "max", "add", "concat", "concat_linear", "concat_linear_2")


class ReversibleBlocks(nn.Module):
    """Stages of reversible blocks, and the transitions between them.

    Shape: tokens (N, L, C) and their grid -> the same; twice the channels if the streams are
    concatenated at the end.
    """

    def __init__(
        self,
        specs: Sequence[BlockSpec],
        attention: AttentionOptions,
        options: ReversibleOptions,
        *,
        mlp_ratio: float = 4.0,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        check_stages(specs, attention, options)
        self.stages = stages(len(specs), options.transitions)
        self.recompute = recompute
        self.layers = nn.ModuleList()
        widen = 2 if options.before_transition.startswith("concat") else 1
        for i, spec in enumerate(specs):
            transition = i in options.transitions
            if transition:
                spec = replace(spec, dim=widen * spec.dim)
            f = AttentionBranch(spec, attention)
            g = MlpBranch(spec, mlp_ratio, attention.dropout)
            self.layers.append(Transition(f, g, spec, options) if transition else Coupling(f, g))
        self.dim_out = (2 if options.at_end == "concat" else 1) * specs[-1].dim_out
        self.fuse = Fusion(options.at_end, self.dim_out)

    def __len__(self) -> int:
        return len(self.layers)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        if autocast_is_on(x):
            x = x.float()  # backward subtracts what forward added: half precision would drift
        x1 = x2 = x
        for stage in self.stages:
            layers = [self.layers[i] for i in stage]
            if isinstance(layers[0], Transition):
                x = run_block(layers[0], x1, x2, grid, recompute=self.recompute)
                x1, x2, grid = x, x, layers[0].spec.out(grid)
            else:
                x1, x2 = run_reversible(layers, x1, x2, grid)
        return self.fuse(x1, x2), grid


def reversible_blocks(
    specs: Sequence[BlockSpec], options: TransformerOptions, reversible: ReversibleOptions
) -> ReversibleBlocks:
    """The blocks of a network whose options have ``reversible``."""
    if options.layer_scale:
        raise ValueError(
            f"MVIT.LAYER_SCALE_INIT_VALUE is {options.layer_scale}, which a reversible network "
            "can't have; set it to 0.0, or MVIT.REV.ENABLE False"
        )
    return ReversibleBlocks(
        specs,
        options.attention,
        reversible,
        mlp_ratio=options.mlp_ratio,
        recompute=options.recompute,
    )


def stages(depth: int, transitions: Sequence[int]) -> list[list[int]]:
    """Blocks 0 to depth - 1: each transition alone, and what is between two of them."""
    groups: list[list[int]] = []
    for i in range(depth):
        if i in transitions or i - 1 in transitions or not groups:
            groups.append([])
        groups[-1].append(i)
    return groups


class AttentionBranch(nn.Module):
    """F of a layer: norm, attention."""

    def __init__(self, spec: BlockSpec, options: AttentionOptions) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(spec.dim, eps=EPS)
        self.attn = spec.attention(options)
        self.drop_path = drop_path(spec.drop_path)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        return self.drop_path(self.attn(self.norm(x), grid))  # type: ignore[no-any-return]


class MlpBranch(nn.Module):
    """G of a layer: norm, MLP."""

    def __init__(self, spec: BlockSpec, ratio: float, dropout: float) -> None:
        super().__init__()
        dim = spec.dim_out
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.mlp = Mlp(dim, int(dim * ratio), dim, dropout=dropout)
        self.drop_path = drop_path(spec.drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop_path(self.mlp(self.norm(x)))  # type: ignore[no-any-return]


class Transition(nn.Module):
    """Between two stages: the streams become one, which is pooled (2302.04869, Sec. 3.3).

    Channels grow by concatenating the streams, or else in the attention.

    Args:
        spec: `dim` is that of the joined streams.

    Shape: x1, x2 (N, L, C) -> (N, L', dim_out), the start of both streams of the next stage.
    """

    def __init__(
        self, f: AttentionBranch, g: MlpBranch, spec: BlockSpec, options: ReversibleOptions
    ) -> None:
        super().__init__()
        # The attribute names are keys of published checkpoints.
        self.F, self.G = f, g
        self.spec, self.shortcut = spec, options.shortcut
        self.pool_skip = make_shortcut_pool(spec.pool_skip, options.shortcut)
        self.pre_q_fuse = Fusion(options.before_transition, spec.dim)
        grows = spec.dim != spec.dim_out
        self.res_proj = nn.Linear(spec.dim, spec.dim_out) if grows else nn.Identity()

    def forward(self, x1: Tensor, x2: Tensor, grid: Grid) -> Tensor:
        x = self.pre_q_fuse(x1, x2)
        x = self._shortcut(x, grid) + self.F(x, grid)
        return x + self.G(x)  # type: ignore[no-any-return]

    def _shortcut(self, x: Tensor, grid: Grid) -> Tensor:
        attention = self.F.attn
        if attention.options.pool_first:  # the pools have the channels of the input
            return self.res_proj(self._pool(x, grid))  # type: ignore[no-any-return]
        return self._pool(self.res_proj(x), grid)

    def _pool(self, x: Tensor, grid: Grid) -> Tensor:
        if self.shortcut == "conv":
            return self.F.attn.pool_like_queries(x, grid)
        return pool_tokens(x.unsqueeze(1), grid, self.pool_skip, class_token=False).squeeze(1)


class Fusion(nn.Module):
    """Two streams to one: their mean, maximum or sum, or both, side by side.

    `concat_linear_K` mixes the concatenated streams with an MLP of K times the channels around a
    shortcut.

    Shape: x1, x2 (N, L, C) -> (N, L, C), or (N, L, 2 C) for the kinds that concatenate.
    """

    def __init__(self, kind: str, dim_out: int) -> None:
        super().__init__()
        if kind not in FUSIONS:
            raise ValueError(
                f"streams can't be joined by {kind!r} (MVIT.REV.PRE_Q_FUSION, RESPATH_FUSE); use "
                f"one of {', '.join(FUSIONS)}"
            )
        self.kind = kind
        self.fuse_fn: nn.Module | None = None
        if kind.startswith("concat_linear"):
            factor = 2 if kind.endswith("_2") else 1
            self.fuse_fn = Mlp(dim_out, factor * dim_out, dim_out)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        if self.kind == "avg":
            return (x1 + x2) / 2
        if self.kind == "max":
            return torch.maximum(x1, x2)
        if self.kind == "add":
            return x1 + x2
        both = torch.cat([x1, x2], dim=-1)
        return both if self.fuse_fn is None else both + self.fuse_fn(both)


def make_shortcut_pool(window: Window | None, kind: str) -> nn.Module | None:
    """The pool of a transition's shortcut; None where the queries' own pool is it."""
    if kind not in ("conv", "max", "avg"):
        raise ValueError(f"MVIT.REV.RES_PATH is {kind!r}; use one of conv, max, avg")
    if window is None or kind == "conv":
        return None
    return make_pool(window, 1, kind)[0]


def check_stages(
    specs: Sequence[BlockSpec], attention: AttentionOptions, options: ReversibleOptions
) -> None:
    """Raise ValueError unless all blocks but the transitions keep resolution and channels."""
    transitions, depth = options.transitions, len(specs)
    for i in transitions:
        if not 0 <= i < depth:
            raise ValueError(
                f"MVIT.REV.BUFFER_LAYERS names block {i}, but the blocks are numbered 0 to "
                f"{depth - 1} (MVIT.DEPTH {depth})"
            )
    if attention.class_token:
        raise ValueError(
            "a reversible network has no class token: set MVIT.CLS_EMBED_ON False with "
            "MVIT.REV.ENABLE True"
        )
    for i, spec in enumerate(specs):
        if i not in transitions and (spec.dim != spec.dim_out or spec.pool_skip is not None):
            raise ValueError(
                f"block {i} changes the channels (MVIT.DIM_MUL) or the resolution "
                "(MVIT.POOL_Q_STRIDE), which a reversible block can't; name it in "
                "MVIT.REV.BUFFER_LAYERS"
            )
