"""Vision transformers: MViT (2104.11227, 2112.01526), and ViT (2010.11929), which pools nothing.

Both see images as well as clips, and have a reversible form (see `rev_mvit`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from slowfast.models.heads import TransformerHead
from slowfast.models.input_spec import InputSpec
from slowfast.models.limits import check_above_zero
from slowfast.models.mvit_block import Blocks
from slowfast.models.mvit_options import (
    Positions,
    ReversibleOptions,
    TransformerOptions,
    transformer_options_from_cfg,
)
from slowfast.models.mvit_plan import Growth, Pools, plan_blocks
from slowfast.models.patch_embed import PatchEmbed, PatchSpec
from slowfast.models.rev_mvit import ReversibleBlocks, reversible_blocks
from slowfast.models.roi_head import RoIHead, RoIOptions, roi_options
from slowfast.models.settings_from_cfg import head_options_from_cfg
from slowfast.models.video_resnet import HeadOptions
from slowfast.ops.init import init_transformer
from slowfast.ops.pooling_attention import EPS, AttentionOptions
from slowfast.ops.pos_embed import (
    Grid,
    joint_positions,
    separate_positions,
    sincos,
    sincos_plane,
    sincos_volume,
)

_BLOCK = re.compile(r"(?:blocks|rev_backbone\.layers)\.(\d+)\b")


class MViT(nn.Module):
    """Patches, blocks of attention, a norm, and a classifier.

    Args:
        num_frames: T of the clips. crop_size: their H and W, pixels. Clips of other sizes are
            taken as well: positions are interpolated.

    Shape: `net([clip])`, clip (N, in_channels, T, H, W) -> (N, num_classes); a network for
    images takes (N, in_channels, H, W) too.

    Attribute names and their order are those of published checkpoints.
    """

    cls_token: Tensor | None
    pos_embed: Tensor
    pos_embed_spatial: Tensor
    pos_embed_temporal: Tensor
    pos_embed_class: Tensor

    def __init__(
        self,
        options: TransformerOptions,
        *,
        num_frames: int,
        crop_size: int,
        in_channels: int = 3,
        head: HeadOptions | None = None,
    ) -> None:
        super().__init__()
        head = head or HeadOptions()
        if options.patch.image and num_frames != 1:
            raise ValueError(
                f"DATA.NUM_FRAMES is {num_frames}, but MVIT.PATCH_2D True makes a network for "
                "images: set DATA.NUM_FRAMES 1"
            )
        self.input_spec = InputSpec(
            (in_channels,), (num_frames,), crop_size, boxes=head.roi is not None
        )
        self.grid = options.patch.grid(num_frames, crop_size)  # of the clips it is built for
        self.image = options.patch.image
        self.has_class_token = options.attention.class_token
        self.mean_pooling = options.mean_pooling
        dim = options.growth.dim
        self._add_class_token_and_positions(dim, options.positions)
        self.patch_embed = PatchEmbed(in_channels, dim, options.patch)
        self.pos_drop = nn.Dropout(options.attention.dropout)
        self.norm_stem = nn.LayerNorm(dim, eps=EPS) if options.norm_stem else nn.Identity()
        self.reversible = options.reversible is not None
        # Only the attention of a transition can grow: reversible blocks keep their channels.
        in_attention = options.growth.in_attention or self.reversible
        growth = replace(options.growth, in_attention=in_attention)
        self.block_specs = specs = plan_blocks(growth, options.pools, self.grid)
        if options.reversible is None:
            self.blocks = Blocks(
                specs,
                options.attention,
                mlp_ratio=options.mlp_ratio,
                layer_scale=options.layer_scale,
                recompute=options.recompute,
            )
            dim_out = specs[-1].dim_out
        else:
            self.rev_backbone = reversible_blocks(specs, options, options.reversible)
            dim_out = self.rev_backbone.dim_out
        self.norm = nn.LayerNorm(dim_out, eps=EPS)
        stride = math.prod(
            [options.patch.stride[-1], *(s.pool_q.stride[2] for s in specs if s.pool_q)]
        )
        self.head = make_head(dim_out, head, stride)
        init_transformer(self, zero_rel_pos=options.zero_rel_pos)
        with torch.no_grad():
            for parameter in self.head.projection.parameters():
                parameter.mul_(options.head_init_scale)

    def _add_class_token_and_positions(self, dim: int, positions: Positions) -> None:
        frames, height, width = self.grid
        token = nn.Parameter(torch.zeros(1, 1, dim)) if self.has_class_token else None
        self.register_parameter("cls_token", token)
        embeds: dict[str, Tensor] = {}
        if positions.absolute and positions.separate:
            embeds["pos_embed_spatial"] = torch.zeros(height * width, dim)
            embeds["pos_embed_temporal"] = torch.zeros(frames, dim)
            if self.has_class_token:
                embeds["pos_embed_class"] = torch.zeros(1, dim)
            if positions.sincos:
                embeds["pos_embed_spatial"] = sincos_plane(height, width, dim)
                embeds["pos_embed_temporal"] = sincos(torch.arange(frames), dim)
        elif positions.absolute:
            embed = torch.zeros(frames * height * width, dim)
            if positions.sincos:
                embed = sincos_volume(self.grid, dim)
            front = torch.zeros(int(self.has_class_token), dim)
            embeds["pos_embed"] = torch.cat([front, embed])
        self.positions = positions
        for name, embed in embeds.items():
            learned = not positions.sincos
            self.register_parameter(name, nn.Parameter(embed.unsqueeze(0), requires_grad=learned))

    def forward(self, pathways: list[Tensor], boxes: Tensor | None = None) -> Tensor:
        if self.input_spec.boxes:
            return self.head([self.features(pathways)], boxes)  # type: ignore[no-any-return]
        x, _ = self.tokens(pathways)
        return self.head(self._summary(x), boxes)  # type: ignore[no-any-return]

    def tokens(self, pathways: list[Tensor]) -> tuple[Tensor, Grid]:
        """What the last block puts out, (N, [1 +] L, C), and the grid of the L patches."""
        if self.image and not isinstance(pathways, Tensor):
            pathways = [clip.unsqueeze(2) if clip.ndim == 4 else clip for clip in pathways]
        self.input_spec.check(pathways)
        x, grid = self.patch_embed(pathways[0])
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)
        if self.positions.absolute:
            x = x + self._positions(grid)
        x = self.norm_stem(self.pos_drop(x))
        return self.trunk(x, grid)  # type: ignore[no-any-return]

    @property
    def trunk(self) -> Blocks | ReversibleBlocks:
        """Either kind of blocks; each has the name of published checkpoints."""
        trunk = self.rev_backbone if self.reversible else self.blocks
        assert isinstance(trunk, Blocks | ReversibleBlocks)
        return trunk

    def features(self, pathways: list[Tensor]) -> Tensor:
        """The normalised patches of the last block as a volume (N, C, T, H, W)."""
        x, grid = self.tokens(pathways)
        return self.norm(self._patches(x)).transpose(1, 2).unflatten(2, grid)

    def _positions(self, grid: Grid) -> Tensor:
        if not self.positions.separate:
            return joint_positions(self.pos_embed, self.grid, grid)
        return separate_positions(
            self.pos_embed_spatial,
            self.pos_embed_temporal,
            self.pos_embed_class if self.has_class_token else None,
            self.grid,
            grid,
        )

    def _patches(self, x: Tensor) -> Tensor:
        return x[:, 1:] if self.has_class_token else x

    def _summary(self, x: Tensor) -> Tensor:
        """One vector a clip, (N, C)."""
        if self.mean_pooling:  # the mean is normalised, not averaged over normalised tokens
            return self.norm(self._patches(x).mean(dim=1))  # type: ignore[no-any-return]
        if self.has_class_token:
            return self.norm(x[:, 0])  # type: ignore[no-any-return]
        return self.norm(x).mean(dim=1)  # type: ignore[no-any-return]

    # What the optimizer and the count of costs ask about parameters.

    def layer_of(self, name: str) -> int:
        """Of the parameter `name`: 0 for what makes tokens, then the blocks, then the rest.

        The rest is layer `num_layers`, from which layer-wise decay of the learning rate counts.
        """
        block = _BLOCK.match(name)
        if block:
            return int(block[1]) + 1
        stem = name.startswith(("cls_token", "pos_embed", "patch_embed.", "norm_stem."))
        return 0 if stem else self.num_layers

    @property
    def stages(self) -> dict[str, range]:
        """Blocks of one resolution by a name for them; a block that pools begins a stage."""
        specs = self.block_specs
        first = [i for i, spec in enumerate(specs) if i == 0 or spec.pool_skip is not None]
        found = [range(*ends) for ends in pairwise([*first, len(specs)])]
        return {f"blocks {s[0]}" + f"-{s[-1]}" * (len(s) > 1): s for s in found}

    def stage_of(self, name: str) -> str:
        """What the module or parameter `name` is a part of: one of `stages`, or a child."""
        block = _BLOCK.match(name)
        if block is None:
            return name.split(".", 1)[0]
        return next(stage for stage, blocks in self.stages.items() if int(block[1]) in blocks)

    @property
    def num_layers(self) -> int:
        return len(self.trunk) + 1

    @property
    def position_names(self) -> tuple[str, ...]:
        """Last names of the class token and of the positions, which need no weight decay."""
        found = (name.rpartition(".")[2] for name, _ in self.named_parameters())
        wanted = ("cls_token", "pos_embed", "rel_pos_")
        return tuple(sorted({name for name in found if name.startswith(wanted)}))


def make_head(dim: int, options: HeadOptions, stride: int) -> RoIHead | TransformerHead:
    """A classifier of boxes or of clips; features are `stride` pixels apart."""
    shared: dict[str, Any] = {
        "dropout": options.dropout,
        "act": options.act,
        "detach": options.detach,
    }
    if options.roi is not None:
        options.roi.compare(stride)
        return RoIHead([dim], options.num_classes, options.roi, **shared)
    return TransformerHead(dim, options.num_classes, **shared)


def mvit(
    *,
    num_classes: int = 400,
    num_frames: int = 16,
    crop_size: int = 224,
    in_channels: int = 3,
    depth: int = 16,
    dim: int = 96,
    heads: int = 1,
    dim_mul: Sequence[Sequence[float]] = (),
    head_mul: Sequence[Sequence[float]] = (),
    dim_mul_in_attention: bool = False,
    patch_kernel: Sequence[int] = (3, 7, 7),
    patch_stride: Sequence[int] = (2, 4, 4),
    patch_padding: Sequence[int] = (1, 3, 3),
    pool_kernel: Sequence[int] | None = None,
    pool_q_stride: Sequence[Sequence[int]] = (),
    pool_kv_stride: Sequence[Sequence[int]] = (),
    pool_kv_stride_adaptive: Sequence[int] | None = None,
    pool_mode: str = "conv",
    class_token: bool = True,
    absolute_positions: bool = True,
    separate_positions: bool = False,
    fixed_positions: bool = False,
    relative_positions: str = "none",
    residual_pooling: bool = False,
    qkv_bias: bool = True,
    separate_qkv: bool = False,
    mlp_ratio: float = 4.0,
    layer_scale: float = 0.0,
    mean_pooling: bool = False,
    drop_path: float = 0.1,
    dropout: float = 0.5,
    head_act: str = "softmax",
    head_init_scale: float = 1.0,
    recompute: bool = False,
    reversible: ReversibleOptions | None = None,
    detection: bool | RoIOptions = False,
) -> MViT:
    """A vision transformer; without `pool_*` strides a ViT.

    Args:
        num_frames: T of the clips; 1 for images. crop_size: their H and W, pixels.
        depth, dim, heads: blocks; channels and heads of the first.
        dim_mul, head_mul: [block, factor] rows: where channels and heads grow.
        dim_mul_in_attention: channels grow in the attention (MViT v2), not in the MLP before.
        patch_kernel, patch_stride, patch_padding: T, H, W; H, W for a network for images.
        pool_kernel: of every pool in T, H, W; None: stride + 1.
        pool_q_stride, pool_kv_stride: [block, t, h, w] rows.
        pool_kv_stride_adaptive: stride of keys and values in the first block.
        pool_mode: "conv", "conv_unshared", "avg" or "max".
        relative_positions: "none", "space", or "space_time".
        dropout: before the classifier. drop_path: of the last block's branches.
        head_act: "softmax", "sigmoid" or "none", applied in eval mode.
        recompute: activation checkpointing.
        reversible: make it of reversible blocks, which need no stored activations.
        detection: classify boxes, `net([clip], boxes)` with boxes (M, 5); see `RoIHead`.
    """
    kinds = ("none", "space", "space_time")
    if relative_positions not in kinds:
        raise ValueError(f"relative_positions is {relative_positions!r}; use {', '.join(kinds)}")
    if not isinstance(reversible, ReversibleOptions | None):
        raise ValueError(
            f"reversible is {reversible!r}, but must be ReversibleOptions(...) or None"
        )
    check_above_zero(mlp_ratio=mlp_ratio)
    image = len(patch_kernel) == 2
    roi = roi_options(detection, RoIOptions(stride=32))
    options = TransformerOptions(
        patch=PatchSpec(patch_kernel, patch_stride, patch_padding, image),
        growth=Growth(depth, dim, heads, dim_mul, head_mul, dim_mul_in_attention, drop_path),
        pools=Pools(pool_kernel, pool_q_stride, pool_kv_stride, pool_kv_stride_adaptive),
        attention=AttentionOptions(
            mode=pool_mode,
            qkv_bias=qkv_bias,
            separate_qkv=separate_qkv,
            residual_pooling=residual_pooling,
            rel_pos_spatial=relative_positions != "none",
            rel_pos_temporal=relative_positions == "space_time",
            class_token=class_token,
        ),
        positions=Positions(absolute_positions, separate_positions, fixed_positions),
        mlp_ratio=mlp_ratio,
        layer_scale=layer_scale,
        mean_pooling=mean_pooling,
        head_init_scale=head_init_scale,
        recompute=recompute,
        reversible=reversible,
    )
    return MViT(
        options,
        num_frames=num_frames,
        crop_size=crop_size,
        in_channels=in_channels,
        head=HeadOptions(num_classes, dropout, head_act, roi=roi),
    )


def mvit_from_cfg(cfg: CfgNode) -> MViT:
    """The network of a config with MODEL.MODEL_NAME 'MViT'."""
    # A published recipe has ARCH 'slow': all that matters is that there is one pathway.
    if cfg.MODEL.ARCH in cfg.MODEL.MULTI_PATHWAY_ARCH:
        raise ValueError(
            f"MODEL.MODEL_NAME {cfg.MODEL.MODEL_NAME!r} has one pathway, but MODEL.ARCH is "
            f"{cfg.MODEL.ARCH!r}: set MODEL.ARCH mvit"
        )
    return MViT(
        transformer_options_from_cfg(cfg),
        num_frames=cfg.DATA.NUM_FRAMES,
        crop_size=cfg.DATA.TRAIN_CROP_SIZE,
        in_channels=cfg.DATA.INPUT_CHANNEL_NUM[0],
        head=head_options_from_cfg(cfg),
    )
