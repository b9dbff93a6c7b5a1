"""LARS: the step of each parameter in proportion to its norm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from slowfast.engine.parallel import own_part, whole

# Of the wrapper that the public recipes train with (LARC without clipping).
TRUST = 0.001
EPS = 1e-8


def add_lars(optimizer: torch.optim.Optimizer, *, trust: float = TRUST, eps: float = EPS) -> None:
    """Let the optimizer scale gradients of groups with ``apply_LARS`` before each of its steps.

    The gradient g of a weight w becomes ``trust * |w| / (|g| + decay * |w| + eps) * (g + decay *
    w)`` (You et al., 1708.03888, Eq. 6); a weight or gradient of zeros is left as it is. Hooks of
    the optimizer do so, so that its state dict is that of the optimizer alone. Nothing waits for
    the device.
    """
    # Noted now: a state dict that is loaded brings the flags of the run that it is of.
    adapted = [bool(group.get("apply_LARS")) for group in optimizer.param_groups]
    decays: list[float] = []

    def scale(optimizer: torch.optim.Optimizer, *unused: Any) -> None:
        decays[:] = [group["weight_decay"] for group in optimizer.param_groups]
        for group, chosen in zip(optimizer.param_groups, adapted, strict=True):
            if chosen:
                adapt_gradients(group["params"], group["weight_decay"], trust=trust, eps=eps)
                group["weight_decay"] = 0.0  # it is in the gradient

    def restore(optimizer: torch.optim.Optimizer, *unused: Any) -> None:
        for group, decay in zip(optimizer.param_groups, decays, strict=True):
            group["weight_decay"] = decay

    optimizer.register_step_pre_hook(scale)
    optimizer.register_step_post_hook(restore)


@torch.no_grad()
def adapt_gradients(parameters: list[Tensor], decay: float, *, trust: float, eps: float) -> None:
    """Scale gradients in place; see `add_lars`."""
    weights = [p for p in parameters if p.grad is not None]
    gradients = [p.grad for p in weights if p.grad is not None]
    if not weights:
        return
    # Of whole tensors, also where this process has parts of them (TRAIN.PARALLEL 'fsdp').
    size = whole(torch.stack(torch._foreach_norm(weights)))
    slope = whole(torch.stack(torch._foreach_norm(gradients)))
    weights, gradients = [*map(own_part, weights)], [*map(own_part, gradients)]
    torch._foreach_add_(gradients, weights, alpha=decay)
    rate = trust * size / (slope + decay * size + eps)
    # Where the gradient is zero, so that the sum above is decay alone, nothing remains of it.
    rate = torch.where(size > 0, rate, 1.0).where(slope > 0, 0.0)
    torch._foreach_mul_(gradients, list(rate.unbind()))
