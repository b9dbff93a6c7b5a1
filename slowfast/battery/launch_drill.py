"""A run of seconds that goes through faults: what is launched to try the launcher."""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from slowfast import dist

KINDS = ("none", "kill", "raise", "mistake", "freeze")


@dataclass(frozen=True)
class Drill:
    """Steps that depend on all before them and on all ranks, saved one by one.

    Args:
        folder: of the state; the same on all machines.
        fault: what happens once, on ``rank`` before ``step``: SIGKILL, an error, a user's mistake,
            or SIGSTOP.
        pause: seconds that a step takes at least.
    """

    folder: Path
    steps: int = 12
    fault: str = "none"
    rank: int = 1
    step: int = 5
    pause: float = 0.0

    def happens(self, step: int) -> bool:
        if self.fault == "none" or (dist.rank(), step) != (self.rank, self.step):
            return False
        mark = self.folder / "fault"
        if mark.exists():
            return False
        mark.touch()
        return True


def drill(plan: Drill) -> str:
    """Run the steps that are left; returns the SHA-256 of the last state.

    Raises:
        Stopped: a rank was sent a signal; the state of this step is saved.
    """
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda number, frame: asked.append(number))
    if dist.is_main():
        with (plan.folder / "attempts").open("a") as file:
            file.write(f"{time.time()}\n")
    state = plan.folder / "state.pt"
    content: dict[str, Any] = {"step": 0, "weights": torch.zeros(1000)}
    if state.exists():
        content = torch.load(state)
    first, weights = content["step"], content["weights"]
    dist.barrier()  # nobody writes it before all have read it
    for step in range(first, plan.steps):
        if plan.happens(step):
            _go_wrong(plan.fault)
        generator = torch.Generator().manual_seed(1000 * step + dist.rank())
        part = torch.rand(1000, generator=generator) + weights.sin()
        parts = dist.gather_objects(part)
        weights = sum(parts[1:], start=parts[0]) / len(parts)
        time.sleep(plan.pause)
        flag = dist.any_rank(torch.tensor(float(asked[0] if asked else 0)))
        if dist.is_main():
            part_file = state.with_suffix(".part")
            torch.save({"step": step + 1, "weights": weights}, part_file)
            os.replace(part_file, state)
        if flag:
            dist.barrier()
            raise dist.Stopped.by(int(flag))
    return hashlib.sha256(weights.numpy().tobytes()).hexdigest()


def _go_wrong(fault: str) -> None:
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif fault == "mistake":
        raise ValueError("DRILL.FAULT is 'mistake'; set it to 'none'")
    else:
        raise RuntimeError("a fault of the drill")


def main(argv: Sequence[str] | None = None) -> int:
    """Launch a drill; the last line is its digest, or why it ended."""
    args = _parse(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    wanted = dist.Wanted(
        machines=args.machines, machine=args.machine, address=args.address, nproc=args.processes
    )
    job = dist.find_job(wanted)
    os.environ.update(job.variables)
    settings: dict[str, Any] = {
        "processes": job.processes,
        "machines": job.machines,
        "machine": job.machine,
        "init_method": job.address,
        "run_id": job.run_id,
        "timeout_minutes": args.timeout / 60,
        "max_restarts": args.restarts,
        "output_dir": args.folder,
    }
    plan = Drill(args.folder, args.steps, args.fault, args.rank, args.step, args.pause)
    try:
        print(f"digest {dist.launch(drill, plan, **settings)}", flush=True)
    except (dist.Stopped, dist.ProcessFailed) as error:
        print(error, flush=True)
        return error.exit_code
    except ValueError as error:
        print(f"mistake: {error}", flush=True)
        return 2
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--machines", type=int, default=1)
    parser.add_argument("--machine", type=int, default=0)
    parser.add_argument("--address", default=None)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--fault", choices=KINDS, default="none")
    parser.add_argument("--rank", type=int, default=1)
    parser.add_argument("--step", type=int, default=5)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds a step")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds, of collectives")
    parser.add_argument("--restarts", type=int, default=3)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
