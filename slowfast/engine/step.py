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
        parts: passes forward and backward that the clips of a step are divided among; as many in
            all processes, whose passes may wait for each other.
        without_exchange: makes what all passes but the last run in: gradients are summed in this
            process and cross the network once a step.
        before_first: called with a pass forward and backward that it may want to see first.
        after: called when the weights have changed.
        guard: decides with all ranks whether the step counts.
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
    guard: Guard = field(default_factory=Guard)

    def __call__(self, batch: Batch, lr: float, *, seed: int) -> dict[str, Tensor]:
        """Return detached scalars, on the device: reading one is the caller's sync point.

        Args:
            seed: of dropout and the like in this step. Seeding each step from its position,
                rather than saving generators, makes a resumed run exact by construction.

        Raises:
            NonFinite, Explosion: as `Guard.update`; all ranks raise it at the same step.
        """
        self.before_first(lambda: self._gradients(batch, lambda loss: None))
        torch.manual_seed(seed)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("layer_decay", 1.0)
        self.guard.begin()
        self.optimizer.zero_grad(set_to_none=True)
        out = self._gradients(batch, lambda loss: self.guard(loss, batch))
        self.scaler.unscale_(self.optimizer)  # so that the norm below is the true one
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if self.clip_value != float("inf"):
            nn.utils.clip_grad_value_(parameters, self.clip_value)
        out["grad_norm"] = whole(nn.utils.clip_grad_norm_(parameters, self.clip_norm))
        self.guard.update(self.optimizer, self.scaler, out["grad_norm"])
        self.after()
        return out

    def _gradients(self, batch: Batch, tell: Callable[[Tensor], None]) -> dict[str, Tensor]:
        """Leave the gradients of the step in the parameters; return means over this batch.

        A loss is a mean over clips or boxes (`Batch.num_labelled`), so each part counts by how
        many it has of those of all ranks: gradients are those of one mean over the whole step,
        whoever has which of them.

        Args:
            tell: hears the loss of the batch as soon as it is known, before the last pass back.
        """
        device = batch.clips.device
        sums = dist.begin_sum(torch.full((), float(batch.num_labelled), device=device))
        means: dict[str, Tensor] = {}
        parts = batch.parts(self.parts)
        counts = [part.num_labelled for part in parts]
        # Clips that were left out (DATA.ON_BAD_SAMPLE skip) may leave fewer here than passes.
        idle = self.parts - len(parts) if dist.world_size() > 1 else 0
        parts, counts = [parts[0]] * idle + parts, [0] * idle + counts
        for i, (part, count) in enumerate(zip(parts, counts, strict=True)):
            last = i + 1 == len(parts)
            with nullcontext() if last else self.without_exchange():
                with torch.autocast(
                    device.type, self.amp_dtype, enabled=self.amp_dtype is not None
                ):
                    out = self.loss_fn(self.model, part)
                for name, value in out.items():
                    term = value.detach() * (count / max(batch.num_labelled, 1))
                    means[name] = means[name] + term if name in means else term
                if last:
                    tell(means["loss"])
                if not i:
                    every = sums().clamp(min=1)
                # Gradients are averaged over ranks, which undoes the factor.
                share = count * dist.world_size() / every
                self.scaler.scale(out["loss"] * share).backward()
        return means
