"""The families that must export, compile and run in half precision, as tiny networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import roi_align

from slowfast.models.input_spec import InputSpec
from slowfast.models.resnet import resnet
from slowfast.models.slowfast import slowfast
from slowfast.models.x3d import x3d

TINY: dict[str, Any] = {"num_classes": 5, "dropout": 0.0, "crop_size": 32}
RESNET: dict[str, Any] = {**TINY, "stage_blocks": (1, 1, 1, 1), "width": 8}
NONLOCAL: dict[str, Any] = {"nonlocal_after": ((), (0,), (), ())}


class BoxNetwork(nn.Module):
    """The least that takes boxes: a convolution, RoIAlign, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.input_spec = InputSpec((3,), (4,), 32, boxes=True)
        self.conv = nn.Conv3d(3, 8, 3, stride=(1, 4, 4), padding=1)
        self.projection = nn.Linear(8, 5)

    def forward(self, pathways: list[Tensor], boxes: Tensor | None = None) -> Tensor:
        assert boxes is not None
        x = self.conv(pathways[0]).mean(2).float()
        x = roi_align(x, boxes.float(), 7, spatial_scale=1 / 4, sampling_ratio=0, aligned=True)
        x = F.max_pool2d(x, 7).flatten(1).to(self.projection.weight.dtype)
        return self.projection(x).sigmoid()


# A new family is one line here. Of networks that share their parts one is tested by default.
FAMILIES: dict[str, tuple[Callable[[], nn.Module], bool]] = {  # name -> (make, slow)
    "slowfast": (lambda: slowfast(**RESNET, num_frames=8), False),
    "slowfast, non-local": (lambda: slowfast(**RESNET, **NONLOCAL, num_frames=8), True),
    "slowfast, t-sample": (lambda: slowfast(**RESNET, num_frames=8, fusion="t-sample"), True),
    "slowfast, ttoc-concat": (lambda: slowfast(**RESNET, num_frames=8, fusion="ttoc-concat"), True),
    "slowfast, small Fast": (lambda: slowfast(**RESNET, num_frames=8, fast_downscale=2), True),
    "slow": (lambda: resnet("slow", **RESNET, num_frames=4), True),
    "basic blocks": (
        lambda: resnet("slow", **RESNET, num_frames=4, block="basic_transform"),
        True,
    ),
    "c2d": (lambda: resnet("c2d", **RESNET, **NONLOCAL, num_frames=4), True),
    "i3d": (
        lambda: resnet("i3d", **RESNET, **NONLOCAL, num_frames=4, nonlocal_kind="dot_product"),
        False,
    ),
    "x3d": (lambda: x3d(**TINY, num_frames=4, depth=0.2, width=1.0), False),
    "boxes": (BoxNetwork, False),
}


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(name, marks=pytest.mark.slow if slow else ())
        for name, (_, slow) in FAMILIES.items()
    ],
)
def family(request: pytest.FixtureRequest) -> nn.Module:
    """A tiny network in eval mode with statistics that a fold could not get right by luck."""
    torch.manual_seed(0)
    net = FAMILIES[request.param][0]()
    randomise_norms(net)
    return net.eval()


def randomise_norms(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
