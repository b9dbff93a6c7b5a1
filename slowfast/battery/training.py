"""Try training on what kills it: R1, R2, R5, R6, R7 and R9 of docs/reliability.md."""

from __future__ import annotations

import argparse
import random
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from slowfast.battery.fault_runs import run_through, tiny_config, undisturbed
from slowfast.battery.fault_traces import differences, read_traces
from slowfast.battery.faults import Fault, Plan, random_kills, starts_of
from slowfast.battery.stops import not_numbers, signals, workers_lost
from slowfast.engine.checkpoint.integrity import is_whole

STEPS = 12  # of a run of `tiny_config`


def run(folder: Path, args: argparse.Namespace) -> int:
    """All of it, a quarter of an hour on two cores; returns the number of faults."""
    faults = kills(folder / "R1", workers=(0, 2), count=5, seed=args.seed)
    faults += kills(folder / "R1 of four", workers=(0,), count=2, seed=args.seed, processes=4)
    for task in ("boxes", "labels"):
        faults += kills(folder / f"R1 of {task}", workers=(0,), count=2, seed=args.seed, task=task)
    faults += many_kills(folder / "R2", epochs=34, count=12, seed=args.seed)
    faults += not_numbers(folder / "R5")
    faults += signals(folder / "R6")
    faults += workers_lost(folder / "R7")
    faults += other_ranks(folder / "R9")
    return faults


def kills(
    folder: Path,
    *,
    workers: Sequence[int],
    count: int,
    seed: int,
    processes: int = 2,
    task: str = "classification",
) -> int:
    """R1: SIGKILL at random (rank, step); a run that ends otherwise is a fault."""
    whole = undisturbed(folder, processes=processes, task=task)
    dice, faults = random.Random(seed), 0
    for number in workers:
        equal = 0
        for i in range(count):
            fault = Fault("signal", dice.randrange(STEPS), rank=dice.randrange(processes))
            name = f"killed_{number}_{i}"
            cfg = tiny_config(folder, name, "DATA_LOADER.NUM_WORKERS", number, task=task)
            plan = Plan(folder / name / "traces", (fault,))
            found = differences(whole, run_through(cfg, plan, processes=processes))
            equal += not found
            for line in found[:3]:
                print(f"  rank {fault.rank} killed at step {fault.step}: {line}")
        print(
            f"R1 {task}, SIGKILL at a random rank of {processes} and step, {number} loader "
            f"workers: "
            f"{equal} of {count} ended as the undisturbed run"
        )
        faults += count - equal
    return faults


def many_kills(folder: Path, *, epochs: int, count: int, seed: int) -> int:
    """R2: random kills, up to a second late, so that they fall into saves too."""
    rare = ("TRAIN.EVAL_PERIOD", 1000, "TRAIN.CHECKPOINT_PERIOD", 1000, "LOG_PERIOD", 100)
    length = ("SOLVER.MAX_EPOCH", epochs, "TRAIN.CHECKPOINT_PERIOD_STEPS", 4)
    whole = undisturbed(folder, *rare, *length, processes=2)
    steps = 1 + max(step for _, step, _ in whole.steps)
    cfg = tiny_config(folder, "killed", *rare, *length)
    kills = random_kills(count, steps=steps, ranks=2, seed=seed, delay=1.0)
    plan = Plan(folder / "killed" / "traces", kills)
    with CheckpointWatch(folder / "killed" / "checkpoints") as watch:
        found = differences(whole, run_through(cfg, plan, processes=2))
    restarts = starts_of(plan.folder) - 1
    faults = len(found) + len(watch.broken) + (restarts > 20)
    print(
        f"R2 {count} kills in {steps} steps: {restarts} restarts, {len(found)} differences, "
        f"{watch.looked} looks at checkpoints found {len(watch.broken)} that are not whole; "
        f"{faults} faults"
    )
    for line in [*found[:3], *watch.broken[:3]]:
        print(f"  {line}")
    return faults


class CheckpointWatch:
    """Looks all the time whether every checkpoint that can be seen fits its hash."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broken, self.looked = folder, list[str](), 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> CheckpointWatch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            for path in self.folder.glob("*.pyth"):
                # A file that is replaced between the look at its hash and at its content.
                if not self._is_sound(path) and not self._is_sound(path):
                    self.broken.append(path.name)
                self.looked += 1

    def _is_sound(self, path: Path) -> bool:
        try:
            return is_whole(path) is True or not path.exists()
        except FileNotFoundError:  # removed meanwhile: a newer one replaces it
            return True
        finally:
            self._ended.wait(0.002)


def other_ranks(folder: Path, *, legs: Sequence[int] = (1, 2, 4)) -> int:
    """R9: a run that goes on with other numbers of processes sees the same videos in order."""
    each = STEPS // len(legs)
    whole = undisturbed(folder, processes=2)
    wanted = _rows_by_step(whole.steps)
    seen: dict[int, tuple[int, ...]] = {}
    for i, processes in enumerate(legs):
        cfg = tiny_config(folder, "legs", "DATA_LOADER.NUM_WORKERS", i % 2)
        # Not SIGKILL: one process runs in this very one.
        fault = Fault("signal", (i + 1) * each, number=signal.SIGTERM)
        plan = Plan(folder / "legs" / f"traces_{i}", (fault,))
        last = i + 1 == len(legs)
        run_through(cfg, plan, processes=processes, starts=20 if last else 1)
        seen |= _rows_by_step(read_traces(plan.folder))
    wrong = [step for step in wanted.keys() | seen.keys() if wanted.get(step) != seen.get(step)]
    print(
        f"R9 {len(wanted)} steps with {', '.join(map(str, legs))} processes one after the other: "
        f"{len(wrong)} with other videos"
    )
    return len(wrong)


def _rows_by_step(
    steps: Mapping[tuple[int, int, int], tuple[str, tuple[int, ...]]],
) -> dict[int, tuple[int, ...]]:
    """The rows of each step, those of rank 0 first."""
    rows: dict[int, tuple[int, ...]] = {}
    for (_, step, _), (_, mine) in sorted(steps.items()):
        rows[step] = (*rows.get(step, ()), *mine)
    return rows
