"""How long a run takes to its first iteration, beside importing PyTorch and building a network."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slowfast.data.datasets.motions import make_motions

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"
BASE = """
import sys, torch, torchvision
from slowfast.config import load_cfg
from slowfast.models.build import build_model
build_model(load_cfg(sys.argv[1], sys.argv[2:]))
"""
# The run is left where its first iteration has its batch; nothing of it is imported before.
RUN = """
import os, sys
from slowfast.cli.run import main
from slowfast.engine.step import Stepper
def leave(*args, **kwargs):
    sys.stdout.flush()
    os._exit(0)
Stepper.__call__ = leave
main(["--cfg", *sys.argv[1:]])
os._exit(1)
"""
Row = dict[str, Any]


def measure_startup(cfg_file: str | None, opts: Sequence[str], repeats: int) -> list[Row]:
    """Rows of both, in wall time and in processor time, taken in turns after one to warm up.

    Args:
        cfg_file: what to train; None: the built-in data set, made here, on a CPU.

    Raises:
        ValueError: one of the two does not get that far.
    """
    with tempfile.TemporaryDirectory(prefix="slowfast-startup-") as folder:
        options = [*opts, "OUTPUT_DIR", f"{folder}/run", "TRAIN.AUTO_RESUME", "False"]
        if cfg_file is None:
            make_motions(Path(folder), sizes=(16, 4, 4), workers=0)
            data = ["DATA.PATH_TO_DATA_DIR", folder, "DATA.PATH_PREFIX", folder, "NUM_GPUS", "0"]
            options = [*data, "TRAIN.BATCH_SIZE", "8", "DATA_LOADER.NUM_WORKERS", "0", *options]
        programs = {
            "import torch, torchvision; build the network": BASE,
            "run_net to its first iteration": RUN,
        }
        times: dict[str, list[tuple[float, float]]] = {title: [] for title in programs}
        for _ in range(repeats + 1):
            for title, program in programs.items():
                times[title].append(_seconds(program, [str(cfg_file or CONFIG), *options]))
    rows: list[Row] = []
    for column, clock in enumerate(("wall", "processor")):
        medians = {
            title: statistics.median(pair[column] for pair in pairs[1:])
            for title, pairs in times.items()
        }
        base = next(iter(medians.values()))
        rows += [
            {"source": clock, "what": title, "ms": 1000 * seconds, "ratio": seconds / base}
            for title, seconds in medians.items()
        ]
    return rows


def _seconds(program: str, arguments: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of a process of its own."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    used, begin = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
    )
    wall, after = time.perf_counter() - begin, os.times()
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
        raise ValueError(f"the process that is timed ended with {done.returncode}: {last}")
    return wall, sum(after[2:4]) - sum(used[2:4])


def print_startup(rows: list[Row]) -> None:
    print(f"{'clock':<10} {'what':<46} {'ms':>8} {'ratio':>6}")
    for row in rows:
        print(f"{row['source']:<10} {row['what']:<46} {row['ms']:8.0f} {row['ratio']:6.2f}")
