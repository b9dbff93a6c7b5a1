"""Forward pass and training step of networks in every precision and layout, taken in turns."""

from __future__ import annotations

import copy
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slowfast.cli.benchmark_rivals import rivals_of
from slowfast.cli.machine import Machine
from slowfast.models.complexity import count_cost
from slowfast.models.fused import fuse_for_inference
from slowfast.models.input_spec import example_input

LAST = torch.channels_last_3d
HALF = torch.bfloat16
Row = dict[str, Any]


@dataclass(frozen=True)
class Mode:
    """One way to run a network."""

    title: str
    layout: torch.memory_format = torch.contiguous_format
    autocast: bool = False  # to bfloat16
    fused: bool = False
    half: bool = False  # weights and clips in bfloat16
    compiled: bool = False


PLAIN = Mode("float32")
BOTH = Mode("bfloat16, channels last", LAST, autocast=True)
MODES = (
    PLAIN,
    Mode("float32, channels last", LAST),
    Mode("bfloat16", autocast=True),
    BOTH,
)
FUSED = (
    Mode("fused float32", fused=True),
    Mode("fused float32, channels last", LAST, fused=True),
    Mode("fused pure bfloat16, channels last", LAST, fused=True, half=True),
)
COMPILED = (
    Mode("float32, compiled", compiled=True),
    Mode("bfloat16, channels last, compiled", LAST, autocast=True, compiled=True),
)


@dataclass(frozen=True)
class Case:
    """A network, the clips it gets, and how often."""

    name: str
    net: nn.Module
    batch: int
    repeats: int
    device: torch.device
    compile: bool = False


def measure_network(case: Case, machine: Machine) -> list[Row]:
    """Rows of the forward pass, then rows of a training step; ratios are to our float32."""
    clips = [clip.to(case.device) for clip in example_input(case.net, case.batch)]
    # A multiply-add is a product and a sum.
    gflops = 2 * count_cost(case.net.eval(), example_input(case.net)).gflops
    rivals = rivals_of(case.name, case.net)
    compiled = COMPILED if case.compile else ()
    rows = []
    for job, modes, work in (
        ("forward", (*MODES, *FUSED, *compiled), gflops),
        ("step", (*MODES, *compiled), 3 * gflops),  # backward costs twice the forward
    ):
        actions: dict[str, Callable[[], None]] = {}
        for mode in modes:
            actions[mode.title] = _prepare(case.net, clips, mode, job)
        for title, rival in rivals.items():
            for mode in (PLAIN, BOTH):
                actions[f"{mode.title}, {title}"] = _prepare(rival, clips, mode, job)
        rows += _rows(case, job, _take_turns(actions, case), work, machine)
    return rows


def _prepare(net: nn.Module, clips: list[Tensor], mode: Mode, job: str) -> Callable[[], None]:
    """A call that runs a copy of `net` once on `clips` in `mode`."""
    device = clips[0].device
    net = copy.deepcopy(net).to(device).train(job == "step")
    if mode.fused:
        net = fuse_for_inference(net)
    dtype = HALF if mode.half else torch.float32
    net = net.to(dtype).to(memory_format=mode.layout)  # type: ignore[call-overload]
    clips = [clip.to(dtype).contiguous(memory_format=mode.layout) for clip in clips]
    model: Any = torch.compile(net) if mode.compiled else net
    labels = torch.zeros(len(clips[0]), dtype=torch.int64, device=device)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)

    def forward() -> None:
        with torch.inference_mode(), torch.autocast(device.type, HALF, enabled=mode.autocast):
            model(clips)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device.type, HALF, enabled=mode.autocast):
            loss = F.cross_entropy(model(clips).float(), labels)
        loss.backward()
        optimizer.step()

    return step if job == "step" else forward


def _take_turns(
    actions: dict[str, Callable[[], None]], case: Case
) -> dict[str, tuple[list[float], float]]:
    """Seconds of each repeat and the peak memory in bytes, by title.

    All actions run once before any runs again, so that a machine that slows down slows all. A
    single thread is timed by the processor time it used, which other programs change little.
    """
    single = case.device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if single else time.perf_counter
    times: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    for title, action in actions.items():  # the first call pays for what is only done once
        try:
            action()
        except RuntimeError as error:
            if "compiled" not in title:
                raise
            reason = str(error).strip().splitlines()[0]
            print(f"{case.name}, {title}: left out, {reason}", file=sys.stderr)
            continue
        times[title] = []
    for _ in range(case.repeats):
        for title, seconds in times.items():
            _wait(case.device)
            if case.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(case.device)
            since = clock()
            actions[title]()
            _wait(case.device)
            seconds.append(clock() - since)
            if case.device.type == "cuda":
                memory[title] = torch.cuda.max_memory_allocated(case.device)
    return {title: (seconds, memory.get(title, 0.0)) for title, seconds in times.items()}


def _rows(
    case: Case,
    job: str,
    times: dict[str, tuple[list[float], float]],
    gflops: float,
    machine: Machine,
) -> list[Row]:
    base = statistics.median(times[PLAIN.title][0])
    rows = []
    for title, (repeats, memory) in times.items():
        seconds = statistics.median(repeats)
        row: Row = {
            "source": case.name,
            "what": f"{job}, {title}",
            "ms": 1000 * seconds,
            "min_ms": 1000 * min(repeats),
            "ratio": seconds / base,
            "clips_per_s": case.batch / seconds,
        }
        if "network" not in title.rsplit(", ", 1)[-1]:  # the work of others is not counted
            row["tflops"] = case.batch * gflops / seconds / 1000
        if memory:
            row["max_memory_mb"] = memory / 1e6
        if machine.peak_flops and "bfloat16" in title and "tflops" in row:
            row["share_of_peak"] = 1e12 * row["tflops"] / machine.peak_flops
        rows.append(row)
    return rows


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def print_networks(rows: Sequence[Row], machine: Machine) -> None:
    print(machine)
    print(
        f"{'network':<20} {'what':<58} {'ms':>9} {'min ms':>9} {'ratio':>6} {'clips/s':>8} "
        f"{'TFLOP/s':>8}"
    )
    for row in rows:
        work = f"{row['tflops']:8.3f}" if "tflops" in row else " " * 8
        peak = f" {row['share_of_peak']:6.1%} of peak" if "share_of_peak" in row else ""
        memory = f" {row['max_memory_mb']:8.0f} MB" if "max_memory_mb" in row else ""
        print(
            f"{row['source'][:20]:<20} {row['what']:<58} {row['ms']:9.1f} "
            f"{row['min_ms']:9.1f} {row['ratio']:6.2f} "
            f"{row['clips_per_s']:8.2f} {work}{peak}{memory}"
        )
