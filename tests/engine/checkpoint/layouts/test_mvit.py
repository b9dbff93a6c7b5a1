"""MViT weights of torchvision and pytorchvideo: the library's own network gives the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from pytorchvideo.models import hub
from torch import nn

from slowfast.config import load_cfg
from slowfast.engine.checkpoint.load import load_weights
from slowfast.models import build_model

RECIPES = Path(__file__).parents[4] / "configs" / "Kinetics"


def ours(recipe: str) -> nn.Module:
    return build_model(load_cfg(RECIPES / f"{recipe}.yaml", ["MODEL.HEAD_ACT", "none"])).eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "recipe"),
    [
        ("mvit_v1_b", "MVIT_B_16x4_CONV"),
        ("mvit_v2_s", "MVITv2_S_16x4"),
    ],
)
def test_torchvision(network: str, recipe: str, lively: Callable[[nn.Module], nn.Module]) -> None:
    other, net = lively(getattr(torchvision.models.video, network)()), ours(recipe)
    assert load_weights(net, other.state_dict(), source="tv.pth").complete
    check_outputs(net, other)


@pytest.mark.slow
def test_pytorchvideo(lively: Callable[[nn.Module], nn.Module]) -> None:
    other = lively(hub.mvit_base_16x4(pretrained=False))
    for module in other.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-6  # of the public network; theirs has 1e-5 after pooling
    net = ours("MVIT_B_16x4_CONV")
    assert load_weights(net, other.state_dict(), source="ptv.pyth").complete
    check_outputs(net, other)


def check_outputs(net: nn.Module, other: nn.Module) -> None:
    clip = torch.randn(1, 3, 16, 224, 224)
    with torch.inference_mode():
        expected, scores = other(clip), net([clip])
    assert expected.std() > 0.01
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-4)
