"""One optimizer step; what is learned is the task's business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from slowfast.data.batch import Batch
from slowfast.engine.guard import Guard
from slowfast.engine.parallel import whole


@dataclass
class Stepper:
    """Forward, backward, clip, update.

    Args:
        loss_fn: (model, batch) -> scalars with "loss"; the seam between the loop and the tasks.
        scaler: a disabled one when nothing is scaled.
        amp_dtype: precision of the forward pass; None for full precision.
        clip_norm: largest L2 norm of all gradients together; infinite for none.
        clip_value: largest absolute value of each gradient; infinite for none.
        guard: decides with all ranks whether the step counts.
    """

    model: nn.Module
    loss_fn: Callable[[nn.Module, Batch], dict[str, Tensor]]
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    amp_dtype: torch.dtype | None = None
    clip_norm: float = float("inf")
    clip_value: float = float("inf")
    guard: Guard = field(default_factory=Guard)

    def __call__(self, batch: Batch, lr: float, *, seed: int) -> dict[str, Tensor]:
        """Return detached scalars, on the device: reading one is the caller's sync point.

        Args:
            seed: of dropout and the like in this step. Seeding each step from its position,
                rather than saving generators, makes a resumed run exact by construction.

        Raises:
            NonFinite, Explosion: as `Guard.update`; all ranks raise it at the same step.
        """
        torch.manual_seed(seed)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("layer_decay", 1.0)
        device = batch.clips.device.type
        self.guard.begin()
        with torch.autocast(device, self.amp_dtype, enabled=self.amp_dtype is not None):
            out = self.loss_fn(self.model, batch)
        self.guard(out["loss"], batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(out["loss"]).backward()
        self.scaler.unscale_(self.optimizer)  # so that the norm below is the true one
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if self.clip_value != float("inf"):
            nn.utils.clip_grad_value_(parameters, self.clip_value)
        out["grad_norm"] = whole(nn.utils.clip_grad_norm_(parameters, self.clip_norm))
        self.guard.update(self.optimizer, self.scaler, out["grad_norm"])
        return {name: value.detach() for name, value in out.items()}
