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
from slowfast.models.input_spec import example_boxes, example_input

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
        for title, net, wanted in (
            ("", case.net, modes),
            *((f", {title}", rival, (PLAIN, BOTH)) for title, rival in rivals.items()),
        ):
            copies: dict[Any, nn.Module] = {}  # modes that differ in precision share one
            for mode in wanted:
                key = (mode.layout, mode.fused, mode.half, mode.compiled)
                if key not in copies:
                    copies[key] = _copy(net, mode, case.device).train(job == "step")
                actions[mode.title + title] = _prepare(copies[key], clips, mode, job)
        rows += _rows(case, job, _take_turns(actions, case), work, machine)
    return rows


def _copy(net: nn.Module, mode: Mode, device: torch.device) -> nn.Module:
    net = copy.deepcopy(net).to(device)
    if mode.fused:
        net = fuse_for_inference(net.eval())
    net = net.to(HALF if mode.half else torch.float32)
    return net.to(memory_format=mode.layout)  # type: ignore[no-any-return, call-overload]


def _prepare(net: nn.Module, clips: list[Tensor], mode: Mode, job: str) -> Callable[[], None]:
    """A call that runs `net`, made by `_copy`, once on `clips` in `mode`."""
    device = clips[0].device
    dtype = HALF if mode.half else torch.float32
    clips = [clip.to(dtype).contiguous(memory_format=mode.layout) for clip in clips]
    model: Any = torch.compile(net) if mode.compiled else net
    spec = getattr(net, "input_spec", None)  # other libraries' networks have none
    boxes = [example_boxes(net, len(clips[0]), device=device)] if spec and spec.boxes else []
    labels = torch.zeros(len(clips[0]), dtype=torch.int64, device=device)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4)

    def forward() -> None:
        with torch.inference_mode(), torch.autocast(device.type, HALF, enabled=mode.autocast):
            model(clips, *boxes)

    def step() -> None:
        with torch.autocast(device.type, HALF, enabled=mode.autocast):
            loss = F.cross_entropy(model(clips, *boxes).float(), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()  # the gradients of all copies together need not fit

    return step if job == "step" else forward


def _take_turns(
    actions: dict[str, Callable[[], None]], case: Case
) -> dict[str, tuple[list[float], float]]:
    """Seconds of each repeat and peak memory beyond all weights, in bytes (GPU), by title.

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
        except ValueError as error:
            raise ValueError(
                f"{case.name}, {title}: does not run with {case.batch} clip(s) of this size "
                f"({error}); try larger ones (--crop, --frames) or another number (--batch)"
            ) from error
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
            before = _start_of_peak(case.device)
            since = clock()
            actions[title]()
            _wait(case.device)
            seconds.append(clock() - since)
            if case.device.type == "cuda":
                memory[title] = torch.cuda.max_memory_allocated(case.device) - before
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
            row["peak_memory_mb"] = memory / 1e6
        if machine.peak_flops and "bfloat16" in title and "tflops" in row:
            row["share_of_peak"] = 1e12 * row["tflops"] / machine.peak_flops
        rows.append(row)
    return rows


def _start_of_peak(device: torch.device) -> int:
    """Bytes that are in use before a call; forgets earlier peaks."""
    if device.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


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
        memory = f" {row['peak_memory_mb']:8.0f} MB" if "peak_memory_mb" in row else ""
        print(
            f"{row['source'][:20]:<20} {row['what']:<58} {row['ms']:9.1f} "
            f"{row['min_ms']:9.1f} {row['ratio']:6.2f} "
            f"{row['clips_per_s']:8.2f} {work}{peak}{memory}"
        )
