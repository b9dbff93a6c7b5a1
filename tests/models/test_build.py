"""Mirrors slowfast/models/build.py and what the configs of each family decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fvcore.common.config import CfgNode
from torch import nn

from slowfast.config import load_cfg
from slowfast.models import build_model, example_input
from slowfast.ops.norm import FrozenBatchNorm3d

SMALL = (
    *("RESNET.STAGE_DEPTHS", [1, 1, 1, 1], "RESNET.WIDTH_PER_GROUP", 8),
    *("DATA.TRAIN_CROP_SIZE", 32, "DATA.TEST_CROP_SIZE", 32, "NUM_GPUS", 1),
)


@pytest.fixture
def cfg_of(configs: Path) -> Any:
    """A recipe with one narrow block a stage and 32-pixel crops, thawed."""

    def load(name: str, **changes: Any) -> CfgNode:
        cfg = load_cfg(configs / "Kinetics" / f"{name}.yaml", SMALL).clone()
        cfg.defrost()
        pairs = [(key.replace("__", "."), value) for key, value in changes.items()]
        cfg.merge_from_list([part for pair in pairs for part in pair])
        return cfg

    return load


@pytest.mark.parametrize("arch", ["2d", "c2d", "i3d", "slow", "fast", "slow_c2d", "slow_i3d"])
def test_every_arch_with_one_pathway(arch: str, cfg_of: Any) -> None:
    net = build_model(cfg_of("SLOW_4x16_R50", MODEL__ARCH=arch))
    pooled = arch in ("c2d", "i3d")
    assert getattr(net.pathway0_pool, "kernel_size", None) == ((2, 1, 1) if pooled else None)
    assert net.head.pool_sizes == ((2 if pooled else 4, 1, 1),)
    assert net(example_input(net, batch=2)).shape == (2, 400)


def test_fast_divides_the_width(cfg_of: Any) -> None:
    net = build_model(cfg_of("SLOW_4x16_R50", MODEL__ARCH="fast", SLOWFAST__BETA_INV=4))
    assert net.s1.pathway0_stem.conv.out_channels == 2


def test_nopool_keeps_all_frames(cfg_of: Any) -> None:
    net = build_model(cfg_of("c2/C2D_NOPOOL_8x8_R50"))
    assert isinstance(net.pathway0_pool, nn.Identity)
    assert net.head.pool_sizes == ((8, 1, 1),)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("pytorchvideo/SLOWFAST_8x8_R50", "SLOWFAST_8x8_R50"),
        ("pytorchvideo/I3D_8x8_R50", "I3D_8x8_R50"),
        ("pytorchvideo/MVIT_B_16x4_CONV", "MVIT_B_16x4_CONV"),
    ],
)
def test_recipes_of_the_other_library(theirs: str, ours: str, cfg_of: Any) -> None:
    first, second = build_model(cfg_of(theirs)), build_model(cfg_of(ours))
    assert str(first) == str(second)


def test_names_that_do_not_build(cfg_of: Any) -> None:
    with pytest.raises(ValueError, match="'MaskMViT' arrives in a later release; this one has S"):
        build_model(cfg_of("SLOW_4x16_R50", MODEL__MODEL_NAME="MaskMViT"))
    with pytest.raises(ValueError, match=r"'SlowFats' is not known; .*nearest: SlowFast"):
        build_model(cfg_of("SLOW_4x16_R50", MODEL__MODEL_NAME="SlowFats"))
    with pytest.raises(ValueError, match=r"needs MODEL\.ARCH 'slowfast', got 'slow'"):
        build_model(cfg_of("SLOW_4x16_R50", MODEL__MODEL_NAME="SlowFast"))
    with pytest.raises(ValueError, match="a network with one pathway takes one of"):
        build_model(cfg_of("SLOWFAST_8x8_R50", MODEL__MODEL_NAME="ResNet"))
    with pytest.raises(ValueError, match=r"DETECTION\.ENABLE is True: .* later release"):
        build_model(cfg_of("SLOW_4x16_R50", DETECTION__ENABLE=True))


def test_lists_without_an_entry_for_the_fast_pathway(cfg_of: Any) -> None:
    cfg = cfg_of("SLOWFAST_8x8_R50", RESNET__SPATIAL_STRIDES=[[1, 1], [2], [2, 2], [2, 2]])
    with pytest.raises(ValueError, match=r"SPATIAL_STRIDES is \[2\] for s3, .* has 2 pathways"):
        build_model(cfg)
    cfg = cfg_of("SLOWFAST_8x8_R50", DATA__INPUT_CHANNEL_NUM=[3])
    with pytest.raises(ValueError, match=r"INPUT_CHANNEL_NUM is \[3\], .* has 2 pathways"):
        build_model(cfg)


def test_width_and_beta(cfg_of: Any) -> None:
    with pytest.raises(ValueError, match=r"WIDTH_PER_GROUP \(8\) must be a multiple .* \(3\)"):
        build_model(cfg_of("SLOWFAST_8x8_R50", SLOWFAST__BETA_INV=3))


def test_keys_of_the_blocks(cfg_of: Any) -> None:
    net = build_model(
        cfg_of(
            "SLOW_4x16_R50",
            RESNET__NUM_GROUPS=2,
            RESNET__STRIDE_1X1=True,
            RESNET__INPLACE_RELU=False,
            RESNET__SPATIAL_STRIDES=[[1], [2], [2], [1]],
            RESNET__SPATIAL_DILATIONS=[[1], [1], [1], [2]],
            MODEL__ACT_CHECKPOINT=True,
        )
    )
    block = net.s3.pathway0_res0.branch2
    assert block.b.groups == 2
    assert block.a.stride == (1, 2, 2)
    assert not block.a_relu.inplace
    assert net.s5.pathway0_res0.branch2.b.dilation == (1, 2, 2)
    assert net.s5.recompute
    basic = build_model(cfg_of("SLOW_4x16_R50", RESNET__TRANS_FUNC="basic_transform"))
    assert not hasattr(basic.s2.pathway0_res0.branch2, "c")


def test_keys_of_the_start(cfg_of: Any) -> None:
    net = build_model(
        cfg_of(
            "SLOW_4x16_R50",
            RESNET__ZERO_INIT_FINAL_BN=False,
            RESNET__ZERO_INIT_FINAL_CONV=True,
            MODEL__FC_INIT_STD=0.5,
        )
    )
    branch = net.s4.pathway0_res0.branch2
    assert branch.c_bn.weight.eq(1).all()
    assert branch.c.weight.eq(0).all()
    assert not branch.b.weight.eq(0).any()
    assert net.head.projection.weight.std().item() == pytest.approx(0.5, rel=0.05)
    zero = build_model(cfg_of("SLOW_4x16_R50"))
    assert zero.s4.pathway0_res0.branch2.c_bn.weight.eq(0).all()


def test_keys_of_the_head(cfg_of: Any) -> None:
    net = build_model(
        cfg_of(
            "SLOW_4x16_R50",
            MODEL__HEAD_ACT="none",
            MODEL__DETACH_FINAL_FC=True,
            MODEL__DROPOUT_RATE=0.25,
            MULTIGRID__SHORT_CYCLE=True,
        )
    )
    assert isinstance(net.head.act, nn.Identity)
    assert net.head.detach
    assert net.head.dropout.p == 0.25
    assert net.head.pool_sizes == (None,)
    net(example_input(net, batch=2)).sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is not None] == [
        "head.projection.weight",
        "head.projection.bias",
    ]


def test_frozen_statistics(cfg_of: Any) -> None:
    net = build_model(cfg_of("SLOW_4x16_R50", MODEL__FROZEN_BN=True)).train()
    kinds = {type(m) for m in net.modules() if isinstance(m, nn.BatchNorm3d)}
    assert kinds == {FrozenBatchNorm3d}
    before = net.s1.pathway0_stem.bn.running_mean.clone()
    net(example_input(net, batch=2)).sum().backward()
    assert torch.equal(net.s1.pathway0_stem.bn.running_mean, before)


def test_norms(cfg_of: Any) -> None:
    plain = build_model(cfg_of("SLOW_4x16_R50"))
    synced = build_model(cfg_of("SLOW_4x16_R50", BN__NORM_TYPE="sync_batchnorm"))
    assert str(plain) == str(synced)
    with pytest.raises(ValueError, match=r"BN\.NORM_TYPE is 'sub_batchnorm'"):
        build_model(cfg_of("SLOW_4x16_R50", BN__NORM_TYPE="sub_batchnorm"))
