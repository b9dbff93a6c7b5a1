"""What all ranks agree on in every step: losses that are no number or explode, a wish to stop.

One small all-reduce a step, under way while gradients are computed. On a CPU its result is read
before the update. On a GPU it is read one step later, so that the host never waits for the
device; what must not happen meanwhile is prevented on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from slowfast import dist
from slowfast.data.batch import Batch
from slowfast.engine.stop import agreed, wishes
from slowfast.engine.to_host import ToHost

MEAN_OF = 100  # steps that the running mean of the loss remembers, roughly


class NonFinite(ValueError):
    """A loss or gradients that are not finite; all ranks raise it, each with its own batch.

    Attributes:
        batch: of this rank.
        loss: of this rank; it may be sound.
        ranks: how many had a loss that is not finite; 0: it was the gradients.
        late: the step is the one before that under way.
    """

    def __init__(self, batch: Batch, loss: float, *, ranks: int, late: bool) -> None:
        super().__init__(f"the loss is {loss}" if ranks else "the gradients are not finite")
        self.batch, self.loss, self.ranks, self.late = batch, loss, ranks, late


class Explosion(ValueError):
    """The loss is far above what it was; all ranks raise it."""

    def __init__(self, loss: float, mean: float, *, late: bool) -> None:
        super().__init__(f"the loss is {loss:g}, after a mean of {mean:g}")
        self.loss, self.mean, self.late = loss, mean, late


class KeptBuffers:
    """Buffers as they were before a step: running statistics that have seen a NaN keep it."""

    def __init__(self, buffers: Iterable[Tensor] = ()) -> None:
        self._buffers = list(buffers)
        self._kept: list[Tensor] = []

    def keep(self) -> None:
        self._kept = [each.detach().clone() for each in self._buffers]

    @torch.no_grad()
    def restore(self, where: Tensor) -> None:
        """Take the old values back if the scalar ``where`` is true; nobody waits to find out."""
        for buffer, old in zip(self._buffers, self._kept, strict=True):
            buffer.copy_(torch.where(where, old, buffer))


@dataclass(frozen=True)
class _Step:
    """What was asked in a step, until it is answered."""

    batch: Batch
    loss: Tensor
    sums: Callable[[], Tensor]


class Guard:
    """Decides with all ranks, once a step, whether it counts and whether to go on.

    Args:
        max_skipped: steps that are left out because a loss or gradients are not finite before
            `NonFinite` is raised; None: it is raised at the first one.
        explosion: `Explosion` is raised for a loss, the mean of all ranks, above this many times
            its running mean; infinite: never.
        kept: what a step that is left out must not have changed, besides weights and optimizer.
    """

    def __init__(
        self,
        *,
        max_skipped: int | None = None,
        explosion: float = float("inf"),
        kept: KeptBuffers | None = None,
    ) -> None:
        self.max_skipped, self.explosion = max_skipped, explosion
        self.kept = kept or KeptBuffers()
        self.asked: Callable[[], int] = lambda: 0  # the signal that this process was sent
        self.stop = 0  # the signal that all ranks obey
        self.skipped: list[NonFinite] = []  # steps left out, until somebody writes them down
        self._count = 0
        self._mean, self._steps = 0.0, 0
        self._step: _Step | None = None
        self._late: tuple[ToHost, Batch] | None = None

    def begin(self) -> None:
        """Before the network is called."""
        self.kept.keep()

    def __call__(self, loss: Tensor, batch: Batch) -> None:
        """Begin to agree on the loss of this step; `update` has the answer."""
        own = loss.detach().double()
        bad = ~torch.isfinite(own)
        told = torch.stack([bad.double(), torch.where(bad, 0.0, own)])
        values = torch.cat([told, wishes(self.asked(), like=own)])
        self._step = _Step(batch, own, dist.begin_sum(values))

    def update(
        self, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, norm: Tensor
    ) -> None:
        """Let the optimizer step unless the ranks agree that this one must not count.

        Args:
            norm: of the gradients, the same on all ranks.

        Raises:
            NonFinite: and it is not left out; on a GPU it may be of the step before.
            Explosion: likewise.
        """
        assert self._step is not None, "update follows a call"
        step, self._step = self._step, None
        sums = step.sums()
        bad = sums[0] > 0
        if not scaler.is_enabled():  # a scaler looks for gradients that overflow, and skips them
            bad = bad | ~torch.isfinite(norm.detach())
        heard = ToHost(torch.cat([sums, torch.stack([step.loss, bad.double()])]))
        if sums.is_cuda:
            self.flush()
            self._late = heard, step.batch
            self._update_where_sound(optimizer, scaler, bad)
            self.kept.restore(bad)
        elif self._judge(heard.read(), step.batch, late=False):
            scaler.step(optimizer)
        else:
            self.kept.restore(bad)
        scaler.update()

    def flush(self) -> None:
        """Wait for the answer of the last step, if it is still to come; before anything is saved.

        Raises:
            NonFinite, Explosion: as `update`, of the last step.
        """
        if self._late is not None:
            (heard, batch), self._late = self._late, None
            self._judge(heard.read(), batch, late=True)

    def _update_where_sound(
        self, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, bad: Tensor
    ) -> None:
        """On a GPU; fused optimizers look at a flag there, the host waits for the others."""
        fused = getattr(optimizer, "_step_supports_amp_scaling", False)
        if scaler.is_enabled():
            scaler.step(optimizer)  # a NaN of one rank is in the gradients of all
        elif fused and optimizer.state:  # the first step makes its state, whatever the flag says
            optimizer.grad_scale, optimizer.found_inf = None, bad.float()  # type: ignore[attr-defined]
            optimizer.step()
            del optimizer.grad_scale, optimizer.found_inf  # type: ignore[attr-defined]
        # Without skipping, what this step makes of the weights is never saved nor used again.
        elif self.max_skipped is None or not bad.item():
            optimizer.step()

    def _judge(self, values: list[float], batch: Batch, *, late: bool) -> bool:
        """Whether the step counts; ``values`` are sums over ranks, the own loss and the verdict."""
        ranks, total, *signals, own, bad = values
        self.stop = self.stop or agreed(signals)
        if bad:
            error = NonFinite(batch, own, ranks=int(ranks), late=late)
            if self.max_skipped is None or self._count >= self.max_skipped:
                raise error
            self._count += 1
            self.skipped.append(error)
            return False
        loss = total / dist.world_size()
        if self._steps and self._mean > 0 and loss > self.explosion * self._mean:
            raise Explosion(loss, self._mean, late=late)
        self._steps += 1
        self._mean += (loss - self._mean) / min(self._steps, MEAN_OF)
        return True

    def state(self) -> dict[str, Any]:
        return {"skipped": self._count, "mean": self._mean, "steps": self._steps}

    def load(self, state: dict[str, Any]) -> None:
        self._count = int(state.get("skipped", 0))
        self._mean, self._steps = float(state.get("mean", 0.0)), int(state.get("steps", 0))
