"""The settings of a VideoResNet as a config holds them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fvcore.common.config import CfgNode

from slowfast.models.pathway import BlockOptions, Pathway
from slowfast.models.roi_head import RoIOptions
from slowfast.models.temporal_kernels import Basis, stage_depths
from slowfast.models.video_resnet import HeadOptions
from slowfast.ops.norm import Norm, make_norm


def pathway_from_cfg(
    cfg: CfgNode, index: int, kernels: Basis, *, shrink: int = 1, time_pool: int = 1
) -> Pathway:
    """Pathway `index` of the network; `shrink` divides its width (1 / beta), rounded up."""
    resnet, attention = cfg.RESNET, cfg.NONLOCAL

    def stages(name: str, table: Sequence[Sequence[Any]]) -> list[Any]:
        return [_entry(name, s, row, index) for s, row in enumerate(table)]

    pools = stages("NONLOCAL.POOL", attention.POOL)
    return Pathway(
        kernels,
        stage_depths(resnet.DEPTH, resnet.STAGE_DEPTHS),
        width=math.ceil(resnet.WIDTH_PER_GROUP / shrink),
        groups=resnet.NUM_GROUPS,
        in_channels=_entry("DATA.INPUT_CHANNEL_NUM", None, cfg.DATA.INPUT_CHANNEL_NUM, index),
        temporal=stages("RESNET.NUM_BLOCK_TEMP_KERNEL", resnet.NUM_BLOCK_TEMP_KERNEL),
        strides=stages("RESNET.SPATIAL_STRIDES", resnet.SPATIAL_STRIDES),
        dilations=stages("RESNET.SPATIAL_DILATIONS", resnet.SPATIAL_DILATIONS),
        nonlocal_after=stages("NONLOCAL.LOCATION", attention.LOCATION),
        nonlocal_groups=stages("NONLOCAL.GROUP", attention.GROUP),
        nonlocal_pools=[(t, h, w) for t, h, w in pools],
        time_pool=time_pool,
        stem_time_strides=resnet.STEM_TIME_STRIDES,
    )


def block_options_from_cfg(cfg: CfgNode) -> BlockOptions:
    return BlockOptions(
        kind=cfg.RESNET.TRANS_FUNC,
        stride_1x1=cfg.RESNET.STRIDE_1X1,
        nonlocal_kind=cfg.NONLOCAL.INSTANTIATION,
        inplace_relu=cfg.RESNET.INPLACE_RELU,
        recompute=cfg.MODEL.ACT_CHECKPOINT,
        norm=norm_from_cfg(cfg),
    )


def head_options_from_cfg(cfg: CfgNode) -> HeadOptions:
    boxes = cfg.DETECTION
    roi = RoIOptions(boxes.ROI_XFORM_RESOLUTION, boxes.SPATIAL_SCALE_FACTOR, boxes.ALIGNED)
    return HeadOptions(
        num_classes=cfg.MODEL.NUM_CLASSES,
        dropout=cfg.MODEL.DROPOUT_RATE,
        act=cfg.MODEL.HEAD_ACT,
        adaptive_pool=cfg.MULTIGRID.SHORT_CYCLE,
        detach=cfg.MODEL.DETACH_FINAL_FC,
        fc_init_std=cfg.MODEL.FC_INIT_STD,
        zero_init_final_bn=cfg.RESNET.ZERO_INIT_FINAL_BN,
        zero_init_final_conv=cfg.RESNET.ZERO_INIT_FINAL_CONV,
        roi=roi if boxes.ENABLE else None,
    )


def norm_from_cfg(cfg: CfgNode) -> Norm:
    return make_norm(
        cfg.BN.NORM_TYPE,
        frozen=cfg.MODEL.FROZEN_BN,
        splits=cfg.BN.NUM_SPLITS,
        sync_devices=None if cfg.BN.GLOBAL_SYNC else cfg.BN.NUM_SYNC_DEVICES,
    )


def _entry(name: str, stage: int | None, row: Sequence[Any], index: int) -> Any:
    if index >= len(row):
        where = "" if stage is None else f" for s{stage + 2}"
        raise ValueError(
            f"{name} is {list(row)}{where}, but the network has {index + 1} pathways; give one "
            "entry a pathway, Slow before Fast"
        )
    return row[index]
