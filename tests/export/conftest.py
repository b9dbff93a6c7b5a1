"""The families that must export, compile and run in half precision, as tiny networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from slowfast.models.mvit import mvit
from slowfast.models.mvit_options import ReversibleOptions
from slowfast.models.resnet import resnet
from slowfast.models.slowfast import slowfast
from slowfast.models.x3d import x3d

TINY: dict[str, Any] = {"num_classes": 5, "dropout": 0.0, "crop_size": 32}
RESNET: dict[str, Any] = {**TINY, "stage_blocks": (1, 1, 1, 1), "width": 8}
NONLOCAL: dict[str, Any] = {"nonlocal_after": ((), (0,), (), ())}


TOKENS: dict[str, Any] = {"depth": 2, "dim": 16, "heads": 2, "num_frames": 4}
V2: dict[str, Any] = {
    **TOKENS,
    "pool_q_stride": [(0, 1, 1, 1), (1, 1, 2, 2)],
    "pool_kernel": (3, 3, 3),
    "pool_kv_stride_adaptive": (1, 2, 2),
    "relative_positions": "space_time",
    "residual_pooling": True,
}


# A new family is one line here. Of networks that share their parts one is tested by default;
# of the longer tests that one alone whose pathways share the dimension of the batch.
LONGER = ("test_onnxruntime_gives_the_same", "test_it_compiles_without_graph_breaks")
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
        True,
    ),
    "x3d": (lambda: x3d(**TINY, num_frames=4, depth=0.2, width=1.0), False),
    "slowfast, boxes": (lambda: slowfast(**RESNET, num_frames=8, detection=True), True),
    "x3d, boxes": (
        lambda: x3d(**TINY, num_frames=4, depth=0.2, width=1.0, detection=True),
        True,
    ),
    "mvit v2": (lambda: mvit(**TINY, **V2), True),
    "mvit v2, boxes": (lambda: mvit(**TINY, **V2, detection=True), False),
    "vit": (lambda: mvit(**TINY, **TOKENS, mean_pooling=True), True),
    "reversible vit": (
        lambda: mvit(**TINY, **TOKENS, class_token=False, reversible=ReversibleOptions()),
        True,
    ),
    "reversible mvit": (
        lambda: mvit(**TINY, **V2, class_token=False, reversible=ReversibleOptions((1,))),
        True,
    ),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "family" in metafunc.fixturenames:
        longer = metafunc.function.__name__ in LONGER
        cases = [
            pytest.param(
                name, marks=pytest.mark.slow if slow or (longer and name != "slowfast") else ()
            )
            for name, (_, slow) in FAMILIES.items()
        ]
        metafunc.parametrize("family", cases, indirect=True, scope="session")


@pytest.fixture(scope="session")
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
