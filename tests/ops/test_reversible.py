"""Mirrors slowfast/ops/reversible.py."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from slowfast.ops.drop_path import DropPath
from slowfast.ops.reversible import Coupling, run_reversible


def branch(dim: int, dropout: float) -> nn.Module:
    drops = [nn.Dropout(dropout), DropPath(dropout)] if dropout else []
    return nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.Tanh(), *drops)


def layers(depth: int, *, dropout: float = 0.0, dim: int = 6) -> nn.ModuleList:
    torch.manual_seed(0)
    return nn.ModuleList(Coupling(branch(dim, dropout), branch(dim, dropout)) for _ in range(depth))


def plain(net: nn.ModuleList, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
    for layer in net:
        x1, x2 = layer(x1, x2)
    return x1, x2


def gradients(run: Any, net: nn.ModuleList, *, seed: int = 1) -> dict[str, Tensor]:
    """Of everything, for an input that both streams share and that comes from a layer."""
    torch.manual_seed(2)
    start, weight = torch.randn(2, 4, 3, 6).to(next(net.parameters()).dtype)
    start.requires_grad_()
    torch.manual_seed(seed)
    x = start * 2
    y1, y2 = run(net, x, x)
    (y1 * weight + y2.square()).sum().backward()
    found = {name: p.grad for name, p in net.named_parameters()}
    return {"input": start.grad, "y1": y1.detach(), "y2": y2.detach(), **found}


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients_equal_plain_backpropagation(dropout: float) -> None:
    net = layers(7, dropout=dropout).double()
    expected = gradients(plain, copy.deepcopy(net))
    found = gradients(run_reversible, net)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-11, msg=name)


def test_backward_leaves_the_generator_where_it_is() -> None:
    net = layers(2, dropout=0.4)
    gradients(plain, copy.deepcopy(net))
    expected = torch.rand(3)
    gradients(run_reversible, net)
    assert torch.equal(torch.rand(3), expected)


def test_float32_and_autocast_are_close() -> None:
    net = layers(12)
    expected = gradients(plain, copy.deepcopy(net).double())
    single = gradients(run_reversible, copy.deepcopy(net))
    with torch.autocast("cpu", torch.bfloat16):
        # Backward runs outside of the context, as a training loop calls it.
        start = torch.randn(4, 3, 6)
        y1, y2 = run_reversible(net, start, start)
        mixed = copy.deepcopy(net)
        p1, p2 = plain(mixed, start, start)
    assert y1.dtype == torch.float32
    (y1 + y2).sum().backward()
    (p1 + p2).sum().backward()
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(single[name].double(), expected[name], rtol=1e-4, atol=1e-5)
        other = mixed.get_parameter(name).grad
        torch.testing.assert_close(parameter.grad, other, rtol=1e-2, atol=1e-2)


@contextmanager
def count_saved() -> Iterator[list[int]]:
    """The bytes that autograd keeps of what runs inside."""
    saved: list[int] = []

    def pack(x: Tensor) -> Tensor:
        saved.append(x.numel() * x.element_size())
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        yield saved


def test_memory_does_not_grow_with_depth() -> None:
    kept = {}
    for depth in (1, 20):
        x = torch.randn(2, 3, 6, requires_grad=True)
        with count_saved() as saved:
            run_reversible(layers(depth), x, x)
        kept[depth] = sum(saved)
    assert kept[20] == kept[1] == 2 * 2 * 3 * 6 * 4, "the two outputs"


def test_frozen_and_unused_parameters() -> None:
    net = layers(2)
    net[0].F[1].requires_grad_(False)
    net[1].G.add_module("aside", nn.Identity())
    net[1].G.aside.weight = nn.Parameter(torch.ones(2))
    found = gradients(run_reversible, net)
    nones = sorted(name for name, gradient in found.items() if gradient is None)
    assert nones == ["0.F.1.bias", "0.F.1.weight", "1.G.aside.weight"]


def test_eval_is_the_plain_loop() -> None:
    net = layers(2).eval()
    x = torch.randn(2, 3, 6)
    for mine, other in zip(run_reversible(net, x, x), plain(net, x, x), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=0)
        assert "_Reversible" not in str(mine.grad_fn)


def test_second_derivatives_are_refused() -> None:
    net = layers(1)
    x = torch.randn(1, 2, 6, requires_grad=True)
    y, _ = run_reversible(net, x, x)
    (first,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_shapes_alone_go_forward_and_backward() -> None:
    """What is counted on the meta device runs no autocast."""
    net = layers(2, dropout=0.4).to("meta")
    x = torch.empty(4, 3, 6, device="meta", requires_grad=True)
    y1, y2 = run_reversible(net, x * 2, x * 3)
    (y1 + y2).sum().backward()
    assert x.grad.shape == x.shape
    assert all(p.grad.is_meta for p in net.parameters())
