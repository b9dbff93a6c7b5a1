"""Small runs that go through faults: started until they end, or once, to see how they end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slowfast import dist
from slowfast.battery.fault_traces import Outcome, outcome_of
from slowfast.battery.faults import Plan, train_with_faults
from slowfast.config import load_cfg
from slowfast.data.datasets.motions import make_motions
from slowfast.data.datasets.motions_objects import make_motion_objects
from slowfast.engine.stop import EXIT_INTERRUPTED, EXIT_RUN_AGAIN

CONFIGS = Path(__file__).parents[2] / "configs" / "Motions"
CONFIG = CONFIGS / "SLOWFAST_TINY.yaml"
RECIPES = {
    "classification": CONFIG,
    "labels": CONFIGS / "SLOWFAST_TINY_MULTI_LABEL.yaml",
    "boxes": CONFIGS / "SLOWFAST_TINY_DETECTION.yaml",
}
CLIPS = 48  # of training: 6 steps of 8 clips an epoch


def tiny_words(folder: Path, name: str, *, task: str = "classification") -> list[str]:
    """Overrides of one of `RECIPES` for a run of two epochs, seconds long, in ``folder / name``.

    The videos are made if they are missing.
    """
    settings = _data(folder, task) | {
        "BN.NUM_BATCHES_PRECISE": 3,
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
        "TRAIN.BATCH_SIZE": 8,
        "TRAIN.CHECKPOINT_PERIOD": 1,
        "TRAIN.CHECKPOINT_PERIOD_STEPS": 2,
        "TRAIN.EVAL_PERIOD": 1,
        "TRAIN.MIXED_PRECISION": False,
    }
    return [str(word) for pair in settings.items() for word in pair]


def _data(folder: Path, task: str) -> dict[str, Any]:
    """Where the data of a task is."""
    data = folder / ("motions" if task == "classification" else "objects")
    if task == "classification":
        if not data.exists():
            make_motions(data, sizes=(CLIPS, 8, 12), workers=0)
        return {"DATA.PATH_PREFIX": data, "DATA.PATH_TO_DATA_DIR": data}
    if not data.exists():
        make_motion_objects(data, sizes=(CLIPS, 7), most=3, pictures=True, workers=0)
    if task == "labels":
        return {
            "DATA.CLASS_NAMES_FILE": data / "classes.txt",
            "DATA.PATH_PREFIX": data / "frames",
            "DATA.PATH_TO_DATA_DIR": data / "labels",
        }
    return {"AVA.ANNOTATION_DIR": data / "boxes", "AVA.VIDEO_DIR": data / "videos"}


def tiny_config(folder: Path, name: str, *overrides: Any, task: str = "classification") -> Any:
    return load_cfg(RECIPES[task], [*tiny_words(folder, name, task=task), *map(str, overrides)])


@dataclass(frozen=True)
class Ending:
    """How a start ended: what it raised, in words, the exit code asked for, and when."""

    said: str = ""
    exit_code: int = 0
    when: float = 0.0


def start_once(cfg: Any, plan: Plan, *, processes: int, restarts: int = 0) -> Ending:
    """Start training and see how it ends.

    Raises:
        Exception: a signal that is no fault of the plan asked it to stop, Ctrl-C for example.
    """
    before = set(plan.folder.glob("fault_*"))
    try:
        dist.launch(
            train_with_faults,
            cfg,
            plan,
            processes=processes,
            timeout_minutes=cfg.DIST_TIMEOUT_MINUTES,
            max_restarts=restarts,
            output_dir=cfg.OUTPUT_DIR,
        )
    except Exception as error:
        code = getattr(error, "exit_code", 1)
        if code in (EXIT_INTERRUPTED, EXIT_RUN_AGAIN) and before == set(
            plan.folder.glob("fault_*")
        ):
            raise
        return Ending(f"{type(error).__name__}: {error}", code, time.time())
    return Ending(when=time.time())


def run_through(cfg: Any, plan: Plan, *, processes: int, starts: int = 20) -> Outcome:
    """Start training until it ends, as a user or a scheduler would, at most ``starts`` times.

    The launcher itself starts the processes again DIST_MAX_RESTARTS times.
    """
    restarts = cfg.DIST_MAX_RESTARTS
    for _ in range(starts):
        if not start_once(cfg, plan, processes=processes, restarts=restarts).said:
            break
    return outcome_of(cfg.OUTPUT_DIR, plan.folder)


def undisturbed(
    folder: Path, *overrides: Any, processes: int, task: str = "classification"
) -> Outcome:
    """The run that others are compared with.

    Raises:
        RuntimeError: it did not end well at once.
    """
    cfg = tiny_config(folder, "whole", *overrides, task=task)
    plan = Plan(folder / "whole" / "traces")
    ending = start_once(cfg, plan, processes=processes)
    if ending.said:
        raise RuntimeError(f"the undisturbed run failed: {ending.said}")
    return outcome_of(cfg.OUTPUT_DIR, plan.folder)
