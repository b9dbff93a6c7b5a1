"""Networks of other libraries that stand beside ours in a benchmark, where they are installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch import Tensor, nn


class OneClip(nn.Module):
    """Gives a network that takes a clip the first of a list, as ours are called."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pathways: list[Tensor]) -> Tensor:
        return self.net(pathways[0])  # type: ignore[no-any-return]


class TwoPathways(nn.Module):
    """Gives a network that overwrites the list of its arguments a list of its own."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pathways: list[Tensor]) -> Tensor:
        return self.net(list(pathways))  # type: ignore[no-any-return]


def rivals_of(name: str, net: nn.Module) -> dict[str, nn.Module]:
    """The nearest networks to `name` of the zoo, built for the clips of `net`; logits out.

    Returns:
        By title; empty where nothing comes near or no other library is installed.
    """
    family = name.split("_")[0]
    found = {}
    for title, families, make in RIVALS:
        if family in families:
            rival = _try(make, name, net)
            if rival is not None:
                found[title] = rival
    return found


def _try(make: Callable[[str, Any], nn.Module | None], name: str, net: nn.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about their own imports
        try:
            return make(name, net)
        except ImportError:
            return None


def _pytorchvideo_slowfast(name: str, net: Any) -> nn.Module | None:
    if "_r50_" not in name or "nln" in name:
        return None
    make = import_module("pytorchvideo.models.slowfast").create_slowfast
    lateral = net.lateral
    return TwoPathways(
        make(
            model_depth=50,
            slowfast_fusion_conv_kernel_size=(lateral.kernel, 1, 1),
            slowfast_fusion_conv_stride=(lateral.alpha, 1, 1),
            head_pool_kernel_sizes=net.head.pool_sizes,
        )
    )


def _pytorchvideo_slow(name: str, net: Any) -> nn.Module | None:
    if not name.startswith("slow_r50_"):
        return None
    make = import_module("pytorchvideo.models.resnet").create_resnet
    (pool,) = net.head.pool_sizes
    return OneClip(
        make(model_depth=50, stem_conv_kernel_size=(1, 7, 7), head_pool_kernel_size=pool)
    )


def _pytorchvideo_x3d(name: str, net: Any) -> nn.Module:
    make = import_module("pytorchvideo.models.x3d").create_x3d
    spec = net.input_spec
    return OneClip(
        make(
            input_clip_length=spec.frames[0],
            input_crop_size=spec.size,
            depth_factor=5.0 if name == "x3d_l" else 2.2,
            head_activation=None,
        )
    )


def _torchvision_r3d(name: str, net: Any) -> nn.Module:
    return OneClip(import_module("torchvision.models.video").r3d_18())


def _torchvision_mvit(name: str, net: Any) -> nn.Module | None:
    known = {"mvit_v1_b_16x4": "mvit_v1_b", "mvit_v2_s_16x4": "mvit_v2_s"}
    if name not in known:
        return None
    spec = net.input_spec
    make = getattr(import_module("torchvision.models.video"), known[name])
    return OneClip(make(spatial_size=(spec.size, spec.size), temporal_size=spec.frames[0]))


# Title, first words of the names it stands beside, (name, net) -> network or None.
RIVALS: tuple[tuple[str, tuple[str, ...], Callable[[str, Any], nn.Module | None]], ...] = (
    ("pytorchvideo, same network", ("slowfast",), _pytorchvideo_slowfast),
    ("pytorchvideo, same network", ("slow",), _pytorchvideo_slow),
    ("pytorchvideo, same network", ("x3d",), _pytorchvideo_x3d),
    ("torchvision r3d_18, another network", ("slow",), _torchvision_r3d),
    ("torchvision, same network", ("mvit",), _torchvision_mvit),
)
