"""Try how training ends: NaNs (R5), signals (R6) and loader workers that are lost (R7)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from slowfast.battery.fault_runs import (
    CONFIG,
    Ending,
    run_through,
    start_once,
    tiny_config,
    tiny_words,
    undisturbed,
)
from slowfast.battery.fault_traces import differences, read_traces, repeated_steps
from slowfast.battery.faults import Fault, Plan
from slowfast.engine.checkpoint.state import list_checkpoints

STOPPED = (  # where and how R6 asks a run of 12 steps to stop
    Fault("signal", 3, rank=1, number=signal.SIGTERM),
    Fault("signal", 8, rank=0, number=signal.SIGUSR1),
    Fault("signal", 5, rank=1, number=signal.SIGINT),  # the last step of an epoch
    Fault("signal", 6, rank=0, number=signal.SIGTERM, phase="precise_bn"),
    Fault("signal", 6, rank=1, number=signal.SIGTERM, phase="evaluate"),
)


def _verdict(line: str, wrong: list[str]) -> int:
    print(f"{line}: {'as it should be' if not wrong else '; '.join(wrong)}")
    return len(wrong)


def _mark(plan: Plan) -> float:
    """When the first fault of the plan happened, in seconds since 1970."""
    mark = plan.folder / "fault_0"
    return mark.stat().st_mtime if mark.exists() else float("-inf")


def not_numbers(folder: Path) -> int:
    """R5: the loss of rank 1 is NaN in step 4."""
    nan = (Fault("nan", 4, rank=1),)
    cfg = tiny_config(folder, "raised")
    plan = Plan(folder / "raised" / "traces", nan)
    ending = start_once(cfg, plan, processes=2)
    traces = read_traces(plan.folder)
    last = [max(step for rank, step, _ in traces if rank == wanted) for wanted in (0, 1)]
    dumps = sorted(path.name for path in Path(cfg.OUTPUT_DIR).glob("nonfinite_batch_rank*.pt"))
    wrong = []
    if "the loss is nan at epoch 1, iteration 5 (rank 1, on " not in ending.said:
        wrong.append(f"expected the error to name epoch 1, iteration 5, rank 1; {ending.said}")
    if last != [4, 4]:
        wrong.append(f"expected both ranks to stop at step 4, found {last}")
    if ending.when - _mark(plan) > 10:
        wrong.append(f"it took {ending.when - _mark(plan):.0f} s, more than 10")
    if dumps != ["nonfinite_batch_rank1.pt"]:
        wrong.append(f"expected the batch of rank 1, found {dumps}")
    faults = _verdict(f"R5 NaN on rank 1, {ending.when - _mark(plan):.1f} s to the end", wrong)
    return faults + _skipped(folder, nan)


def _skipped(folder: Path, nan: tuple[Fault, ...]) -> int:
    """The step is left out, with a kill after it or without."""
    outcomes = []
    for name, more in (("skipped", ()), ("skipped_killed", (Fault("signal", 7),))):
        cfg = tiny_config(folder, name, "TRAIN.ON_NONFINITE", "skip")
        plan = Plan(folder / name / "traces", (*nan, *more))
        outcomes.append(run_through(cfg, plan, processes=2))
    lines = (Path(cfg.OUTPUT_DIR) / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    skips = [each for each in records if each["_type"] == "train_skip"]
    wrong = differences(*outcomes)[:3]
    if [(each["epoch"], each["iter"], each["ranks"]) for each in skips] != [(1, 5, [1])]:
        wrong.append(f"expected one record of epoch 1, iteration 5, rank 1, found {skips}")
    return _verdict("R5 the same with TRAIN.ON_NONFINITE skip, and a kill after it", wrong)


def signals(folder: Path, *, faults: tuple[Fault, ...] = STOPPED) -> int:
    """R6: a signal to one rank, in training, precise BN or evaluation."""
    precise = ("BN.USE_PRECISE_STATS", True)
    whole = undisturbed(folder, *precise, processes=2)
    found = 0
    for i, fault in enumerate(faults):
        cfg = tiny_config(folder, f"stopped_{i}", *precise)
        plan = Plan(folder / f"stopped_{i}" / "traces", (fault,))
        ending = start_once(cfg, plan, processes=2)
        seconds = ending.when - _mark(plan)
        wrong = _stopped_wrongly(ending, fault, seconds)
        wrong += differences(whole, run_through(cfg, plan, processes=2))[:3]
        if lost := repeated_steps(plan.folder):
            wrong.append(f"{lost} steps were lost")
        name = signal.Signals(fault.number).name
        found += _verdict(
            f"R6 {name} to rank {fault.rank} in {fault.phase}, step {fault.step}, {seconds:.1f} s "
            "to the end",
            wrong,
        )
    return found + under_torchrun(folder)


def _stopped_wrongly(ending: Ending, fault: Fault, seconds: float) -> list[str]:
    wrong = []
    name = signal.Signals(fault.number).name
    code = 130 if fault.number == signal.SIGINT else 75
    if f"stopped by {name}" not in ending.said:
        wrong.append(f"expected it to be stopped by {name}, {ending.said or 'it went on'}")
    if ending.exit_code != code:
        wrong.append(f"expected exit code {code}, found {ending.exit_code}")
    if seconds > 25:
        wrong.append(f"it took {seconds:.0f} s, more than 25")
    return wrong


def under_torchrun(folder: Path) -> int:
    """R6: torchrun is sent SIGTERM, and passes it on to its processes."""
    script = Path(__file__).parents[2] / "tools" / "run_net.py"
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [*tiny_words(folder, "torchrun"), "SOLVER.MAX_EPOCH", "200"]
    output = folder / "torchrun.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *torchrun, str(script), "--cfg", str(CONFIG), *words],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        while not list_checkpoints(folder / "torchrun") and process.poll() is None:
            time.sleep(0.1)
        since = time.time()
        process.send_signal(signal.SIGTERM)
        process.wait()
    seconds = time.time() - since
    wrong = []
    if "stopped by SIGTERM; the state is in" not in output.read_text():
        wrong.append(f"expected a checkpoint of this step, see {output}")
    if seconds > 25:
        wrong.append(f"it took {seconds:.0f} s, more than 25")
    return _verdict(f"R6 SIGTERM to torchrun, {seconds:.1f} s to the end", wrong)


def workers_lost(folder: Path) -> int:
    """R7: a loader worker is killed, or raises, once; then the same command again."""
    whole = undisturbed(folder, processes=2)
    kinds = {
        "killed": (Fault("signal", 4, rank=1, to="worker"), "a loader worker ended (killed)"),
        "raising": (Fault("raise", 4, rank=1), "reading this video raised IndexError"),
    }
    found = 0
    for name, (fault, words) in kinds.items():
        cfg = tiny_config(folder, name, "DATA_LOADER.NUM_WORKERS", 2)
        plan = Plan(folder / name / "traces", (fault,))
        ending = start_once(cfg, plan, processes=2)
        wrong = []
        if words not in ending.said or ".mp4 (row " not in ending.said:
            wrong.append(f"expected {words!r} and a video, found {ending.said}")
        wrong += differences(whole, run_through(cfg, plan, processes=2))[:3]
        found += _verdict(f"R7 a loader worker {name}, the run continued", wrong)
    return found
