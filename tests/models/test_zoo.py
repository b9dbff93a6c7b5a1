"""Mirrors slowfast/models/zoo.py."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from slowfast.config import load_cfg
from slowfast.models import (
    build_model,
    count_cost,
    create_model,
    example_boxes,
    example_input,
    list_models,
)

RECIPES = {
    "slowfast_r50_4x16": "Kinetics/SLOWFAST_4x16_R50",
    "slowfast_r50_8x8": "Kinetics/SLOWFAST_8x8_R50",
    "slowfast_r101_8x8": "Kinetics/c2/SLOWFAST_8x8_R101_50_50",
    "slowfast_r101_16x8": "Kinetics/c2/SLOWFAST_16x8_R101_50_50",
    "slowfast_r101_101_101_8x8": "Kinetics/c2/SLOWFAST_8x8_R101_101_101",
    "slowfast_nln_r50_4x16": "Kinetics/SLOWFAST_NLN_4x16_R50",
    "slowfast_nln_r50_8x8": "Kinetics/SLOWFAST_NLN_8x8_R50",
    "slowfast_nln_r101_16x8": "Kinetics/c2/SLOWFAST_NLN_16x8_R101_50_50",
    "slow_r50_4x16": "Kinetics/SLOW_4x16_R50",
    "slow_r50_8x8": "Kinetics/SLOW_8x8_R50",
    "slow_nln_r50_4x16": "Kinetics/SLOW_NLN_4x16_R50",
    "slow_nln_r50_8x8": "Kinetics/SLOW_NLN_8x8_R50",
    "c2d_r50_8x8": "Kinetics/C2D_8x8_R50",
    "c2d_nln_r50_8x8": "Kinetics/C2D_NLN_8x8_R50",
    "c2d_nopool_r50_8x8": "Kinetics/c2/C2D_NOPOOL_8x8_R50",
    "i3d_r50_8x8": "Kinetics/I3D_8x8_R50",
    "i3d_r101_8x8": "Kinetics/I3D_8x8_R101",
    "i3d_nln_r50_8x8": "Kinetics/I3D_NLN_8x8_R50",
    "i3d_nln_r101_8x8": "Kinetics/I3D_NLN_8x8_R101",
    "csn_r101_32x2": "Kinetics/pytorchvideo/CSN_32x2_R101",
    "r2plus1d_r50_16x4": "Kinetics/pytorchvideo/R2PLUS1D_16x4_R50",
    "x3d_xs": "Kinetics/X3D_XS",
    "x3d_s": "Kinetics/X3D_S",
    "x3d_m": "Kinetics/X3D_M",
    "x3d_l": "Kinetics/X3D_L",
    "mvit_v1_b_16x4": "Kinetics/MVIT_B_16x4_CONV",
    "mvit_v1_b_32x3": "Kinetics/MVIT_B_32x3_CONV",
    "mvit_v1_b_in1k": "ImageNet/MVIT_B_16_CONV",
    "mvit_v2_s_16x4": "Kinetics/MVITv2_S_16x4",
    "mvit_v2_b_32x3": "Kinetics/MVITv2_B_32x3",
    "mvit_v2_l_40x3": "Kinetics/MVITv2_L_40x3_test",
    "mvit_v2_t_in1k": "ImageNet/MVITv2_T",
    "mvit_v2_s_in1k": "ImageNet/MVITv2_S",
    "mvit_v2_b_in1k": "ImageNet/MVITv2_B",
    "rev_vit_s": "ImageNet/REV_VIT_S",
    "rev_vit_b": "ImageNet/REV_VIT_B",
    "rev_mvit_b_in1k": "ImageNet/REV_MVIT_B_16_CONV",
    "rev_mvit_b_16x4": "Kinetics/REV_MVIT_B_16x4_CONV",
    "vit_b_16x4": "masked_ssl/k400_VIT_B_16x4_FT",
    "vit_l_16x4": "masked_ssl/k400_VIT_L_16x4_FT",
    "vit_h_16x4": "masked_ssl/k400_VIT_H_16x4_FT",
    "vit_b_in1k": "masked_ssl/in1k_VIT_B_MaskFeat_FT",
    "vit_l_in1k": "masked_ssl/in1k_VIT_L_MaskFeat_FT",
    "slow_r50_4x16_ava": "AVA/SLOW_8x8_R50_SHORT",
    "slowfast_r50_32x2_ava": "AVA/SLOWFAST_32x2_R50_SHORT",
    "slowfast_nln_r101_32x2_ava": "AVA/c2/SLOWFAST_32x2_R101_50_50",
    "slowfast_nln_r101_64x2_ava": "AVA/c2/SLOWFAST_64x2_R101_50_50",
}
IMAGE_NETWORKS = [*list_models("*_in1k"), *list_models("rev_vit_*")]


def layout(net: nn.Module) -> list[str]:
    """Every module with its settings, and every shape."""
    modules = [
        f"{name}: {module}" for name, module in net.named_modules() if not list(module.children())
    ]
    attention = [f"{m.kind} {m.groups}" for m in net.modules() if hasattr(m, "conv_theta")]
    shapes = [f"{key} {tuple(value.shape)}" for key, value in net.state_dict().items()]
    head = net.head
    pools = [getattr(head, name, None) for name in ("pool_size", "pool_sizes", "pool")]
    return [*modules, *attention, *shapes, str(pools), str(net.input_spec)]


QUICK = (
    *("slowfast_r50_8x8", "slow_nln_r50_4x16", "c2d_nopool_r50_8x8", "i3d_r50_8x8", "x3d_s"),
    *("csn_r101_32x2", "r2plus1d_r50_16x4"),
    *("mvit_v1_b_16x4", "mvit_v1_b_32x3", "mvit_v1_b_in1k", "mvit_v2_s_16x4", "mvit_v2_b_32x3"),
    *("mvit_v2_t_in1k", "mvit_v2_s_in1k", "mvit_v2_b_in1k", "vit_b_16x4", "vit_b_in1k"),
    *list_models("rev_*"),
)


def some(names: Iterable[str], quick: Container[str]) -> list[Any]:
    """The others are left to the slow tests."""
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in names]


@pytest.mark.parametrize("name", some(RECIPES, QUICK))
def test_same_network_as_the_recipe(name: str, configs: Path) -> None:
    with torch.device("meta"):
        ours = create_model(name)
        recipe = build_model(load_cfg(configs / f"{RECIPES[name]}.yaml", ["NUM_GPUS", 1]))
    assert layout(ours) == layout(recipe)


@pytest.mark.parametrize(
    "name", some(list_models(), (*list_models("*_r18_*"), "mvit_v2_t_in1k", "rev_mvit_b_16x4"))
)
def test_every_name_builds_and_says_what_it_takes(name: str) -> None:
    frames = 1 if name in IMAGE_NETWORKS else 8
    with torch.device("meta"):
        net = create_model(name, num_classes=7, num_frames=frames, crop_size=32).eval()
        assert net(example_input(net, batch=2), example_boxes(net, 2)).shape == (2, 7)


def test_paper_costs() -> None:
    """GFLOPs of 1812.03982, Table 2 (testing at 256 pixels)."""
    for name, gflops in (
        ("slowfast_r50_4x16", 36.1),
        ("slowfast_r50_8x8", 65.7),
    ):
        with torch.device("meta"):
            net = create_model(name).eval()
        assert count_cost(net, example_input(net, size=256)).gflops == pytest.approx(
            gflops, abs=0.06
        )


def test_changes_reach_the_network() -> None:
    net = create_model(
        "slowfast_r18_8x8",
        num_classes=3,
        num_frames=8,
        crop_size=64,
        alpha=2,
        beta_inv=4,
        width=16,
        in_channels=1,
        dropout=0.25,
        head_act="sigmoid",
    )
    assert [tuple(clip.shape) for clip in example_input(net)] == [
        (1, 1, 4, 64, 64),
        (1, 1, 8, 64, 64),
    ]
    assert net.s1.pathway1_stem.conv.out_channels == 4
    assert net.head.projection.out_features == 3
    assert net.head.dropout.p == 0.25
    assert isinstance(net.head.act, nn.Sigmoid)
    scores = net.eval()(example_input(net, batch=2))
    assert ((scores > 0) & (scores < 1)).all()


def test_list_models() -> None:
    names = list_models()
    assert "slowfast_r50_8x8" in names
    assert len(names) == len(set(names))
    assert list_models("i3d_nln*") == ["i3d_nln_r50_8x8", "i3d_nln_r101_8x8"]
    assert list_models("nothing*") == []


def test_unknown_name_and_unknown_argument() -> None:
    with pytest.raises(ValueError, match="no network 'slowfast_r50_8x9'; did you mean slowfast_r5"):
        create_model("slowfast_r50_8x9")
    with pytest.raises(ValueError, match="slow_r50_8x8 takes no 'drop_out'; did you mean dropout"):
        create_model("slow_r50_8x8", drop_out=0.1)
    with pytest.raises(ValueError, match="takes no 'arch'"):
        create_model("slow_r50_8x8", arch="i3d")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("slowfast_r50_8x8", {"beta_inv": 0}, "beta_inv is 0, but must be a whole number from 1"),
        ("slowfast_r50_8x8", {"num_frames": 0}, "num_frames is 0, but must be a whole"),
        ("slowfast_r50_8x8", {"in_channels": (3,)}, r"in_channels is \(3,\), but must have 2 ent"),
        ("slowfast_r50_8x8", {"fusion_kernel": -1}, "KERNEL_SZ is -1, but must be odd and at le"),
        ("slowfast_r50_8x8", {"fast_downscale": 2, "crop_size": 33}, "33, but must be a multiple"),
        ("slow_r50_8x8", {"stem_time_strides": (0, 1)}, "stem_time_strides is 0, but must be"),
        ("slow_r50_8x8", {"stem_time_strides": (1,)}, r"is \(1,\), but must have 2 entries"),
        ("slow_r50_8x8", {"time_pool": 0}, "time_pool is 0, but must be a whole number"),
        ("slow_r50_8x8", {"nonlocal_after": ((1,),)}, "nonlocal_after is .*, but must have 4"),
        ("slow_r50_8x8", {"temporal_blocks": (1,)}, "temporal_blocks is .* 4 entries: s2 to s5"),
        ("slow_r50_8x8", {"in_channels": 0}, "in_channels is 0, but must be a whole number"),
        ("slow_r50_8x8", {"width": 0}, "width is 0, but must be a whole number from 1"),
        ("slow_r50_8x8", {"crop_size": 0}, "crop_size is 0, but must be a whole number"),
        ("slow_r50_8x8", {"detection": "yes"}, "detection is 'yes', but must be True, False or"),
        ("x3d_s", {"depth": -1}, "depth is -1, but must be a number above 0"),
        ("x3d_s", {"bottleneck": 0}, "bottleneck is 0, but must be a number above 0"),
        ("mvit_v1_b_16x4", {"heads": 0}, "heads is 0, but must be a whole number from 1"),
        ("mvit_v1_b_16x4", {"drop_path": 2.0}, "drop_path is 2.0, but must be at least 0 and be"),
        ("mvit_v1_b_16x4", {"mlp_ratio": 0}, "mlp_ratio is 0, but must be a number above 0"),
        ("mvit_v1_b_16x4", {"pool_kernel": (3, 3)}, "pool_kernel is .* 3 entries: T, H, W"),
        (
            "mvit_v1_b_16x4",
            {"reversible": True},
            "reversible is True, but must be Rev",
        ),
    ],
)
def test_numbers_that_make_no_network(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_model(name, **changes)


@pytest.mark.parametrize(
    "name", ["slowfast_r50_8x8", "c2d_r50_8x8", "x3d_xs", "slowfast_r50_32x2_ava"]
)
@pytest.mark.parametrize("value", ["a", 0, -1, 2.5, True])
def test_classes_are_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"num_classes .* is {value!r}, expected a whole number"):
        create_model(name, num_classes=value)


@pytest.mark.parametrize("name", [None, 3, ["x3d_s"], ""])
def test_what_is_no_name_is_an_error_too(name: Any) -> None:
    with pytest.raises(ValueError, match=r"there is no network .* slowfast\.list_models\(\)"):
        create_model(name)
