"""A process among several: it joins the others, runs the function, and reports how it went."""

from __future__ import annotations

import ctypes
import datetime
import faulthandler
import json
import multiprocessing.spawn
import os
import pickle
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from slowfast.dist.failure import Failure, Stopped
from slowfast.dist.ranks import TIMEOUT_VARIABLE, gpu
from slowfast.dist.watchdog import WATCHDOG, stacks_path

# Windows has no SIGUSR1.
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1") if hasattr(signal, name)
)
REPORTS_VARIABLE = "SLOWFAST_REPORTS"  # the folder of what processes of an attempt report
LOGS_VARIABLE = "SLOWFAST_LOGS"  # the folder of their logs
LAUNCHER_VARIABLE = "SLOWFAST_LAUNCHER"  # the process that started them
_LAUNCHES = count()  # that this process has taken part in, as all others have
_START_MINUTES = 15.0  # that processes of other machines may come later


@dataclass(frozen=True)
class Group:
    """How the processes of a run talk to each other.

    Args:
        backend: "nccl" or "gloo".
        timeout_minutes: how long a collective may wait for the slowest process.
        output_dir: where stacks of processes that hang are written; None: nowhere.
    """

    backend: str = "gloo"
    timeout_minutes: float = 30.0
    output_dir: str | None = None

    def run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """``function(*args)`` while this process belongs to the group of its environment."""
        if self.backend == "nccl":
            torch.cuda.set_device(gpu())
        if int(os.environ["WORLD_SIZE"]) == 1:
            return function(*args)
        self._join()
        if self.output_dir is not None:
            path = stacks_path(self.output_dir, dist.get_rank())
            WATCHDOG.start(path, timeout=60 * self.timeout_minutes)
        try:
            result = function(*args)
        finally:
            WATCHDOG.stop()
        # After a failure the others may be gone, and leaving them in order could take for ever.
        dist.destroy_process_group()
        return result

    def _join(self) -> None:
        os.environ[TIMEOUT_VARIABLE] = str(self.timeout_minutes)
        # Nobody goes on before all are connected: one that failed at once would break the others'
        # connections, and their error would be shown instead of its own.
        os.environ.setdefault("TORCH_DIST_INIT_BARRIER", "1")
        if self.output_dir is not None and self.backend == "nccl":
            _record_flights(self.output_dir)
        # A short time-out is for collectives, and not for a slow start of one of the processes.
        patience = datetime.timedelta(minutes=max(self.timeout_minutes, _START_MINUTES))
        place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        met, rank, world = _meet(place, patience)
        # What the launch before this one left, addresses of rank N for one, must not be found.
        store = dist.PrefixStore(f"slowfast/launch{next(_LAUNCHES)}", met)
        if store.add("started", 1) == world:
            store.set("all_started", "1")
        store.wait(["all_started"], patience)
        dist.init_process_group(
            self.backend,
            store=dist.PrefixStore("default_pg", store),
            rank=rank,
            world_size=world,
            timeout=datetime.timedelta(minutes=self.timeout_minutes),
        )


@cache
def _meet(place: str, patience: datetime.timedelta) -> tuple[dist.Store, int, int]:
    """The store of all launches of this process, its rank, and how many there are.

    Were it made anew for each, rank 0 could take the old one away from ranks that still need it.
    """
    return next(rendezvous("env://", timeout=patience))


def _record_flights(output_dir: str) -> None:
    """Let NCCL write its last collectives to ``nccl_rank_<N>`` when one of them times out."""
    folder = Path(output_dir).resolve()
    os.environ.setdefault("TORCH_NCCL_TRACE_BUFFER_SIZE", "2000")
    os.environ.setdefault("TORCH_NCCL_DUMP_ON_TIMEOUT", "1")
    os.environ.setdefault("TORCH_NCCL_DEBUG_INFO_TEMP_FILE", str(folder / "nccl_rank_"))


@dataclass(frozen=True)
class Call:
    """What a process is to run; the function is pickled by name."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    group: Group

    def write(self, path: Path) -> None:
        preparation = None
        if self.function.__module__ == "__main__":
            preparation = multiprocessing.spawn.get_preparation_data("slowfast")
            del preparation["authkey"]  # for pipes between processes, of which there are none
        path.write_bytes(pickle.dumps((preparation, pickle.dumps(self))))

    @classmethod
    def read(cls, path: Path) -> Call:
        preparation, call = pickle.loads(path.read_bytes())
        if preparation is not None:  # a script of the user's: it is imported under another name
            multiprocessing.spawn.prepare(preparation)
        return pickle.loads(call)


def result_path(folder: Path, rank: int) -> Path:
    return folder / f"result_rank{rank}"


def failure_path(folder: Path, rank: int) -> Path:
    return folder / f"failure_rank{rank}.json"


def main() -> None:
    """Run the call beside the folder of reports, as the rank of the environment."""
    folder, rank = Path(os.environ[REPORTS_VARIABLE]), int(os.environ["RANK"])
    _end_with_parent()
    faulthandler.enable()  # a crash of a C library leaves a stack in the log
    for number in STOP_SIGNALS:
        signal.signal(number, _stop_now)
    try:
        # They were held back until this process could say that it was they who ended it.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        call = Call.read(folder.parent / "call")
        result = call.group.run(call.function, call.args)
        # Only one answer is asked for, and others may be large.
        content = pickle.dumps(result if rank == 0 else None)
        _write(result_path(folder, rank), content)
    except BaseException as error:
        failure = Failure.of(error, rank=rank)
        _write(failure_path(folder, rank), json.dumps(failure.record()).encode())
        if rank:  # the launcher shows the one that matters on the console
            print(failure.traceback, file=sys.stderr, flush=True)
        sys.exit(1)


def _stop_now(number: int, frame: Any) -> None:
    """Until training handles signals itself there is nothing to be saved."""
    raise Stopped.by(number)


def _end_with_parent() -> None:
    """Ask Linux for SIGTERM when the launcher has died, by whatever; or end if it has already."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(signal.SIGTERM))
    if os.getppid() != int(os.environ.get(LAUNCHER_VARIABLE, os.getppid())):
        sys.exit("the launcher ended while this process was starting")


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(content)
    os.replace(part, path)
