"""Mirrors slowfast/models/separated.py."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

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
)
from slowfast.models.video_resnet import VideoResNet

Make = Callable[..., VideoResNet]
RECIPES = {
    "csn": "Kinetics/pytorchvideo/CSN_32x2_R101.yaml",
    "r2plus1d": "Kinetics/pytorchvideo/R2PLUS1D_16x4_R50.yaml",
}
BLOCKS = [*RECIPES]


def frames_after(net: VideoResNet) -> list[tuple[int, ...]]:
    """(T, H, W) after the stem and each stage."""
    seen: list[tuple[int, ...]] = []
    for stage in range(1, 6):
        net.get_submodule(f"s{stage}").register_forward_hook(
            lambda module, args, out: seen.append(tuple(out[0].shape[2:]))
        )
    net(example_input(net, batch=2))
    return seen


def test_channel_separated(tiny_resnet: Make) -> None:
    """1904.02811, Sec. 3.2: no 3x3x3 convolution mixes channels, no 1x1x1 one mixes frames."""
    net = tiny_resnet("csn", num_frames=16)
    for stage, dim in ((2, 8), (3, 16), (4, 32), (5, 64)):
        branch = net.get_submodule(f"s{stage}.pathway0_res0.branch2")
        assert branch.a.kernel_size == branch.c.kernel_size == (1, 1, 1)
        assert branch.b.weight.shape == (dim, 1, 3, 3, 3)
    assert net.s1.pathway0_stem.conv.kernel_size == (3, 7, 7)
    assert frames_after(net) == [(16, 8, 8), (16, 8, 8), (8, 4, 4), (4, 2, 2), (2, 1, 1)]


def test_two_plus_one_dimensional(tiny_resnet: Make) -> None:
    net = tiny_resnet("r2plus1d", num_frames=16)
    for stage in range(2, 6):
        conv = net.get_submodule(f"s{stage}.pathway0_res0.branch2.b")
        assert (conv.conv_t.kernel_size, conv.conv_xy.kernel_size) == ((3, 1, 1), (1, 3, 3))
    assert isinstance(net.s1.pathway0_stem.pool_layer, nn.Identity)
    assert frames_after(net) == [(16, 16, 16), (16, 8, 8), (16, 4, 4), (8, 2, 2), (4, 1, 1)]


# Published in pytorchvideo's model zoo, 256 pixels. Its GFLOPs count five operations for each
# number that a norm puts out (ours count none) and agree with ours by that to their last digit.
@pytest.mark.parametrize(
    ("name", "params", "gflops", "ours"),
    [("csn_r101_32x2", 22.21, 75.62, 73.76), ("r2plus1d_r50_16x4", 28.11, 76.45, 75.15)],
)
def test_published_cost(name: str, params: float, gflops: float, ours: float) -> None:
    normed = 0

    def count(module: nn.Module, args: object, out: torch.Tensor) -> None:
        nonlocal normed
        normed += out.numel()

    with torch.device("meta"):
        net = create_model(name).eval()
        clips = example_input(net, size=256)
        cost = count_cost(net, clips)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.register_forward_hook(count)
        net(clips)
    assert cost.params / 1e6 == pytest.approx(params, abs=0.005)
    assert cost.gflops == pytest.approx(ours, abs=0.005)
    assert cost.gflops + 5 * normed / 1e9 == pytest.approx(gflops, abs=0.005)


@pytest.mark.parametrize("arch", BLOCKS)
def test_temporal_kernels_in_every_block_of_a_recipe(arch: str, configs: Path) -> None:
    """RESNET.NUM_BLOCK_TEMP_KERNEL has 6 for s4, which has 23 blocks in R101."""
    cfg = load_cfg(configs / RECIPES[arch], ["NUM_GPUS", 1, "RESNET.DEPTH", 101])
    with torch.device("meta"):
        net = build_model(cfg)
    for block in net.s4.children():
        b = block.branch2.b
        assert (b.conv_t if arch == "r2plus1d" else b).kernel_size[0] == 3
    assert len(list(net.s4.children())) == 23


@pytest.mark.slow
@pytest.mark.parametrize("arch", BLOCKS)
def test_it_exports_compiles_and_runs_in_bfloat16(arch: str, tiny_resnet: Make) -> None:
    net = tiny_resnet(arch, num_frames=8).eval()
    clips = example_input(net, batch=2)
    expected = copy.deepcopy(net)(clips)
    exported = torch.export.export(net, (clips,), strict=False)
    torch.testing.assert_close(exported.module()(clips), expected)
    compiled = torch.compile(copy.deepcopy(net), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(clips), expected)
    last = copy.deepcopy(net).to(memory_format=torch.channels_last_3d)
    pure = last.bfloat16()([clip.bfloat16() for clip in clips])
    assert pure.dtype == torch.bfloat16
    torch.testing.assert_close(pure.float(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("arch", BLOCKS)
def test_every_parameter_learns(arch: str, tiny_resnet: Make) -> None:
    net = tiny_resnet(arch, num_frames=8)
    net(example_input(net, batch=2)).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("arch", BLOCKS)
def test_boxes(arch: str, tiny_resnet: Make) -> None:
    net = tiny_resnet(arch, num_frames=8, detection=True).eval()
    assert net(example_input(net, batch=2), example_boxes(net, 2)).shape == (2, 5)


@pytest.mark.parametrize(
    ("arch", "key", "value", "message"),
    [
        ("csn", "MODEL.ARCH", "slow", "'PTVCSN' needs MODEL.ARCH 'csn', got 'slow'; networks"),
        ("r2plus1d", "MODEL.ARCH", "csn", "'PTVR2plus1D' needs MODEL.ARCH 'r2plus1d', got 'csn'"),
        ("csn", "RESNET.TRANS_FUNC", "basic_transform", "TRANS_FUNC is 'basic_transform', but"),
        ("r2plus1d", "RESNET.STEM_TIME_STRIDES", [1, 2], "STEM_TIME_STRIDES is .*must be 1"),
    ],
)
def test_settings_that_do_not_fit(
    arch: str, key: str, value: object, message: str, configs: Path
) -> None:
    cfg = load_cfg(configs / RECIPES[arch], ["NUM_GPUS", 1, key, value])
    with pytest.raises(ValueError, match=message) as error:
        build_model(cfg)
    assert "\n" not in str(error.value)
