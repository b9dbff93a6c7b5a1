"""One optimizer step; what is learned is the task's business."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from slowfast import dist
from slowfast.data.batch import Batch


class NonFiniteLoss(ValueError):
    """The loss is not a number; carries the batch it was computed on."""

    def __init__(self, batch: Batch, loss: float) -> None:
        super().__init__(f"the loss is {loss}")
        self.batch, self.loss = batch, loss


class FiniteCheck:
    """Stops training at a loss that is not finite, on all ranks at the same step.

    On a CPU the check comes before the update. On a GPU the flag is copied while the next step
    is queued and read one step later, so that the host never waits for the device; call
    `flush` before anything is saved.
    """

    def __init__(self) -> None:
        self._waiting: tuple[Tensor, torch.cuda.Event, Batch] | None = None

    def __call__(self, loss: Tensor, batch: Batch) -> None:
        bad = dist.any_rank((~torch.isfinite(loss.detach())).float())
        if loss.device.type != "cuda":
            if bad.item():
                raise NonFiniteLoss(batch, loss.item())
            return
        self.flush()
        host = torch.empty((), dtype=bad.dtype, pin_memory=True)
        host.copy_(bad, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._waiting = (host, event, batch)

    def flush(self) -> None:
        """Wait for the flag of the last step, if there is one."""
        if self._waiting is None:
            return
        host, event, batch = self._waiting
        self._waiting = None
        event.synchronize()
        if host.item():
            raise NonFiniteLoss(batch, float("nan"))


@dataclass
class Stepper:
    """Forward, backward, clip, update.

    Args:
        loss_fn: (model, batch) -> scalars with "loss"; the seam between the loop and the tasks.
        scaler: a disabled one when nothing is scaled.
        amp_dtype: precision of the forward pass; None for full precision.
        clip_norm: largest L2 norm of all gradients together; infinite for none.
        clip_value: largest absolute value of each gradient; infinite for none.
        parts: passes forward and backward that the clips of a step are divided among.
        without_exchange: makes what all passes but the last run in: gradients are summed in this
            process and cross the network once a step.
        before_first: called with a pass forward and backward that it may want to see first.
        after: called when the weights have changed.
    """

    model: nn.Module
    loss_fn: Callable[[nn.Module, Batch], dict[str, Tensor]]
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    amp_dtype: torch.dtype | None = None
    clip_norm: float = float("inf")
    clip_value: float = float("inf")
    parts: int = 1
    without_exchange: Callable[[], AbstractContextManager[Any]] = nullcontext
    before_first: Callable[[Callable[[], Any]], None] = lambda go_through: None
    after: Callable[[], None] = lambda: None
    check: FiniteCheck = field(default_factory=FiniteCheck)

    def __call__(self, batch: Batch, lr: float, *, seed: int) -> dict[str, Tensor]:
        """Return detached scalars, on the device: reading one is the caller's sync point.

        Args:
            seed: of dropout and the like in this step. Seeding each step from its position,
                rather than saving generators, makes a resumed run exact by construction.
        """
        self.before_first(lambda: self._gradients(batch))
        torch.manual_seed(seed)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("layer_decay", 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        out = self._gradients(batch)
        self.check(out["loss"], batch)
        self.scaler.unscale_(self.optimizer)  # so that the norm below is the true one
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if self.clip_value != float("inf"):
            nn.utils.clip_grad_value_(parameters, self.clip_value)
        out["grad_norm"] = nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        self.scaler.step(self.optimizer)  # skips the update when a gradient is not finite
        self.scaler.update()
        self.after()
        return out

    def _gradients(self, batch: Batch) -> dict[str, Tensor]:
        """Leave the gradients of the whole batch in the parameters; return means over its clips.

        A loss is a mean over clips, so each part counts by how many it has.
        """
        device = batch.clips.device.type
        means: dict[str, Tensor] = {}
        parts = batch.parts(self.parts)
        for i, part in enumerate(parts):
            share = len(part) / len(batch)
            context = nullcontext() if i + 1 == len(parts) else self.without_exchange()
            with context:
                with torch.autocast(device, self.amp_dtype, enabled=self.amp_dtype is not None):
                    out = self.loss_fn(self.model, part)
                self.scaler.scale(out["loss"] * share).backward()
            for name, value in out.items():
                term = value.detach() * share
                means[name] = means[name] + term if name in means else term
        return means
