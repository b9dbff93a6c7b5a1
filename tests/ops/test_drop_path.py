"""Mirrors slowfast/ops/drop_path.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slowfast.ops.drop_path import DropPath, drop_path


def test_whole_samples_are_dropped_and_the_rest_is_scaled() -> None:
    torch.manual_seed(0)
    y = DropPath(0.25)(torch.ones(4000, 2, 3))
    kept = y[:, 0, 0] > 0
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.03)
    assert (y[kept] == 1 / 0.75).all()
    assert (y[~kept] == 0).all()


def test_eval_and_rate_zero_change_nothing() -> None:
    x = torch.randn(3, 2)
    assert DropPath(0.5).eval()(x) is x
    assert isinstance(drop_path(0.0), nn.Identity)
    assert drop_path(0.5).extra_repr() == "rate=0.5"


def test_everything_may_be_dropped() -> None:
    assert (DropPath(1.0)(torch.ones(5, 2)) == 0).all()


def test_type_is_kept() -> None:
    assert DropPath(0.5)(torch.ones(4, 2, dtype=torch.bfloat16)).dtype == torch.bfloat16
