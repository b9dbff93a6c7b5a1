"""Mirrors slowfast/models/fused.py."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from slowfast.models import create_model, example_input, fuse_for_inference
from slowfast.models.video_resnet import VideoResNet
from slowfast.models.x3d import X3D
from slowfast.ops.norm import FrozenBatchNorm3d

Make = Callable[..., VideoResNet]
NONLOCAL = ((0,), (), (), ())


def randomise(net: nn.Module) -> nn.Module:
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net.eval()


@pytest.fixture(params=["slowfast", "nonlocal", "basic", "frozen", "x3d", "x3d_bn_lin5"])
def net(request: pytest.FixtureRequest, tiny_slowfast: Make, tiny_resnet: Make) -> nn.Module:
    x3d = {"num_frames": 2, "crop_size": 32, "depth": 0.2, "width": 1.0}
    return randomise(
        {
            "slowfast": lambda: tiny_slowfast(nonlocal_after=NONLOCAL, head_act="none"),
            "nonlocal": lambda: tiny_resnet("i3d", nonlocal_after=NONLOCAL, head_act="none"),
            "basic": lambda: tiny_resnet("slow", block="basic_transform", head_act="none"),
            "frozen": lambda: X3D(**x3d, norm=FrozenBatchNorm3d),
            "x3d": lambda: create_model("x3d_xs", **x3d, head_act="none"),
            "x3d_bn_lin5": lambda: X3D(**x3d, bn_lin5=True, dim_c5=16),
        }[request.param]()
    )


def test_scores_stay_and_no_norm_does(net: nn.Module) -> None:
    before = copy.deepcopy(net)
    clips = example_input(net, batch=2)
    expected = net(clips)
    fused = fuse_for_inference(net)
    assert not [name for name, m in fused.named_modules() if isinstance(m, nn.BatchNorm3d)]
    torch.testing.assert_close(fused(clips), expected, rtol=1e-5, atol=1e-5)
    assert not any(p.requires_grad for p in fused.parameters())
    for name, old in before.state_dict().items():
        assert torch.equal(net.state_dict()[name], old), name
    assert all(p.requires_grad for p in net.parameters())


def test_it_is_exact_in_float64(net: nn.Module) -> None:
    net = copy.deepcopy(net).double()
    clips = [clip.double() for clip in example_input(net)]
    torch.testing.assert_close(fuse_for_inference(net)(clips), net(clips), rtol=1e-12, atol=1e-13)


def test_a_network_in_training_is_refused(tiny_resnet: Make) -> None:
    with pytest.raises(ValueError, match=r"call net.eval\(\) first"):
        fuse_for_inference(tiny_resnet())


def test_a_norm_with_no_convolution_before_it_stays() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.linear_bn = nn.Linear(3, 3), nn.BatchNorm1d(3)

    assert isinstance(fuse_for_inference(Odd().eval()).linear_bn, nn.BatchNorm1d)
