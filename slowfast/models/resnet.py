"""Networks with one pathway: C2D, I3D, Slow-only, Fast-only, the 2D ResNet, CSN and R(2+1)D."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from fvcore.common.config import CfgNode

from slowfast.models.limits import check_whole
from slowfast.models.pathway import BlockOptions, Pathway
from slowfast.models.roi_head import RoIOptions, roi_options
from slowfast.models.separated import SEPARATED, separated
from slowfast.models.settings_from_cfg import (
    block_options_from_cfg,
    head_options_from_cfg,
    pathway_from_cfg,
)
from slowfast.models.temporal_kernels import TIME_POOL, basis_of, stage_depths
from slowfast.models.video_resnet import HeadOptions, VideoResNet, classifier
from slowfast.ops.norm import Norm, make_norm


def resnet(
    arch: str = "slow",
    *,
    num_classes: int = 400,
    num_frames: int = 8,
    crop_size: int = 224,
    depth: int = 50,
    stage_blocks: Sequence[int] = (),
    temporal_blocks: Sequence[int] | None = None,
    in_channels: int = 3,
    width: int = 64,
    beta_inv: int = 8,
    time_pool: int | None = None,
    stem_time_strides: Sequence[int] = (1, 1),
    nonlocal_after: Sequence[Sequence[int]] = ((), (), (), ()),
    nonlocal_kind: str = "softmax",
    block: str = "bottleneck_transform",
    dropout: float = 0.5,
    head_act: str = "softmax",
    adaptive_pool: bool = False,
    detection: bool | RoIOptions = False,
    norm: str | Norm = "batchnorm",
    recompute: bool = False,
) -> VideoResNet:
    """A network with one pathway.

    Args:
        arch: "2d", "c2d", "i3d", "slow", "fast", "slow_c2d" or "slow_i3d" (c2d and i3d without
            their pool in time), "csn" (channel-separated) or "r2plus1d".
        num_frames: T of the clips. crop_size: their H and W, pixels.
        depth: 18, 50 or 101; `stage_blocks`, four numbers, overrides it.
        temporal_blocks: blocks of s2 to s5 that keep their temporal kernel; None: all.
        width: channels after the stem; "fast" divides them by `beta_inv`.
        time_pool: max pool in time after s2; None: 2 for c2d and i3d, else 1.
        stem_time_strides: of the first convolution and of its pool.
        nonlocal_after: of s2 to s5, the blocks that a non-local block follows.
        block: "bottleneck_transform" or "basic_transform".
        head_act: "softmax", "sigmoid" or "none", applied in eval mode.
        adaptive_pool: accept clips of any size.
        detection: classify boxes, with s5 at the resolution of s4; see `RoIHead`. True: cut out
            as on AVA.
        norm: a kind of batch norm or a factory, see `slowfast.ops.norm.make_norm`.
        recompute: activation checkpointing.

    Shape: `net([clip])`, clip (N, in_channels, T, H, W) -> (N, num_classes);
        for detection `net([clip], boxes)`, boxes (M, 5) -> (M, num_classes).
    """
    check_whole(beta_inv=beta_inv, num_frames=num_frames)
    shrink = beta_inv if arch == "fast" else 1
    pathway = Pathway(
        basis_of(arch),
        stage_depths(depth, stage_blocks),
        width=math.ceil(width / shrink),
        in_channels=in_channels,
        temporal=temporal_blocks,
        nonlocal_after=nonlocal_after,
        time_pool=TIME_POOL.get(arch, 1) if time_pool is None else time_pool,
        stem_time_strides=stem_time_strides,
    )
    options = BlockOptions(
        kind=block, nonlocal_kind=nonlocal_kind, recompute=recompute, norm=make_norm(norm)
    )
    pathway, options = separated(arch, pathway, options)
    roi = roi_options(detection, RoIOptions())
    return classifier(
        [pathway.keeping_s4() if roi else pathway],
        num_frames=num_frames,
        crop_size=crop_size,
        block=options,
        head=HeadOptions(num_classes, dropout, head_act, adaptive_pool, roi=roi),
    )


def video_resnet_from_cfg(cfg: CfgNode) -> VideoResNet:
    """The network of a config with MODEL.MODEL_NAME 'ResNet' or 'ResNet_nopool'.

    RESNET.NUM_BLOCK_TEMP_KERNEL counts temporal kernels of the first convolutions of blocks, and
    so does not hold for the networks of SEPARATED.
    """
    arch = cfg.MODEL.ARCH
    pathway = pathway_from_cfg(
        cfg,
        0,
        basis_of(arch),
        shrink=cfg.SLOWFAST.BETA_INV if arch == "fast" else 1,
        time_pool=1 if cfg.MODEL.MODEL_NAME == "ResNet_nopool" else TIME_POOL.get(arch, 1),
    )
    if arch in SEPARATED:
        pathway = replace(pathway, temporal=None)
    pathway, block = separated(arch, pathway, block_options_from_cfg(cfg))
    return classifier(
        [pathway],
        num_frames=cfg.DATA.NUM_FRAMES,
        crop_size=cfg.DATA.TRAIN_CROP_SIZE,
        block=block,
        head=head_options_from_cfg(cfg),
    )


def separated_from_cfg(cfg: CfgNode) -> VideoResNet:
    """The network of a config with MODEL.MODEL_NAME 'PTVCSN' or 'PTVR2plus1D'."""
    name, arch = cfg.MODEL.MODEL_NAME, cfg.MODEL.ARCH
    expected = {"PTVCSN": "csn", "PTVR2plus1D": "r2plus1d"}[name]
    if arch != expected:
        raise ValueError(
            f"MODEL.MODEL_NAME {name!r} needs MODEL.ARCH {expected!r}, got {arch!r}; networks "
            "with one pathway of another kind have MODEL_NAME 'ResNet'"
        )
    return video_resnet_from_cfg(cfg)
