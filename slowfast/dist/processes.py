"""The processes of this machine: started, watched, signalled and ended together."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from slowfast.dist.failure import Failure, first_cause
from slowfast.dist.output import log_path
from slowfast.dist.worker import STOP_SIGNALS, failure_path, result_path

_CODE = "from slowfast.dist.worker import main; main()"
_GRACE = 5.0  # seconds in which the cause shows after the first broken connection
_LEAVE = 60.0  # seconds for a process to end after its work is done


@dataclass(frozen=True)
class Place:
    """Where the processes of this machine belong in the world, in one attempt.

    Args:
        first_rank: of this machine.
        address, port: of the store through which all processes find each other.
        attempt: number of this attempt, the same on all machines.
    """

    first_rank: int
    world: int
    address: str
    port: int
    machine: int = 0
    attempt: int = 0
    variables: tuple[tuple[str, str], ...] = ()

    def environment(self, local_rank: int, local_world: int) -> dict[str, str]:
        """What torchrun would have set, for one process."""
        return {
            **os.environ,
            **{name: value for name, value in self.variables if name not in os.environ},
            "RANK": str(self.first_rank + local_rank),
            "WORLD_SIZE": str(self.world),
            "LOCAL_RANK": str(local_rank),
            "LOCAL_WORLD_SIZE": str(local_world),
            "GROUP_RANK": str(self.machine),
            "MASTER_ADDR": self.address,
            "MASTER_PORT": str(self.port),
            # The store is the launcher's, a new one in each attempt; rank 0 makes none.
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "TORCHELASTIC_RESTART_COUNT": str(self.attempt),
        }


class Processes:
    """Rank 0 writes to the console, every other one to ``stdout_rank<N>.log``.

    Args:
        folder: an empty one, for what processes report.
        output_dir: of the logs; None throws away what other ranks than 0 print.
    """

    def __init__(self, place: Place, count: int, *, folder: Path, output_dir: str | None) -> None:
        self._folder, self._first, self._count = folder, place.first_rank, count
        self._output_dir = Path(output_dir) if output_dir is not None else None
        self._done: dict[int, float] = {}
        self._failures: dict[int, Failure] = {}
        folder.mkdir(parents=True)
        # Signals wait until a process can handle them: in the seconds of its imports it can't.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        self._running: list[subprocess.Popen[bytes]] = []
        try:
            for local in range(count):
                self._running.append(self._start(place, local))
        except BaseException:
            self.kill()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)

    def _start(self, place: Place, local: int) -> subprocess.Popen[bytes]:
        environment = place.environment(local, self._count)
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        environment.setdefault("OMP_NUM_THREADS", str(max(cores // self._count, 1)))
        output = self._open_log(place.first_rank + local)
        try:
            return subprocess.Popen(
                # -P: no module is found in the current folder that this process would not find.
                [sys.executable, "-P", "-c", _CODE, str(self._folder)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in a terminal goes to the launcher alone, which passes it on once.
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()

    def _open_log(self, rank: int) -> IO[bytes] | None:
        if rank == 0:
            return None
        path = self.log(rank)
        if path is None:
            return open(os.devnull, "wb")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")

    def log(self, rank: int) -> Path | None:
        return log_path(self._output_dir, rank) if self._output_dir is not None else None

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._running]

    @property
    def failures(self) -> list[Failure]:
        """Of all processes that have failed so far; looks again at each of them."""
        for local in range(self._count):
            if local not in self._failures and local not in self._done:
                self._look_at(local)
        return list(self._failures.values())

    @property
    def finished(self) -> bool:
        """Whether all have done their work and ended."""
        if self.failures or len(self._done) < self._count:
            return False
        for local, process in enumerate(self._running):
            if process.poll() is None:
                if time.monotonic() - self._done[local] < _LEAVE:
                    return False
                _signal(process, signal.SIGKILL)  # its work is done and reported
        return True

    @property
    def all_ended(self) -> bool:
        return all(process.poll() is not None for process in self._running)

    def _look_at(self, local: int) -> None:
        rank, code = self._first + local, self._running[local].poll()
        log = str(self.log(rank) or "")
        said = failure_path(self._folder, rank)
        if said.exists():  # it may take long to end, or never
            failure = Failure.read(json.loads(said.read_text()), log=log)
            self._failures[local] = replace(failure, exit_code=code or 1)
        elif result_path(self._folder, rank).exists():
            self._done[local] = time.monotonic()
        elif code is not None:
            self._failures[local] = Failure(rank, code, time.time(), log=log)

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
        path = result_path(self._folder, 0)
        return pickle.loads(path.read_bytes()) if path.exists() else None

    def signal(self, number: int) -> None:
        """Pass a signal on to each process, but not to those that these have started."""
        for process in self._running:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    process.send_signal(number)

    def kill(self) -> None:
        """End all processes, and those that they have started, at once."""
        for process in self._running:
            _signal(process, signal.SIGKILL)
        for process in self._running:
            with suppress(subprocess.TimeoutExpired):  # it waits for a device that does not answer
                process.wait(_LEAVE)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To all of a process's session, its loader workers for one, even if it has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
