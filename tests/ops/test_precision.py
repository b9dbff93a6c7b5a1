"""Mirrors slowfast/ops/precision.py."""

from __future__ import annotations

import torch

from slowfast.ops.precision import autocast_is_on, runs_in_half


def test_type_and_autocast() -> None:
    x = torch.zeros(1)
    assert not runs_in_half(x)
    assert runs_in_half(x.bfloat16())
    assert not autocast_is_on(x.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert runs_in_half(x)
        assert autocast_is_on(x)
        assert not autocast_is_on(torch.zeros(1, device="meta"))
