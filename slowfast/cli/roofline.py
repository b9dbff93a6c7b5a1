"""The most clips a second that a GPU could train, from what a step computes and moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from slowfast.cli.machine import Machine


@dataclass(frozen=True)
class StepCost:
    """Of one clip, forward and backward in bfloat16; a multiply-add counts as two here.

    Args:
        flops: of convolutions and matrix products.
        eager_bytes: what all operators read and write, each for itself.
        fused_bytes: what convolutions, matrix products and norms do, if all else is part of them:
            a norm has to see all of its input before it can put out anything.
    """

    flops: float
    eager_bytes: float
    fused_bytes: float

    def bound(self, machine: Machine, *, fused: bool) -> float | None:
        """Clips a second, by arithmetic or by memory; None if the GPU's figures are not known."""
        if machine.peak_flops is None or machine.peak_bytes is None:
            return None
        moved = self.fused_bytes if fused else self.eager_bytes
        return 1 / max(self.flops / machine.peak_flops, moved / machine.peak_bytes)


def step_cost(net: nn.Module, clips: Sequence[Tensor]) -> StepCost:
    """Count a step on clips shaped like ``clips``, which hold one clip; nothing is computed.

    The weights are counted once a clip: with larger batches a little less is moved.
    """
    shapes = {
        name: torch.empty_like(tensor, device="meta", dtype=_half(tensor.dtype))
        for name, tensor in [*net.named_parameters(), *net.named_buffers()]
    }
    for name, _ in net.named_parameters():
        shapes[name].requires_grad_()
    inputs = [torch.empty_like(clip, device="meta", dtype=torch.bfloat16) for clip in clips]
    training, tally = net.training, _Traffic()
    try:
        net.train()
        with torch.enable_grad(), tally:
            out = torch.func.functional_call(net, shapes, (inputs,))
            out.sum().backward()
    finally:
        net.train(training)
    return StepCost(tally.flops, tally.moved, tally.moved_fused)


def _half(dtype: torch.dtype) -> torch.dtype:
    return torch.bfloat16 if dtype.is_floating_point else dtype


class _Traffic(TorchDispatchMode):
    """Adds up what operators compute, read and write."""

    def __init__(self) -> None:
        from torch.utils.flop_counter import flop_registry

        super().__init__()
        self.registry = flop_registry
        self.flops = self.moved = self.moved_fused = 0.0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func.is_view:
            return out
        values = tree_leaves((args, kwargs, out))
        moved = sum(value.nbytes for value in values if isinstance(value, Tensor))
        self.moved += moved
        count = self.registry.get(func.overloadpacket)
        if count is not None:
            self.flops += count(*args, **kwargs, out_val=out)
        if count is not None or "norm" in func.overloadpacket.__name__:
            self.moved_fused += moved
        return out
