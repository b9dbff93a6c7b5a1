"""Learning rate as a function of the (fractional) epoch; no state, so resuming needs none."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from slowfast.log import LOGGER

Policy = Callable[[float], float]


@dataclass(frozen=True)
class Cosine:
    """Half a period of a cosine from ``base`` to ``end`` (Loshchilov & Hutter, 1608.03983).

    Args:
        base, end: first and last learning rate.
        epochs: epoch at which ``end`` is reached.
        offset: epoch at which the cosine begins (``SOLVER.COSINE_AFTER_WARMUP``), else 0.
    """

    base: float
    end: float
    epochs: float
    offset: float = 0.0

    def __call__(self, epoch: float) -> float:
        progress = (epoch - self.offset) / (self.epochs - self.offset)
        return self.end + (self.base - self.end) * (math.cos(math.pi * progress) + 1) * 0.5


@dataclass(frozen=True)
class Steps:
    """``base * factors[i]`` from epoch ``starts[i]`` on; ``starts[0]`` is 0."""

    base: float
    starts: Sequence[float]
    factors: Sequence[float]

    def __post_init__(self) -> None:
        if not self.starts or self.starts[0] != 0 or list(self.starts) != sorted(self.starts):
            raise ValueError(
                f"SOLVER.STEPS is {list(self.starts)}, but must begin with 0 and ascend: "
                "each entry is the epoch at which the factor of SOLVER.LRS at its place begins"
            )
        if len(self.factors) < len(self.starts):
            raise ValueError(
                f"SOLVER.LRS has {len(self.factors)} factors for the {len(self.starts)} steps "
                "of SOLVER.STEPS; give one factor a step"
            )

    def __call__(self, epoch: float) -> float:
        return self.factors[max(bisect_right(self.starts, epoch) - 1, 0)] * self.base


@dataclass(frozen=True)
class WarmUp:
    """Linear from ``start`` to the policy's value at ``epochs``, then the policy.

    Gradual warm-up of Goyal et al., 1706.02677, Sec. 2.2.
    """

    policy: Policy
    start: float
    epochs: float

    def __call__(self, epoch: float) -> float:
        if epoch >= self.epochs:
            return self.policy(epoch)
        return self.start + epoch * (self.policy(self.epochs) - self.start) / self.epochs


def schedule_from_cfg(cfg: Any) -> Policy:
    """The learning rate that SOLVER asks for, as a function of the epoch."""
    solver = cfg.SOLVER
    policy: Policy
    if solver.LR_POLICY == "cosine":
        offset = solver.WARMUP_EPOCHS if solver.COSINE_AFTER_WARMUP else 0.0
        policy = Cosine(solver.BASE_LR, solver.COSINE_END_LR, solver.MAX_EPOCH, offset)
    elif solver.LR_POLICY == "steps_with_relative_lrs":
        # Steps after the last epoch are never reached; the public recipes list MAX_EPOCH there.
        starts = [step for step in solver.STEPS if step < solver.MAX_EPOCH]
        policy = Steps(solver.BASE_LR, starts, solver.LRS)
    else:
        raise ValueError(
            f"SOLVER.LR_POLICY is {solver.LR_POLICY!r}; use 'cosine' or 'steps_with_relative_lrs'"
        )
    _check_warm_up(solver)
    return WarmUp(policy, solver.WARMUP_START_LR, solver.WARMUP_EPOCHS)


def _check_warm_up(solver: Any) -> None:
    """Raise or tell where training ends before warm-up does, as when MAX_EPOCH alone is lowered."""
    if solver.WARMUP_EPOCHS < solver.MAX_EPOCH:
        return
    found = f"SOLVER.WARMUP_EPOCHS is {solver.WARMUP_EPOCHS:g}, MAX_EPOCH {solver.MAX_EPOCH}"
    if solver.LR_POLICY == "cosine" and solver.COSINE_AFTER_WARMUP:
        raise ValueError(
            f"{found}: no epoch is left for the cosine, which begins after warm-up "
            "(COSINE_AFTER_WARMUP); set WARMUP_EPOCHS below MAX_EPOCH"
        )
    LOGGER.warning(
        "%s: training ends within warm-up, whose end, and not BASE_LR, is the policy's value at "
        "that epoch; set WARMUP_EPOCHS to fit",
        found,
    )
