"""Optimizer steps on random clips: precisions, and on a GPU batches beside what is possible."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from typing import Any

import torch

from slowfast.cli.machine import Machine
from slowfast.cli.roofline import StepCost, step_cost
from slowfast.config import with_values
from slowfast.data.batch import Batch
from slowfast.engine.build import build_network, build_stepper, build_task
from slowfast.models.input_spec import example_input

HALF = {"TRAIN.MIXED_PRECISION": True, "TRAIN.AMP_DTYPE": "bfloat16"}
LAST = HALF | {"MODEL.CHANNELS_LAST": True}
BATCHES = (8, 16, 32, 64)  # clips a step of the sweep on a GPU
BUDGET = 420.0  # seconds after which the sweep begins no other row; one may take two minutes
Row = dict[str, Any]


def random_batch(cfg: Any, clips: int, device: torch.device) -> Batch:
    """uint8 clips as a loader gives them, on the device."""
    size, zeros = cfg.DATA.TRAIN_CROP_SIZE, torch.zeros(clips, dtype=torch.int64)
    shape = (clips, cfg.DATA.NUM_FRAMES, size, size, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8)
    return Batch(pixels, zeros, zeros, zeros, ["random"] * clips).to(device)


def measure_precisions(cfg: Any, device: torch.device, repeats: int) -> list[Row]:
    """One optimizer step in float32 and in bfloat16, taken in turns."""
    clips = cfg.TRAIN.BATCH_SIZE // max(cfg.NUM_GPUS, 1)
    batch = random_batch(cfg, clips, device)
    modes = {"float32": {}, "bfloat16": HALF, "bfloat16, channels last": LAST}
    steps = {title: _step(cfg, settings, batch, device) for title, settings in modes.items()}
    times: dict[str, list[float]] = {title: [] for title in steps}
    for _ in range(repeats + 1):  # the first call pays for what is only done once
        for title, step in steps.items():
            times[title].append(_seconds(step, device))
    medians = {title: statistics.median(seconds[1:]) for title, seconds in times.items()}
    return [
        _row(cfg, f"step of {clips}, {title}", seconds, medians["float32"], clips)
        for title, seconds in medians.items()
    ]


def measure_sweep(
    cfg: Any,
    device: torch.device,
    machine: Machine,
    repeats: int,
    *,
    batches: tuple[int, ...] = BATCHES,
    modes: tuple[bool, ...] = (False, True),
    budget: float = BUDGET,
) -> list[Row]:
    """Steps in bfloat16, channels last, with and without compile, by clips a step.

    Each row has its share of the clips a second that arithmetic or memory allow (`step_cost`). A
    batch that does not fit is left out, as are rows that would begin after ``budget`` seconds.

    Args:
        modes: whether networks are compiled.
    """
    with torch.device("meta"):
        spare = build_network(cfg, torch.device("meta"))
    cost = step_cost(spare, example_input(spare))
    rows: list[Row] = []
    begin = time.perf_counter()
    for compiled, clips in product(modes, batches):
        if time.perf_counter() - begin > budget:
            print(f"no time for batch {clips}, compiled {compiled}", file=sys.stderr)
            continue
        for seconds, memory in _swept(cfg, clips, compiled, device, repeats):
            title = f"step of {clips}, {'compiled' if compiled else 'eager'}"
            base = rows[0]["ms"] / 1000 / rows[0]["clips"] * clips if rows else seconds
            row = _row(cfg, title, seconds, base, clips)
            rows.append(row | _share(cost, machine, row, compiled) | {"memory_gb": memory})
    return rows


def _swept(
    cfg: Any, clips: int, compiled: bool, device: torch.device, repeats: int
) -> Iterator[tuple[float, float]]:
    """Median seconds of a step, and GB of the GPU at the most; nothing if it does not fit."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(torch.cuda.OutOfMemoryError):
        step = _step(cfg, LAST, random_batch(cfg, clips, device), device, compiled=compiled)
        for _ in range(3):
            step()
        seconds = statistics.median(_seconds(step, device) for _ in range(repeats))
        yield seconds, torch.cuda.max_memory_allocated(device) / 2**30 if on_gpu else 0.0


def _step(
    cfg: Any,
    settings: dict[str, Any],
    batch: Batch,
    device: torch.device,
    *,
    compiled: bool = False,
) -> Callable[[], Any]:
    mode = with_values(cfg, settings)
    net = build_network(mode, device)
    model: Any = torch.compile(net) if compiled else net
    stepper = build_stepper(net, model, build_task(mode), mode, device)
    return lambda: stepper(batch, 1e-3, seed=0)


def _seconds(step: Callable[[], Any], device: torch.device) -> float:
    begin = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def _row(cfg: Any, what: str, seconds: float, base: float, clips: int) -> Row:
    return {
        "source": cfg.MODEL.ARCH,
        "what": what,
        "ms": 1000 * seconds,
        "ratio": seconds / base,
        "clips_per_s": clips / seconds,
        "clips": clips,
    }


def _share(cost: StepCost, machine: Machine, row: Row, compiled: bool) -> Row:
    """Beside what the GPU could do if it did nothing but compute, or but move data."""
    bound = cost.bound(machine, fused=compiled)
    if bound is None:
        return {"share_of_bound": None}
    return {"bound_clips_per_s": bound, "share_of_bound": row["clips_per_s"] / bound}


def print_sweep(rows: list[Row]) -> None:
    print(
        f"\n{'full size, bfloat16, channels last':<38} {'ms':>9} {'clips/s':>8} "
        f"{'of bound':>9} {'GB':>6}"
    )
    for row in rows:
        share = row["share_of_bound"]
        shown = "unknown" if share is None else f"{share:.0%}"
        print(
            f"{row['what']:<38} {row['ms']:9.1f} {row['clips_per_s']:8.1f} {shown:>9} "
            f"{row['memory_gb']:6.1f}"
        )
