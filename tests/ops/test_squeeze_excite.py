"""Mirrors slowfast/ops/squeeze_excite.py."""

from __future__ import annotations

import torch
from torch import nn

from slowfast.ops.squeeze_excite import SqueezeExcite


def test_one_gate_a_channel_from_the_whole_clip() -> None:
    gate = SqueezeExcite(16)
    assert list(gate.state_dict()) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert gate.fc1.weight.shape == (8, 16, 1, 1, 1)
    x = torch.rand(2, 16, 3, 4, 5) + 0.1
    ratio = gate(x) / x
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1, :1].expand_as(ratio))


def test_zero_weights_halve() -> None:
    gate = SqueezeExcite(8)
    for parameter in gate.parameters():
        nn.init.zeros_(parameter)
    x = torch.rand(1, 8, 1, 2, 2)
    torch.testing.assert_close(gate(x), x / 2)
