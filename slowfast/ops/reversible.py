"""Residual layers that need no stored activations: backward recomputes them from the output.

A reversible layer (Gomez et al., 1707.04585) has two streams, y1 = x1 + f(x2) and
y2 = x2 + g(y1), so that its input follows from its output. Memory does not grow with depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import get_device_states, set_device_states

from slowfast.ops.precision import autocast_is_on


class Coupling(nn.Module):
    """One layer: the branches `F` and `G` of the two streams, which keep their shapes.

    Shape: x1, x2 -> y1, y2, all (N, L, C); `more` goes to F.
    """

    def __init__(self, f: nn.Module, g: nn.Module) -> None:
        super().__init__()
        # The attribute names are keys of published checkpoints.
        self.F, self.G = f, g

    def forward(self, x1: Tensor, x2: Tensor, *more: Any) -> tuple[Tensor, Tensor]:
        y1 = x1 + self.F(x2, *more)
        return y1, x2 + self.G(y1)


def run_reversible(
    layers: Sequence[nn.Module], x1: Tensor, x2: Tensor, *more: Any
) -> tuple[Tensor, Tensor]:
    """Couplings one after the other; for a backward pass only the last output is kept.

    The inputs that backward recomputes differ from the true ones by the rounding of the streams'
    type, so keep those in float32 (as autocast does) or better. Without gradients, in eval mode,
    and under torch.compile and torch.export it is the plain loop.
    """
    training = any(layer.training for layer in layers)
    if not training or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        for layer in layers:
            x1, x2 = layer(x1, x2, *more)
        return x1, x2
    parameters = [p for layer in layers for p in layer.parameters()]
    y1, y2 = _Reversible.apply(layers, more, x1, x2, *parameters)
    return y1, y2


class _Reversible(torch.autograd.Function):
    """Parameters are inputs, so that their gradients go the usual way (hooks, DDP)."""

    @staticmethod
    def forward(
        ctx: Any,
        layers: Sequence[Any],
        more: tuple[Any, ...],
        x1: Tensor,
        x2: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.layers, ctx.more = layers, more
        ctx.autocast = _autocast_of(x1)
        ctx.random = []  # the state before each layer's F and G
        for layer in layers:
            before_f = _random_state(layer.F, x1)
            x1 = x1 + layer.F(x2, *more)
            before_g = _random_state(layer.G, x1)
            x2 = x2 + layer.G(x1)
            ctx.random.append((before_f, before_g))
        ctx.save_for_backward(x1, x2)
        return x1, x2

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dy1: Tensor, dy2: Tensor) -> tuple[Any, ...]:  # type: ignore[override]
        y1, y2 = ctx.saved_tensors
        grads: list[list[Tensor | None]] = []
        for layer, (before_f, before_g) in zip(
            reversed(ctx.layers), reversed(ctx.random), strict=True
        ):
            with _random_state_is(before_g, y1), ctx.autocast():
                g, dy1_of_g, grads_g = _backward(layer.G, dy2, y1)
            x2, dy1 = y2 - g, dy1 + dy1_of_g
            with _random_state_is(before_f, y1), ctx.autocast():
                f, dx2_of_f, grads_f = _backward(layer.F, dy1, x2, *ctx.more)
            y1, y2, dy2 = y1 - f, x2, dy2 + dx2_of_f
            grads.append(grads_f + grads_g)
        flat = [grad for of_layer in reversed(grads) for grad in of_layer]
        return None, None, dy1, dy2, *flat


def _backward(
    branch: nn.Module, dy: Tensor, x: Tensor, *more: Any
) -> tuple[Tensor, Tensor, list[Tensor | None]]:
    """branch(x, *more), and the gradients of x and of the parameters."""
    parameters = list(branch.parameters())
    wanted = [p for p in parameters if p.requires_grad]
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = branch(x, *more)
    found = torch.autograd.grad(y, [x, *wanted], dy.to(y.dtype), allow_unused=True)
    of_x = torch.zeros_like(x) if found[0] is None else found[0]
    of_parameter = dict(zip(map(id, wanted), found[1:], strict=True))
    return y.detach(), of_x, [of_parameter.get(id(p)) for p in parameters]


def _autocast_of(x: Tensor) -> Callable[[], AbstractContextManager[Any]]:
    """Makes the autocast context that is on now, for the recomputation."""
    kind = x.device.type
    enabled = autocast_is_on(x)
    if x.is_meta:
        return nullcontext  # PyTorch has no autocast for what is only counted
    dtype = torch.get_autocast_dtype(kind) if enabled else None
    # The weights that forward cast were cast without a graph: their cache must not be used.
    return lambda: torch.autocast(kind, dtype, enabled=enabled, cache_enabled=False)


RandomState = tuple[Tensor, list[int], list[Tensor]]  # of the CPU; devices and theirs


def _random_state(module: nn.Module, x: Tensor) -> RandomState | None:
    """The state of the generators, if `module` draws random numbers at all."""
    draws = any(getattr(m, "p", 0) or getattr(m, "rate", 0) for m in module.modules())
    if not draws:
        return None
    return torch.get_rng_state(), *get_device_states(x)


@contextmanager
def _random_state_is(state: RandomState | None, x: Tensor) -> Iterator[None]:
    """Within the context the generators are where they were; after it, where they are now."""
    if state is None:
        yield
        return
    now = torch.get_rng_state(), *get_device_states(x)
    try:
        _set_random_state(state, x)
        yield
    finally:
        _set_random_state(now, x)


def _set_random_state(state: RandomState, x: Tensor) -> None:
    cpu, devices, states = state
    torch.set_rng_state(cpu)
    set_device_states(devices, states, device_type=x.device.type)
