"""Mirrors slowfast/models/x3d.py; the recipes' numbers are in test_contract.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from slowfast.config import load_cfg
from slowfast.models import build_model, create_model, example_input
from slowfast.models.video_resnet import HeadOptions
from slowfast.models.x3d import X3D
from slowfast.ops.squeeze_excite import SqueezeExcite


def small(**changes: object) -> X3D:
    torch.manual_seed(0)
    settings = {"num_frames": 4, "crop_size": 64, "width": 1.0, "depth": 1.0, "dim_c5": 32}
    return X3D(**{**settings, "head": HeadOptions(5, 0.0), **changes})


def test_blocks_and_gates() -> None:
    """Depth 2.2 gives 3, 5, 11 and 7 blocks (Table 3); every second one is gated, the first too."""
    with torch.device("meta"):
        net = create_model("x3d_s")
    blocks = {
        stage: list(net.get_submodule(stage).children()) for stage in ("s2", "s3", "s4", "s5")
    }
    assert [len(b) for b in blocks.values()] == [3, 5, 11, 7]
    gated = [isinstance(block.branch2.se, SqueezeExcite) for block in blocks["s3"]]
    assert gated == [True, False, True, False, True]
    assert [b[0].branch2.c.out_channels for b in blocks.values()] == [24, 48, 96, 192]


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (1.0, [16, 16, 24, 48, 96]),
        (1.5, [24, 24, 40, 72, 144]),
        (2.9, [32, 32, 72, 136, 280]),
        (3.3, [40, 40, 80, 160, 320]),
    ],
)
def test_widths_are_multiples_of_8(width: float, expected: list[int]) -> None:
    """Those of pytorchvideo's networks; 2.9 is X3D-XL."""
    with torch.device("meta"):
        net = create_model("x3d_s", width=width)
    stages = (net.get_submodule(f"s{stage}.pathway0_res0.branch2.c") for stage in range(2, 6))
    found = [net.s1.pathway0_stem.conv.out_channels, *(conv.out_channels for conv in stages)]
    assert found == expected


def test_channelwise_and_act() -> None:
    block = small().s2.pathway0_res0.branch2
    assert block.b.kernel_size == (3, 3, 3)
    assert block.b.groups == block.b.in_channels
    assert isinstance(block.b_relu, nn.SiLU)
    assert small(channelwise=False).s2.pathway0_res0.branch2.b.groups == 1
    assert isinstance(small(bn_lin5=True).head.lin_5_bn, nn.BatchNorm3d)


@pytest.mark.parametrize("crop", [64, 70])
def test_training_and_eval(crop: int) -> None:
    net = small(crop_size=crop)
    logits = net(example_input(net, batch=2))
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []
    scores = net.eval()(example_input(net, size=crop + 32))
    torch.testing.assert_close(scores.sum(), torch.tensor(1.0))
    with pytest.raises(ValueError, match="use larger clips"):
        net(example_input(net, size=32))


@pytest.mark.slow
def test_it_exports() -> None:
    net = small().eval()
    clips = example_input(net, batch=2)
    exported = torch.export.export(net, (clips,), strict=False)
    torch.testing.assert_close(exported.module()(clips), net(clips))


def test_arch_must_fit(configs: Path) -> None:
    cfg = load_cfg(configs / "Kinetics" / "X3D_S.yaml", ["NUM_GPUS", 1]).clone()
    cfg.defrost()
    cfg.MODEL.ARCH = "slow"
    with pytest.raises(ValueError, match=r"'X3D' needs MODEL\.ARCH 'x3d', got 'slow'"):
        build_model(cfg)
