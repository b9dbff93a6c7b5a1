"""Mirrors slowfast/models/build.py and what the configs of each family decide."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from fvcore.common.config import CfgNode
from torch import nn

from slowfast.config import load_cfg
from slowfast.models import build_model, example_boxes, example_input
from slowfast.models.roi_head import RoIOptions
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
    # That library's norms of pooled queries, keys and values have another epsilon.
    shown = [str(net).replace("eps=1e-05", "eps=1e-06") for net in (first, second)]
    assert shown[0] == shown[1]


def test_norms_of_pooled_tokens_are_those_of_the_recipe_s_library(cfg_of: Any) -> None:
    found = {}
    for name in ("MVIT_B_16x4_CONV", "pytorchvideo/MVIT_B_16x4_CONV"):
        block = build_model(cfg_of(name)).blocks[3]
        found[name] = [norm.eps for norm in (block.norm1, block.attn.norm_k, block.attn.norm_q)]
    assert list(found.values()) == [[1e-6, 1e-6, 1e-6], [1e-6, 1e-5, 1e-5]]


FAMILIES = {
    "SLOW_4x16_R50": {},
    "SLOWFAST_4x16_R50": {},
    "X3D_XS": {"X3D__DEPTH_FACTOR": 0.5, "X3D__DIM_C5": 32},
    "pytorchvideo/CSN_32x2_R101": {"DATA__NUM_FRAMES": 8},
    "pytorchvideo/R2PLUS1D_16x4_R50": {"DATA__NUM_FRAMES": 8},
}


def net_of(name: str, cfg_of: Any, **changes: Any) -> nn.Module:
    """A small network of a recipe, for 4 classes, ready for a training step."""
    shared = {"MODEL__DROPOUT_RATE": 0.0, "MODEL__NUM_CLASSES": 4}
    return build_model(cfg_of(name, **shared, **FAMILIES[name], **changes)).train()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", ["batchnorm", "sub_batchnorm", "sync_batchnorm"])
def test_every_family_takes_every_norm(name: str, kind: str, cfg_of: Any) -> None:
    net = net_of(name, cfg_of, BN__NORM_TYPE=kind, BN__NUM_SPLITS=2, BN__NUM_SYNC_DEVICES=8)
    clips = example_input(net, batch=4)
    net(clips).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    state = net.state_dict()
    changed = [k for k in state if k.endswith("running_mean") and state[k].any()]
    assert len(changed) == sum(k.endswith("num_batches_tracked") and state[k] > 0 for k in state)
    with torch.autocast("cpu", torch.bfloat16):
        assert net(clips).dtype == torch.bfloat16
    assert net.eval()(clips).shape == (4, 4)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_freezes_recomputes_and_detaches(name: str, cfg_of: Any) -> None:
    for kind in ("batchnorm", "sub_batchnorm", "sync_batchnorm"):
        frozen = net_of(name, cfg_of, MODEL__FROZEN_BN=True, BN__NORM_TYPE=kind)
        before = {key: value.clone() for key, value in frozen.named_buffers()}
        frozen(example_input(frozen, batch=2)).sum().backward()
        assert all(torch.equal(value, before[key]) for key, value in frozen.named_buffers())
    detached = net_of(name, cfg_of, MODEL__DETACH_FINAL_FC=True)
    detached(example_input(detached, batch=2)).sum().backward()
    learns = [key for key, p in detached.named_parameters() if p.grad is not None]
    assert learns == ["head.projection.weight", "head.projection.bias"]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", ["batchnorm", "sub_batchnorm"])
def test_recomputing_changes_nothing(name: str, kind: str, cfg_of: Any) -> None:
    def run(recompute: bool) -> nn.Module:
        torch.manual_seed(0)
        settings = {"BN__NORM_TYPE": kind, "BN__NUM_SPLITS": 2}
        net = net_of(name, cfg_of, MODEL__ACT_CHECKPOINT=recompute, **settings)
        net(example_input(net, batch=4)).square().sum().backward()
        return net

    kept, recomputed = run(False), run(True)
    for p, q in zip(kept.parameters(), recomputed.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)
    for a, b in zip(kept.buffers(), recomputed.buffers(), strict=True):
        torch.testing.assert_close(a, b)


def test_names_that_do_not_build(cfg_of: Any) -> None:
    with pytest.raises(ValueError, match="'MaskMViT' arrives in a later release; this one has S"):
        build_model(cfg_of("SLOW_4x16_R50", MODEL__MODEL_NAME="MaskMViT"))
    with pytest.raises(ValueError, match=r"'SlowFats' is not known; .*nearest: SlowFast"):
        build_model(cfg_of("SLOW_4x16_R50", MODEL__MODEL_NAME="SlowFats"))
    with pytest.raises(ValueError, match=r"needs MODEL\.ARCH 'slowfast', got 'slow'"):
        build_model(cfg_of("SLOW_4x16_R50", MODEL__MODEL_NAME="SlowFast"))
    with pytest.raises(ValueError, match="a network with one pathway takes one of"):
        build_model(cfg_of("SLOWFAST_8x8_R50", MODEL__MODEL_NAME="ResNet"))
    with pytest.raises(ValueError, match=r"'x3d' is no ResNet; set MODEL\.MODEL_NAME X3D"):
        build_model(cfg_of("X3D_S", MODEL__MODEL_NAME="ResNet"))


DETECTION = ("AVA/*.yaml", "AVA/c2/*.yaml", "contrastive_ssl/*_ava_*.yaml")


def test_every_recipe_of_detection_builds(configs: Path) -> None:
    paths = [path for pattern in DETECTION for path in sorted(configs.glob(pattern))]
    assert len(paths) == 9
    for path in paths:
        cfg = load_cfg(path, ["NUM_GPUS", 1])
        with torch.device("meta"):
            net = build_model(cfg)
        assert net.input_spec.boxes
        assert net.head.pool.options == RoIOptions(7, 16, cfg.DETECTION.ALIGNED)
        assert isinstance(net.head.act, nn.Sigmoid)


def test_keys_of_detection(cfg_of: Any) -> None:
    boxes = {"DETECTION__ENABLE": True, "DETECTION__ROI_XFORM_RESOLUTION": 3}
    boxes |= {"DETECTION__SPATIAL_SCALE_FACTOR": 32, "DETECTION__ALIGNED": False}
    for name in FAMILIES:
        net = net_of(name, cfg_of, **boxes)
        assert net.head.pool.options == RoIOptions(3, 32, False)
        assert net(example_input(net, batch=2), example_boxes(net, 2)).shape == (2, 4)
    detached = net_of("SLOW_4x16_R50", cfg_of, **boxes, MODEL__DETACH_FINAL_FC=True)
    assert detached.head.detach


def test_parts_of_a_batch_compile(cfg_of: Any) -> None:
    net = net_of("SLOW_4x16_R50", cfg_of, BN__NORM_TYPE="sub_batchnorm", BN__NUM_SPLITS=2)
    clips = example_input(net, batch=4)
    expected = copy.deepcopy(net)(clips)
    run = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(run(clips), expected)


def test_lists_without_an_entry_for_the_fast_pathway(cfg_of: Any) -> None:
    cfg = cfg_of("SLOWFAST_8x8_R50", RESNET__SPATIAL_STRIDES=[[1, 1], [2], [2, 2], [2, 2]])
    with pytest.raises(ValueError, match=r"SPATIAL_STRIDES is \[2\] for s3, .* has 2 pathways"):
        build_model(cfg)
    cfg = cfg_of("SLOWFAST_8x8_R50", DATA__INPUT_CHANNEL_NUM=[3])
    with pytest.raises(ValueError, match=r"INPUT_CHANNEL_NUM is \[3\], .* has 2 pathways"):
        build_model(cfg)


def test_fast_channels_are_rounded_up(cfg_of: Any) -> None:
    net = build_model(cfg_of("SLOWFAST_8x8_R50", SLOWFAST__BETA_INV=3))
    assert net.s1.pathway1_stem.conv.out_channels == 3  # 8 / 3


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
    synced = build_model(
        cfg_of("SLOW_4x16_R50", BN__NORM_TYPE="sync_batchnorm", BN__NUM_SYNC_DEVICES=8)
    )
    assert list(plain.state_dict()) == list(synced.state_dict())
    assert synced.s1.pathway0_stem.bn.group_size == 8
    every = build_model(
        cfg_of("SLOW_4x16_R50", BN__NORM_TYPE="sync_batchnorm", BN__GLOBAL_SYNC=True)
    )
    assert every.s1.pathway0_stem.bn.group_size is None
    split = build_model(cfg_of("SLOW_4x16_R50", BN__NORM_TYPE="sub_batchnorm", BN__NUM_SPLITS=2))
    assert split.s1.pathway0_stem.bn.splits == 2
