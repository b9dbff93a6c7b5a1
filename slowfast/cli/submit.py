"""Hand a run to SLURM through submitit; it is queued again at its time limit."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slowfast.cli.arguments import positive
from slowfast.cli.errors import explain_errors
from slowfast.config import load_cfg

EXAMPLE = """examples:
  %(prog)s --cfg FILE.yaml --nodes 2 --gpus 8 --hours 24 OUTPUT_DIR runs/slowfast
  %(prog)s --cfg FILE.yaml --gpus 8 --partition long --dry-run     what would be asked for
launch/slurm.sbatch does the same without submitit.
"""
_SAVE_SECONDS = 120  # before the time limit, for all ranks to agree on a step and save it
_RUN_AGAIN = 75
_TIME_LIMITS = 1000  # that a run may be queued again after


@dataclass(frozen=True)
class Run:
    """What the job runs on each machine; submitit asks it how to go on (`checkpoint`)."""

    words: tuple[str, ...]  # of run_net

    def __call__(self) -> None:
        from slowfast.cli.run import main as run

        code = run(self.words)
        if code == _RUN_AGAIN:
            _ask_submitit_to_requeue()
        if code:
            raise SystemExit(code)

    def checkpoint(self, *args: Any) -> Any:
        """The same again: the state is in OUTPUT_DIR."""
        return _submitit().helpers.DelayedSubmission(self)


def _ask_submitit_to_requeue() -> None:
    """Raise the signal that submitit's own handler waits for.

    While the run lasted its launcher handled it, so that the state was saved first.
    """
    for name in ("SIGUSR1", "SIGUSR2"):
        if callable(signal.getsignal(getattr(signal, name))):
            signal.raise_signal(getattr(signal, name))
            return


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast submit") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _submit(args))


def _submit(args: argparse.Namespace) -> int:
    words = ["NUM_GPUS", str(args.gpus), *args.opts]
    cfg = load_cfg(args.cfg, overrides=words)  # a mistake is told now, and not after hours of queue
    _refuse_mistakes(args, cfg.NUM_GPUS)
    asked = _parameters(args)
    if args.dry_run:
        print("\n".join(f"{name}: {value}" for name, value in asked.items()))
        return 0
    folder = args.folder or Path(cfg.OUTPUT_DIR) / "submitit"
    submitit = _submitit()
    if shutil.which("srun") is None:  # submitit would start it here
        raise ValueError("there is no SLURM here: srun is not on PATH; submit where SLURM is")
    # Without it the third time limit would be the end.
    executor = submitit.AutoExecutor(
        folder=str(folder), cluster="slurm", slurm_max_num_timeout=_TIME_LIMITS
    )
    executor.update_parameters(**asked)
    job = executor.submit(Run(("--cfg", str(Path(args.cfg).resolve()), *words)))
    print(f"job {job.job_id}; its logs are in {folder}, those of the run in {cfg.OUTPUT_DIR}")
    return 0


def _refuse_mistakes(args: argparse.Namespace, gpus: int) -> None:
    if gpus != args.gpus:
        raise ValueError(
            f"--gpus asks for {args.gpus} GPU(s) of each machine, but NUM_GPUS is {gpus}, which "
            f"would use as many: pass --gpus {gpus}, and leave NUM_GPUS out"
        )
    if not args.hours > 0:
        raise ValueError(f"--hours is {args.hours:g}; expected a number above 0")


def _parameters(args: argparse.Namespace) -> dict[str, Any]:
    """In submitit's names."""
    asked: dict[str, Any] = {
        "name": args.name,
        "nodes": args.nodes,
        "tasks_per_node": 1,
        "gpus_per_node": args.gpus,
        "cpus_per_task": args.cpus or 8 * max(args.gpus, 1),
        "timeout_min": round(60 * args.hours),
        "slurm_signal_delay_s": _SAVE_SECONDS,
        # From SLURM 22.05 on srun gives a task one core unless it is told again.
        "slurm_setup": ['export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"'],
        "slurm_additional_parameters": {"requeue": True, "open-mode": "append"},
    }
    if args.partition:
        asked["slurm_partition"] = args.partition
    return asked


def _submitit() -> Any:
    # The launcher saves at SIGUSR1; by default submitit has SLURM send another signal.
    os.environ.setdefault("SUBMITIT_PREEMPT_SIGNAL", "USR1")
    try:
        import submitit
    except ImportError as error:
        raise ValueError(
            "submitit is not installed: pip install 'slowfast-video[slurm]', or use "
            "launch/slurm.sbatch, which needs nothing"
        ) from error
    return submitit


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cfg", required=True, metavar="YAML", help="config file")
    parser.add_argument("--nodes", type=positive, default=1, metavar="N", help="machines (1)")
    parser.add_argument("--gpus", type=int, default=8, metavar="N", help="GPUs of each (8)")
    parser.add_argument("--cpus", type=positive, metavar="N", help="cores of each (8 a GPU)")
    parser.add_argument("--hours", type=float, default=24.0, help="until it is queued again (24)")
    parser.add_argument("--partition", help="SLURM's partition (its default)")
    parser.add_argument("--name", default="slowfast", help="of the job (slowfast)")
    parser.add_argument("--folder", type=Path, help="for submitit's files (OUTPUT_DIR/submitit)")
    parser.add_argument("--dry-run", action="store_true", help="print what would be asked for")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="overrides, last on the line")
    return parser.parse_intermixed_args(argv)
