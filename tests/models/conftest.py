"""What the tests of the networks share: the stored numbers, the fill rule, tiny networks."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from slowfast.models.resnet import resnet
from slowfast.models.slowfast import slowfast
from slowfast.models.video_resnet import VideoResNet

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def configs() -> Path:
    return TESTS.parent / "configs"


@pytest.fixture(scope="session")
def expected_models() -> dict[str, Any]:
    files = sorted((TESTS / "parity").glob("models*.json"))
    return joined(json.loads(file.read_text()) for file in files)


@pytest.fixture(scope="session")
def expected_outputs() -> dict[str, Any]:
    files = sorted((TESTS / "parity").glob("outputs*.json.gz"))
    return joined(json.loads(gzip.decompress(file.read_bytes())) for file in files)


def joined(tables: Iterable[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The sections of several files, each with the entries of all."""
    sections: dict[str, dict[str, Any]] = {}
    for table in tables:
        for name, entries in table.items():
            sections.setdefault(name, {}).update(entries)
    return sections


def fill_value(key: str, shape: tuple[int, ...]) -> Tensor:
    """The stored outputs belong to weights drawn from a generator seeded by the key's CRC32."""
    seed = zlib.crc32(key.encode())
    value = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    if key.endswith("running_var"):
        return 1 + 0.1 * value.abs()
    if key.endswith("running_mean"):
        return 0.1 * value
    if value.ndim <= 1:
        return 1 + 0.1 * value if key.endswith(".weight") else 0.1 * value
    if shape[0] == 1:  # class tokens and positions
        return 0.02 * value
    value = value * math.sqrt(shape[0] / value.numel())
    if "nonlocal" in key:  # the affinity is cubic in the activations: keep it tame
        small = {"conv_theta": 0.1, "conv_phi": 0.1, "conv_out": 0.03}
        value = value * next((s for name, s in small.items() if name in key), 1.0)
    return value


@pytest.fixture(scope="session")
def fill() -> Callable[[nn.Module], None]:
    def fill_network(net: nn.Module) -> None:
        with torch.no_grad():
            for key, value in net.state_dict().items():
                if value.is_floating_point():
                    value.copy_(fill_value(key, tuple(value.shape)))

    return fill_network


@pytest.fixture
def tiny_slowfast() -> Callable[..., VideoResNet]:
    """A SlowFast network of a few thousand parameters; changes are its keyword arguments."""

    def make(**changes: Any) -> VideoResNet:
        torch.manual_seed(0)
        settings = {
            "num_classes": 5,
            "num_frames": 8,
            "crop_size": 32,
            "stage_blocks": (1, 1, 1, 1),
            "width": 8,
            "fusion_kernel": 5,
            "dropout": 0.0,
        }
        return slowfast(**{**settings, **changes})

    return make


@pytest.fixture
def tiny_resnet() -> Callable[..., VideoResNet]:
    """The same with one pathway."""

    def make(arch: str = "slow", **changes: Any) -> VideoResNet:
        torch.manual_seed(0)
        settings = {
            "num_classes": 5,
            "num_frames": 4,
            "crop_size": 32,
            "stage_blocks": (1, 1, 1, 1),
            "width": 8,
            "dropout": 0.0,
        }
        return resnet(arch, **{**settings, **changes})

    return make
