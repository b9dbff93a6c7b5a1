"""SlowFast networks: a Slow and a Fast pathway (Feichtenhofer et al., 1812.03982)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from fvcore.common.config import CfgNode

from slowfast.models.heads import Size
from slowfast.models.lateral import Lateral
from slowfast.models.limits import check_count, check_whole
from slowfast.models.pathway import BlockOptions, Pathway
from slowfast.models.roi_head import RoIOptions, roi_options
from slowfast.models.settings_from_cfg import (
    block_options_from_cfg,
    head_options_from_cfg,
    pathway_from_cfg,
)
from slowfast.models.temporal_kernels import FAST, SLOW, stage_depths
from slowfast.models.video_resnet import HeadOptions, VideoResNet, classifier
from slowfast.ops.norm import Norm, make_norm


def slowfast(
    *,
    num_classes: int = 400,
    num_frames: int = 32,
    crop_size: int = 224,
    depth: int = 50,
    stage_blocks: Sequence[int] = (),
    temporal_blocks: Sequence[int] | None = None,
    in_channels: int | Sequence[int] = 3,
    width: int = 64,
    alpha: int = 4,
    beta_inv: int = 8,
    fusion: str = "t-conv",
    fusion_ratio: int = 2,
    fusion_kernel: int = 7,
    fast_downscale: int = 1,
    nonlocal_after: Sequence[Sequence[int]] = ((), (), (), ()),
    nonlocal_kind: str = "dot_product",
    nonlocal_pool: Size = (1, 2, 2),
    block: str = "bottleneck_transform",
    dropout: float = 0.5,
    head_act: str = "softmax",
    adaptive_pool: bool = False,
    detection: bool | RoIOptions = False,
    norm: str | Norm = "batchnorm",
    recompute: bool = False,
) -> VideoResNet:
    """A SlowFast network; the defaults are SlowFast 8x8, ResNet-50.

    Args:
        num_frames: frames of the Fast pathway; the Slow one has `num_frames / alpha`.
        crop_size: H and W of the clips, pixels.
        depth: 18, 50 or 101; `stage_blocks`, four numbers, overrides it.
        temporal_blocks: blocks of s2 to s5 that keep their temporal kernel; None: all.
        in_channels: of both pathways, or (Slow, Fast).
        width: channels of the Slow pathway after the stem.
        alpha: Fast frames per Slow frame.
        beta_inv: Slow channels per Fast channel (1 / beta), rounded up to whole Fast channels.
        fusion: "t-conv", "t-sample", "ttoc-concat", "ttoc-sum" or "none" (Sec. 3.4).
        fusion_ratio: fused channels per Fast channel, of the lateral convolution.
        fusion_kernel: its temporal kernel, Fast frames.
        fast_downscale: Fast frames are this many times smaller than Slow ones (Table 5c: 2).
        nonlocal_after: of s2 to s5, the blocks that a non-local block follows in the Slow pathway.
        nonlocal_pool: max pool (T, H, W) of what such a block attends to.
        block: "bottleneck_transform" or "basic_transform".
        head_act: "softmax", "sigmoid" or "none", applied in eval mode.
        adaptive_pool: accept clips of any size.
        detection: classify boxes, with s5 at the resolution of s4; see `RoIHead`. True: cut out
            as on AVA.
        norm: a kind of batch norm or a factory, see `slowfast.ops.norm.make_norm`.
        recompute: activation checkpointing.

    Shape: `net([slow, fast])`, slow (N, C, T / alpha, H, W), fast (N, C, T, H, W)
        -> (N, num_classes); for detection `net([slow, fast], boxes)`, boxes (M, 5)
        -> (M, num_classes).
    """
    check_whole(beta_inv=beta_inv, num_frames=num_frames)
    if isinstance(in_channels, int):
        in_channels = (in_channels, in_channels)
    check_count(2, "Slow, Fast", in_channels=in_channels)
    slow_in, fast_in = in_channels
    depths = stage_depths(depth, stage_blocks)
    slow = Pathway(
        SLOW,
        depths,
        width=width,
        in_channels=slow_in,
        temporal=temporal_blocks,
        nonlocal_after=nonlocal_after,
        nonlocal_pools=(nonlocal_pool,) * 4,
    )
    fast = Pathway(
        FAST,
        depths,
        width=math.ceil(width / beta_inv),
        in_channels=fast_in,
        temporal=temporal_blocks,
        downscale=fast_downscale,
    )
    roi = roi_options(detection, RoIOptions())
    return classifier(
        [path.keeping_s4() if roi else path for path in (slow, fast)],
        num_frames=num_frames,
        crop_size=crop_size,
        lateral=Lateral(alpha, fusion_ratio, fusion_kernel, fusion),
        block=BlockOptions(
            kind=block, nonlocal_kind=nonlocal_kind, recompute=recompute, norm=make_norm(norm)
        ),
        head=HeadOptions(num_classes, dropout, head_act, adaptive_pool, roi=roi),
    )


def video_resnet_from_cfg(cfg: CfgNode) -> VideoResNet:
    """The network of a config with MODEL.MODEL_NAME 'SlowFast'."""
    if cfg.MODEL.ARCH != "slowfast":
        raise ValueError(
            f"MODEL.MODEL_NAME 'SlowFast' needs MODEL.ARCH 'slowfast', got {cfg.MODEL.ARCH!r}; "
            "networks with one pathway have MODEL_NAME 'ResNet'"
        )
    settings = cfg.SLOWFAST
    fast = pathway_from_cfg(cfg, 1, FAST, shrink=settings.BETA_INV)
    return classifier(
        [
            pathway_from_cfg(cfg, 0, SLOW),
            replace(fast, downscale=2 if settings.FAST_INPUT == "half" else 1),
        ],
        num_frames=cfg.DATA.NUM_FRAMES,
        crop_size=cfg.DATA.TRAIN_CROP_SIZE,
        lateral=Lateral(
            settings.ALPHA,
            settings.FUSION_CONV_CHANNEL_RATIO,
            settings.FUSION_KERNEL_SZ,
            settings.FUSION,
        ),
        block=block_options_from_cfg(cfg),
        head=head_options_from_cfg(cfg),
    )
