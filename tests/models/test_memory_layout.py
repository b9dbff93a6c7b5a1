"""Mirrors slowfast/models/memory_layout.py."""

from __future__ import annotations

import torch
from torch import nn

from slowfast.models.memory_layout import channels_last


def test_both_kinds_of_convolutions() -> None:
    net = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.Conv3d(3, 4, 3), nn.Linear(2, 2)])
    values = {name: p.detach().clone() for name, p in net.named_parameters()}
    assert channels_last(net) is net
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert net[1].weight.is_contiguous(memory_format=torch.channels_last_3d)
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, values[name])
