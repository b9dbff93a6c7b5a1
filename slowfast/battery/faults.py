"""Faults on purpose: training that is killed, stopped or given NaNs where a plan says so.

`train_with_faults` is `train` with a plan, and can be started by name on many processes. Each
rank writes what every step was computed on and what its loss was, so that a run which went
through faults can be compared with one that did not, bit for bit.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from slowfast import dist
from slowfast.data.batch import Batch, Sample
from slowfast.data.clip_dataset import Clips
from slowfast.data.record import Record
from slowfast.data.samplers import TrainBatches
from slowfast.engine.build import Trainer, build_trainer
from slowfast.engine.train import train


@dataclass(frozen=True)
class Fault:
    """What goes wrong once, on one rank, at one step.

    Args:
        what: "signal", "nan" (the loss of the step) or "raise" (reading a video of its batch).
        step: optimizer steps done before it, from 0, all epochs together.
        rank: where.
        number: of the signal.
        to: who gets the signal: "rank", "launcher" or "worker", a loader process of the rank.
        phase: "train", or "evaluate" and "precise_bn" for what follows after ``step`` steps.
        delay: seconds from the step to the signal, which then falls anywhere, as in a save.
    """

    what: str
    step: int
    rank: int = 0
    number: int = signal.SIGKILL
    to: str = "rank"
    phase: str = "train"
    delay: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The faults of a run, and the folder of its traces and of marks that a fault has been."""

    folder: Path
    faults: tuple[Fault, ...] = ()


def random_kills(
    count: int, *, steps: int, ranks: int, seed: int, delay: float = 0.0
) -> tuple[Fault, ...]:
    """SIGKILL of ``count`` random ranks at random steps, each up to ``delay`` seconds late."""
    dice = random.Random(seed)
    return tuple(
        Fault(
            "signal",
            dice.randrange(1, steps),
            rank=dice.randrange(ranks),
            delay=dice.uniform(0, delay),
        )
        for _ in range(count)
    )


def train_with_faults(cfg: Any, plan: Plan) -> None:
    """`train`, with the faults of the plan that have not been yet."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    train(cfg, build=partial(_build, plan=plan))


def _build(cfg: Any, *, plan: Plan) -> Trainer:
    trainer = build_trainer(cfg)
    if dist.is_main():
        with (plan.folder / "starts").open("a") as file:
            file.write("started\n")
    mine = [(i, fault) for i, fault in enumerate(plan.faults) if fault.rank == dist.rank()]
    trainer.stepper.loss_fn = FaultyLoss(trainer, trainer.task, plan.folder, mine)
    trainer.task = FaultyTask(trainer, trainer.task, plan.folder, mine)  # type: ignore[assignment]
    data, batches = trainer.loader.dataset, trainer.loader.batches
    assert isinstance(batches, TrainBatches)
    part = batches.batch_size // batches.world
    for i, fault in mine:
        if fault.what == "raise":
            epoch, batch = divmod(fault.step, len(trainer.loader))
            row = int(batches.order(epoch)[batch * batches.batch_size + batches.rank * part])
            data.clips = RaisingClips(data.clips, epoch, row, plan.folder / f"fault_{i}")
    return trainer


def _first_time(mark: Path) -> bool:
    """Whether nobody has been here before, in this process or one before it."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _steps_done(trainer: Trainer) -> int:
    return trainer.position.epoch * len(trainer.loader) + trainer.position.batch


def _send(fault: Fault) -> None:
    if fault.to == "worker":
        pid = multiprocessing.active_children()[0].pid
        assert pid is not None
    else:
        pid = os.getppid() if fault.to == "launcher" else os.getpid()
    if fault.delay:
        timer = threading.Timer(fault.delay, os.kill, (pid, fault.number))
        timer.daemon = True
        timer.start()
    else:
        os.kill(pid, fault.number)


@dataclass
class FaultyLoss:
    """The loss of a task; a line of the trace each time, and the faults of this rank."""

    trainer: Trainer
    task: Any  # of slowfast.tasks
    folder: Path
    faults: list[tuple[int, Fault]]
    _last: tuple[int, int] = (-1, 0)  # step, and calls in it before this one

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        if not getattr(self.trainer.stepper.before_first, "known", True):
            return self.task.loss(model, batch)  # type: ignore[no-any-return]  # no step yet
        step = _steps_done(self.trainer)
        due = [f for _, f in self._due(step)]
        for fault in due:
            if fault.what == "signal":
                _send(fault)
        out = self.task.loss(model, batch)
        self._trace(step, batch, out["loss"])
        if any(fault.what == "nan" for fault in due):
            out = out | {"loss": out["loss"] * float("nan")}
        return out

    def _due(self, step: int) -> list[tuple[int, Fault]]:
        wanted = [(i, f) for i, f in self.faults if f.phase == "train" and f.step == step]
        wanted = [(i, f) for i, f in wanted if f.what != "raise"]
        return [(i, f) for i, f in wanted if _first_time(self.folder / f"fault_{i}")]

    def _trace(self, step: int, batch: Batch, loss: Tensor) -> None:
        part = self._last[1] + 1 if self._last[0] == step else 0
        self._last = (step, part)
        record = {
            "step": step,
            "part": part,
            "loss": float(loss.detach()).hex(),
            "rows": batch.videos.tolist(),
        }
        with (self.folder / f"trace_rank{dist.rank()}.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")


class FaultyTask:
    """A task whose predictions, which training steps do without, meet faults."""

    def __init__(
        self, trainer: Trainer, task: Any, folder: Path, faults: list[tuple[int, Fault]]
    ) -> None:
        self.trainer, self.task, self.folder, self.faults = trainer, task, folder, faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        self._meet("precise_bn" if model.training else "evaluate")
        return self.task.predict(model, batch)

    def _meet(self, phase: str) -> None:
        for i, fault in self.faults:
            due = fault.phase == phase and fault.step == _steps_done(self.trainer)
            if due and _first_time(self.folder / f"fault_{i}"):
                _send(fault)


@dataclass
class RaisingClips:
    """Reads clips as before, but for one that has a bug, once."""

    clips: Clips
    epoch: int
    row: int
    mark: Path

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample:
        if (epoch, row) == (self.epoch, self.row) and _first_time(self.mark):
            raise IndexError("a transform with a bug")
        return self.clips(record, epoch=epoch, row=row)


def starts_of(folder: Path) -> int:
    """How often the processes of a run were started, by whomever."""
    return len((folder / "starts").read_text().splitlines())
