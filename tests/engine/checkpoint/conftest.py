"""Fixtures of the checkpoint tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn


@pytest.fixture
def lively() -> Callable[[nn.Module], nn.Module]:
    """Gives a network norms that do something and a head that tells classes apart, for eval."""

    def change(net: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(5)
        for name, value in net.state_dict().items():
            if value.is_floating_point() and value.dim() == 1:
                spread = 0.5 if name.endswith("running_var") else 0.1
                value.add_(torch.rand(value.shape, generator=generator) * spread)
            elif name.endswith(("proj.weight", "projection.weight", "fc.weight")):
                value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
        return net.eval()

    return change
