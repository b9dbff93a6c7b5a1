"""Mirrors slowfast/engine/lars.py."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from slowfast.engine.lars import EPS, TRUST, add_lars


def make(apply: bool = True, **settings: object) -> tuple[nn.Parameter, torch.optim.Optimizer]:
    weight = nn.Parameter(torch.tensor([3.0, 4.0]))
    group = {"params": [weight], "weight_decay": 0.5, "apply_LARS": apply}
    optimizer = torch.optim.SGD([group], lr=0.1, momentum=0.0, **settings)
    add_lars(optimizer)
    return weight, optimizer


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_by_hand(fused: bool) -> None:
    """|w| = 5, |g| = 2: 0.001 * 5 / (2 + 0.5 * 5) of g + 0.5 w."""
    weight, optimizer = make(fused=fused)
    weight.grad = torch.tensor([2.0, 0.0])
    optimizer.step()
    rate = TRUST * 5 / (2 + 0.5 * 5 + EPS)
    wanted = torch.tensor([3 - 0.1 * rate * (2 + 1.5), 4 - 0.1 * rate * 2.0])
    torch.testing.assert_close(weight.detach(), wanted, rtol=0, atol=1e-7)
    assert optimizer.param_groups[0]["weight_decay"] == 0.5  # as it was


def test_groups_without_the_flag_take_plain_steps() -> None:
    weight, optimizer = make(apply=False)
    weight.grad = torch.tensor([2.0, 0.0])
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([3 - 0.1 * 3.5, 4 - 0.1 * 2.0]))


def test_zeros_are_left_as_they_are() -> None:
    weight, optimizer = make()
    weight.grad = torch.zeros(2)
    optimizer.step()
    assert weight.tolist() == [3.0, 4.0]  # not decayed either
    with torch.no_grad():
        weight.zero_()
    weight.grad = torch.tensor([2.0, 0.0])
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([-0.2, 0.0]))
    weight.grad = None
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([-0.2, 0.0]))


def test_the_state_is_that_of_the_optimizer_alone() -> None:
    weight, optimizer = make()
    saved = copy.deepcopy(optimizer.state_dict())
    saved["param_groups"][0]["apply_LARS"] = False  # of a run without it
    optimizer.load_state_dict(saved)
    weight.grad = torch.tensor([2.0, 0.0])
    optimizer.step()
    assert (weight - torch.tensor([3.0, 4.0])).abs().max() < 1e-3
    assert list(optimizer.state_dict()) == ["state", "param_groups"]
