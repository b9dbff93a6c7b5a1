"""X3D: one narrow pathway, channelwise 3D convolutions (Feichtenhofer, 2004.04730)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from fvcore.common.config import CfgNode
from torch import Tensor, nn

from slowfast.models.heads import X3DHead
from slowfast.models.input_spec import InputSpec
from slowfast.models.limits import check_above_zero
from slowfast.models.res_block import Bottleneck
from slowfast.models.res_stage import ResStage, StageSpec
from slowfast.models.roi_head import RoIOptions, RoIPool, roi_options
from slowfast.models.settings_from_cfg import head_options_from_cfg, norm_from_cfg
from slowfast.models.stem import VideoStem, X3DStem
from slowfast.models.video_resnet import HeadOptions
from slowfast.ops.conv import Stride, round_width
from slowfast.ops.init import init_resnet
from slowfast.ops.norm import Norm, make_norm
from slowfast.ops.squeeze_excite import SqueezeExcite

BLOCKS = (1, 2, 5, 3)  # of s2 to s5, before depth scaling (Table 1); each halves H and W
STRIDE = 32  # pixels between two features of s5: the stem strides as well


class X3D(nn.Module):
    """Stem, four stages, head; the factors are those the paper expands (Sec. 3.1).

    Args:
        num_frames: T of the clips. crop_size: their H and W, pixels.
        width: gamma_w, of the channels.
        depth: gamma_d, of the blocks.
        bottleneck: gamma_b, of the channels inside a block.
        dim_c1: channels of the stem before `width`.
        dim_c5: channels before the classifier.
        scale_res2: s2 starts with twice `dim_c1`.
        channelwise: the 3x3x3 convolutions see one channel each.
        bn_lin5: a norm before the classifier.
        recompute: activation checkpointing.

    Shape: `net([clip])`, clip (N, in_channels, T, H, W) -> (N, num_classes).
    """

    def __init__(
        self,
        *,
        num_frames: int,
        crop_size: int,
        width: float = 2.0,
        depth: float = 2.2,
        bottleneck: float = 2.25,
        dim_c1: int = 12,
        dim_c5: int = 2048,
        scale_res2: bool = False,
        channelwise: bool = True,
        bn_lin5: bool = False,
        in_channels: int = 3,
        head: HeadOptions | None = None,
        norm: Norm = nn.BatchNorm3d,
        inplace: bool = True,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        check_above_zero(width=width, depth=depth, bottleneck=bottleneck)
        head = head or HeadOptions()
        self.input_spec = InputSpec(
            (in_channels,), (num_frames,), crop_size, boxes=head.roi is not None
        )
        dim_in = rounded(dim_c1 * width)
        base = rounded(2 * dim_c1) if scale_res2 else dim_c1
        specs = _stage_specs(dim_in, base, width, depth, bottleneck, channelwise)
        branch = partial(_branch, norm=norm, inplace=inplace)
        self.s1 = VideoStem([X3DStem(in_channels, dim_in, 5, norm=norm, inplace=inplace)])
        for stage, spec in enumerate(specs, start=2):
            blocks = ResStage([spec], branch, norm=norm, inplace=inplace, recompute=recompute)
            self.add_module(f"s{stage}", blocks)
        self.head = _head(specs[-1], dim_c5, head, self.input_spec, bn_lin5=bn_lin5, norm=norm)
        init_resnet(
            self,
            fc_std=head.fc_init_std,
            zero_init_final_bn=head.zero_init_final_bn,
            zero_init_final_conv=head.zero_init_final_conv,
        )

    def forward(self, pathways: list[Tensor], boxes: Tensor | None = None) -> Tensor:
        self.input_spec.check(pathways)
        x = self.s1(pathways)
        for stage in range(2, 6):
            x = getattr(self, f"s{stage}")(x)
        return self.head(x, boxes)


def rounded(width: float) -> int:
    """The multiple of 8 next to a number of channels."""
    return round_width(width, 1, min_width=8, divisor=8)


def _stage_specs(
    dim_in: int, base: int, width: float, depth: float, bottleneck: float, channelwise: bool
) -> list[StageSpec]:
    """s2 to s5; `base` is the width of s2 before `width` expands it."""
    specs = []
    for blocks in BLOCKS:
        dim_out = rounded(base * width)
        inner = max(int(bottleneck * dim_out), 1)
        kernels = (3,) * math.ceil(depth * blocks)
        groups = inner if channelwise else 1
        specs.append(StageSpec(dim_in, inner, dim_out, kernels, stride=2, groups=groups))
        dim_in, base = dim_out, rounded(2 * base)
    return specs


def _head(
    last: StageSpec, dim_c5: int, head: HeadOptions, clips: InputSpec, *, bn_lin5: bool, norm: Norm
) -> nn.Module:
    dims = (last.dim_out, last.dim_inner, dim_c5, head.num_classes)
    options: dict[str, Any] = {"dropout": head.dropout, "act": head.act, "detach": head.detach}
    if head.roi is not None:
        head.roi.compare(STRIDE)
        pool = RoIPool(head.roi)
        return X3DHead(*dims, None, bn_lin5=bn_lin5, norm=norm, pool_boxes=pool, **options)
    side = math.ceil(clips.size / STRIDE)
    pool_size = None if head.adaptive_pool else (clips.frames[0], side, side)
    return X3DHead(*dims, pool_size, bn_lin5=bn_lin5, norm=norm, **options)


def _branch(
    dim: int,
    spec: StageSpec,
    kernel: int,
    stride: Stride,
    index: int,
    *,
    norm: Norm,
    inplace: bool,
) -> nn.Module:
    return Bottleneck(
        dim,
        spec.dim_inner,
        spec.dim_out,
        time_b=kernel,
        stride=stride,
        groups=spec.groups,
        norm=norm,
        inplace=inplace,
        gate=SqueezeExcite(spec.dim_inner) if index % 2 == 0 else None,
        act_b=nn.SiLU(),
    )


def x3d(
    *,
    num_classes: int = 400,
    num_frames: int = 16,
    crop_size: int = 224,
    width: float = 2.0,
    depth: float = 2.2,
    bottleneck: float = 2.25,
    in_channels: int = 3,
    dropout: float = 0.5,
    head_act: str = "softmax",
    adaptive_pool: bool = False,
    detection: bool | RoIOptions = False,
    norm: str | Norm = "batchnorm",
    recompute: bool = False,
) -> X3D:
    """An X3D network; the defaults are X3D-M. The arguments are those of `X3D`, and:

    Args:
        head_act: "softmax", "sigmoid" or "none", applied in eval mode.
        adaptive_pool: accept clips of any size.
        detection: classify boxes, `net([clip], boxes)` with boxes (M, 5); see `X3DHead`.
        norm: a kind of batch norm or a factory, see `slowfast.ops.norm.make_norm`.
    """
    roi = roi_options(detection, RoIOptions(stride=STRIDE))
    return X3D(
        num_frames=num_frames,
        crop_size=crop_size,
        width=width,
        depth=depth,
        bottleneck=bottleneck,
        in_channels=in_channels,
        head=HeadOptions(num_classes, dropout, head_act, adaptive_pool, roi=roi),
        norm=make_norm(norm),
        recompute=recompute,
    )


def x3d_from_cfg(cfg: CfgNode) -> X3D:
    """The network of a config with MODEL.MODEL_NAME 'X3D'."""
    if cfg.MODEL.ARCH != "x3d":
        raise ValueError(
            f"MODEL.MODEL_NAME 'X3D' needs MODEL.ARCH 'x3d', got {cfg.MODEL.ARCH!r}; networks "
            "with one pathway of another kind have MODEL_NAME 'ResNet'"
        )
    settings = cfg.X3D
    return X3D(
        num_frames=cfg.DATA.NUM_FRAMES,
        crop_size=cfg.DATA.TRAIN_CROP_SIZE,
        width=settings.WIDTH_FACTOR,
        depth=settings.DEPTH_FACTOR,
        bottleneck=settings.BOTTLENECK_FACTOR,
        dim_c1=settings.DIM_C1,
        dim_c5=settings.DIM_C5,
        scale_res2=settings.SCALE_RES2,
        channelwise=settings.CHANNELWISE_3x3x3,
        bn_lin5=settings.BN_LIN5,
        in_channels=cfg.DATA.INPUT_CHANNEL_NUM[0],
        head=head_options_from_cfg(cfg),
        norm=norm_from_cfg(cfg),
        inplace=cfg.RESNET.INPLACE_RELU,
        recompute=cfg.MODEL.ACT_CHECKPOINT,
    )
