"""Try training on what kills it: R1, R2, R5, R6, R7 and R9 of docs/reliability.md."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from slowfast import dist
from slowfast.cli.faults import (
    Fault,
    Outcome,
    Plan,
    differences,
    outcome_of,
    train_with_faults,
)
from slowfast.config import load_cfg
from slowfast.data.datasets.motions import make_motions

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"
TRAIN_CLIPS = 48


def tiny_config(folder: Path, name: str, *overrides: Any) -> Any:
    """A run of 12 steps, seconds long, in ``folder / name``; the videos are made if missing."""
    data = folder / "motions"
    if not data.exists():
        make_motions(data, sizes=(TRAIN_CLIPS, 8, 12), workers=0)
    settings = {
        "BN.NUM_BATCHES_PRECISE": 2,
        "DATA.PATH_PREFIX": data,
        "DATA.PATH_TO_DATA_DIR": data,
        "DATA.TEST_CROP_SIZE": 32,
        "DATA.TRAIN_CROP_SIZE": 32,
        "DATA.TRAIN_JITTER_SCALES": [32, 40],
        "DATA_LOADER.NUM_WORKERS": 0,
        "DATA_LOADER.PIN_MEMORY": False,
        "DIST_TIMEOUT_MINUTES": 1.0,
        "LOG_MODEL_INFO": False,
        "LOG_PERIOD": 3,
        "NUM_GPUS": 0,
        "OUTPUT_DIR": folder / name,
        "RESNET.WIDTH_PER_GROUP": 8,
        "SOLVER.MAX_EPOCH": 2,
        "SOLVER.WARMUP_EPOCHS": 0.5,
        "TEST.ENABLE": False,
        "TEST.MIXED_PRECISION": False,
        "TRAIN.BATCH_SIZE": 4,
        "TRAIN.CHECKPOINT_PERIOD": 1,
        "TRAIN.CHECKPOINT_PERIOD_STEPS": 2,
        "TRAIN.EVAL_PERIOD": 1,
        "TRAIN.MIXED_PRECISION": False,
    }
    words = [str(word) for pair in settings.items() for word in pair]
    return load_cfg(CONFIG, [*words, *map(str, overrides)])


@dataclass(frozen=True)
class Run:
    """A run that was started until it was through."""

    outcome: Outcome
    starts: int


def run_through(cfg: Any, plan: Plan, *, processes: int, starts: int = 20) -> Run:
    """Start training again and again, as a user or a scheduler would, until it ends.

    Raises:
        ChildFailedError: it has not ended after ``starts`` starts.
    """
    for start in range(1, starts + 1):
        try:
            dist.launch(
                train_with_faults,
                cfg,
                plan,
                processes=processes,
                timeout_minutes=cfg.DIST_TIMEOUT_MINUTES,
            )
            return Run(outcome_of(cfg.OUTPUT_DIR, plan.folder), start)
        except ChildFailedError:
            if start == starts:
                raise
    raise AssertionError("unreachable")


def undisturbed(folder: Path, *overrides: Any, processes: int) -> Outcome:
    cfg = tiny_config(folder, "whole", *overrides)
    return run_through(cfg, Plan(folder / "whole" / "traces"), processes=processes).outcome


def kills(folder: Path, *, workers: Sequence[int], count: int, seed: int) -> int:
    """R1: SIGKILL at random (rank, step); returns the number of runs that ended otherwise."""
    whole = undisturbed(folder, processes=2)
    dice, faults = random.Random(seed), 0
    for number in workers:
        equal = 0
        for i in range(count):
            fault = Fault("signal", dice.randrange(12), rank=dice.randrange(2))
            name = f"killed_{number}_{i}"
            cfg = tiny_config(folder, name, "DATA_LOADER.NUM_WORKERS", number)
            plan = Plan(folder / name / "traces", (fault,))
            found = differences(whole, run_through(cfg, plan, processes=2).outcome)
            equal += not found
            for line in found[:3]:
                print(f"  rank {fault.rank} killed at step {fault.step}: {line}")
        print(f"R1 SIGKILL at a random rank and step, {number} workers: {equal} of {count} equal")
        faults += count - equal
    return faults
