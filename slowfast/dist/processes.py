"""The processes of this machine: what they are given, what they report, and how they end."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing import LogsDest, LogsSpecs

from slowfast.dist.address import Variables
from slowfast.dist.failure import Failure, first_cause
from slowfast.dist.output import log_path
from slowfast.dist.worker import (
    LAUNCHER_VARIABLE,
    LOGS_VARIABLE,
    REPORTS_VARIABLE,
    failure_path,
    result_path,
)

# What is printed before PyTorch is there belongs to the log of a rank, too.
CODE = f"""
import os
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
from slowfast.dist.output import printed_to_log
with printed_to_log(os.environ.get("{LOGS_VARIABLE}"), int(os.environ["RANK"])):
    from slowfast.dist.worker import main
    main()
"""
_GRACE = 5.0  # seconds in which the cause shows after the first broken connection
_LEAVE = 60.0  # seconds for a process to end after its work is done


class Processes(LogsSpecs):
    """Those of one attempt after the other, each the leader of a session.

    Rank 0 writes to the console, every other one to ``stdout_rank<N>.log``.

    Args:
        folder: of the call and, in a folder an attempt, of what processes report.
        output_dir: of the logs; None throws away what other ranks than 0 print.
    """

    def __init__(self, folder: Path, output_dir: Path | None) -> None:
        super().__init__()
        self.variables: Variables = ()  # of this attempt, for what the environment does not say
        self._folder, self._output_dir = folder, output_dir
        self._attempt = 0
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def reify(self, envs: dict[int, dict[str, str]]) -> LogsDest:
        """Complete the environment of each process; PyTorch calls it at every start."""
        self._attempt += 1
        self._done: dict[int, float] = {}
        self._failures: dict[int, Failure] = {}
        self._reports.mkdir()
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        ours = {"OMP_NUM_THREADS": str(max(cores // len(envs), 1)), **dict(self.variables)}
        ours = {name: value for name, value in ours.items() if name not in os.environ}
        ours["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        ours[REPORTS_VARIABLE] = str(self._reports)
        ours[LAUNCHER_VARIABLE] = str(os.getpid())
        if self._output_dir is not None:
            self._output_dir.mkdir(parents=True, exist_ok=True)
            ours[LOGS_VARIABLE] = str(self._output_dir)
        for env in envs.values():
            env.update(ours)
        self._ranks = [int(envs[local]["RANK"]) for local in sorted(envs)]
        silent = self._output_dir is None
        outputs = {i: os.devnull if silent and r else "" for i, r in enumerate(self._ranks)}
        return LogsDest(stdouts=outputs, stderrs=outputs)

    def started(self, running: Mapping[int, subprocess.Popen[bytes]]) -> None:
        """Watch the processes, by local rank, that PyTorch has made in that environment."""
        self._running = {self._ranks[local]: process for local, process in running.items()}

    @property
    def root_log_dir(self) -> str:
        return str(self._folder)

    @property
    def _reports(self) -> Path:
        return self._folder / f"attempt{self._attempt}"

    @property
    def failures(self) -> list[Failure]:
        """Of all processes that have failed so far; looks again at each of them."""
        for rank in self._running.keys() - self._failures.keys() - self._done.keys():
            self._look_at(rank)
        return list(self._failures.values())

    @property
    def finished(self) -> bool:
        """Whether all have done their work and ended."""
        if self.failures or len(self._done) < len(self._running):
            return False
        for rank, process in self._running.items():
            if process.poll() is None:
                if time.monotonic() - self._done[rank] < _LEAVE:
                    return False
                _kill(process)  # its work is done and reported
        return True

    @property
    def all_ended(self) -> bool:
        return all(process.poll() is not None for process in self._running.values())

    def _look_at(self, rank: int) -> None:
        code = self._running[rank].poll()
        log = str(log_path(self._output_dir, rank)) if self._output_dir is not None else ""
        said = failure_path(self._reports, rank)
        if said.exists():  # it may take long to end, or never
            failure = Failure.read(json.loads(said.read_text()), log=log)
            self._failures[rank] = replace(failure, exit_code=code or 1)
        elif result_path(self._reports, rank).exists():
            self._done[rank] = time.monotonic()
        elif code is not None:
            self._failures[rank] = Failure(rank, code, time.time(), log=log)

    def cause(self) -> Failure:
        """The failure that the others follow from; it may show after them."""
        end = time.monotonic() + _GRACE
        while time.monotonic() < end and not self.all_ended:
            if not all(failure.follows for failure in self.failures):
                break
            time.sleep(0.05)
        return first_cause(self.failures)

    def result(self) -> Any:
        """What rank 0 returned; None on a machine that has not got it."""
        path = result_path(self._reports, 0)
        return pickle.loads(path.read_bytes()) if path.exists() else None

    def signal(self, number: int) -> None:
        """Pass a signal on to each process, but not to those that these have started."""
        for process in self._running.values():
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    process.send_signal(number)

    def kill(self) -> None:
        """End all processes, and those that they have started, at once."""
        for process in self._running.values():
            _kill(process)
        self._running = {}  # once only: their numbers may be given to others


def _kill(process: subprocess.Popen[bytes]) -> None:
    """All of a process's session, its loader workers for one, even if it has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
