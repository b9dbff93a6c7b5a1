"""Mirrors slowfast/cli/roofline.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from slowfast.cli.machine import Machine
from slowfast.cli.roofline import StepCost, step_cost


class OneConvolution(nn.Module):
    """A 1x1x1 convolution from 4 to 8 channels, and a function of each number."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(4, 8, 1, bias=False)

    def forward(self, pathways: list[Tensor]) -> Tensor:
        return self.conv(pathways[0]).sigmoid()


def test_a_step_of_one_convolution() -> None:
    """27 places: 2 * 4 * 8 flops each forward, and again for the gradient of the weights."""
    net = OneConvolution().eval()
    cost = step_cost(net, [torch.zeros(1, 4, 3, 3, 3)])
    assert cost.flops == 2 * (2 * 4 * 8 * 27)
    x, weights, out = (2 * n for n in (4 * 27, 4 * 8, 8 * 27))  # bytes
    assert cost.fused_bytes == (x + weights + out) + (out + x + weights + weights)
    assert cost.eager_bytes > cost.fused_bytes + 4 * out, "the sigmoid, forward and backward"
    assert not net.training
    assert net.conv.weight.grad is None


def test_the_bound_is_what_takes_longer() -> None:
    gpu = Machine("x", [], 1, "2.10", "NVIDIA A100-SXM4-80GB")
    cost = StepCost(flops=312e9, eager_bytes=2.04e12, fused_bytes=2.04e8)
    assert cost.bound(gpu, fused=False) == pytest.approx(1.0)
    assert cost.bound(gpu, fused=True) == pytest.approx(1000.0)
    assert cost.bound(Machine("x", [], 1, "2.10", "a GPU"), fused=True) is None
