"""PyTorch's elastic agent: it starts the processes of this machine, and again after a fault."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from torch.distributed.elastic.agent.server.api import (
    RunResult,
    WorkerGroup,
    WorkerSpec,
    WorkerState,
)
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent

from slowfast.dist.failure import Failure, Stopped
from slowfast.dist.meeting import Meeting
from slowfast.dist.processes import CODE, Processes
from slowfast.dist.watchdog import stacks_path
from slowfast.dist.worker import STOP_SIGNALS
from slowfast.log import line_format, write_line

STOP_SECONDS = 150.0  # that processes have to agree on a step and to save it
_STRAGGLE = 20.0  # after one of them has ended otherwise, the others can't agree
TWICE = 1.0  # seconds in which a second signal is the first one again
_EXIT_SECONDS = 10.0  # that machines which have all finished wait for each other
_POLL = 0.05


class Signals:
    """The first signal is remembered, and handled by the loop; a second one ends all at once."""

    def __init__(self) -> None:
        self.asked = 0
        self.again = False
        self.idle = True  # no process runs that would have something to save
        self._since = 0.0
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        names = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores one of them
                    self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        # Some are sent twice: to a process and to its group.
        self.again = bool(self.asked) and now - self._since > TWICE
        self._since = self._since if self.asked else now
        # A terminal that was closed asks for what a scheduler asks for.
        number = signal.SIGTERM if number == getattr(signal, "SIGHUP", 0) else number
        self.asked = self.asked or number
        if self.idle:
            raise Stopped.by(number)


class Agent(LocalElasticAgent):
    """The agent of torchrun, which ends processes at once and knows what needs no second try.

    Only the methods are replaced that an agent of one's own has to have. An exception that one of
    them raises ends the run, and with it the processes.
    """

    def __init__(
        self,
        meeting: Meeting,
        processes: Processes,
        signals: Signals,
        *,
        count: int,
        max_restarts: int,
        output_dir: Path | None = None,
    ) -> None:
        spec = WorkerSpec(
            role="slowfast",
            local_world_size=count,
            rdzv_handler=meeting,
            entrypoint=sys.executable,
            # -P: no module is found in the current folder that this process would not find.
            args=("-P", "-c", CODE),
            max_restarts=max_restarts,
        )
        super().__init__(spec, logs_specs=processes, exit_barrier_timeout=_EXIT_SECONDS)
        self._meeting, self._processes, self._signals = meeting, processes, signals
        self._output_dir = output_dir
        self._last: Failure | None = None
        self._since = 0.0

    def launch(self) -> Any:
        """What rank 0 returned, or None on another machine than its own.

        Raises:
            ValueError: a user's mistake, on whatever rank.
            Stopped: a signal came; what there was to save is saved.
            ProcessFailed: a bug, or more faults than restarts.
        """
        # PyTorch would put its own handlers of signals in the place of ours; of this name it finds
        # none, and says so, as it tells each restart, to a log that nobody is to see.
        os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = "NONE"
        elastic = logging.getLogger("torch.distributed.elastic")
        elastic.handlers, elastic.propagate = [logging.NullHandler()], False
        try:
            result = self.run()
        finally:
            self._meeting.shutdown()
        if self._signals.asked:  # all is done, but what follows is not begun
            raise Stopped.by(self._signals.asked)
        return self._processes.result() if result is not None else None

    def _start_workers(self, worker_group: WorkerGroup) -> dict[int, Any]:
        self._processes.variables = self._meeting.variables
        self._since, self._signals.idle = time.time(), False
        # Signals wait until a process can handle them: in the seconds of its imports it can't.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            ids = super()._start_workers(worker_group)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
        handlers = self._pcontext.subprocess_handlers  # type: ignore[union-attr]
        self._processes.started({local: handler.proc for local, handler in handlers.items()})
        return dict(ids)

    def _stop_workers(self, worker_group: WorkerGroup) -> None:
        if worker_group.state == WorkerState.HEALTHY:
            self._say("another machine starts its processes again, and so does this one")
        self._shutdown()

    def _shutdown(self, *args: Any, **settings: Any) -> None:
        """End all processes at once: PyTorch would wait half a minute for those that hang."""
        self._processes.kill()
        super()._shutdown(signal.SIGKILL)
        self._signals.idle = True

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        if self._signals.asked:
            failure = self._stop()
            self._meeting.tell(failure)
            raise failure.error()
        told = self._meeting.told()
        if told is not None:
            raise told.error(" on another machine")
        if self._processes.failures:
            failure = self._processes.cause()
            self._shutdown()
            self._judge(failure, self._stacks(worker_group))
            return RunResult(WorkerState.FAILED)
        if self._processes.finished and self._meeting.all_finished():
            ranks = [worker.global_rank for worker in worker_group.workers]
            return RunResult(WorkerState.SUCCEEDED, return_values=dict.fromkeys(ranks))
        return RunResult(WorkerState.HEALTHY)

    def _stop(self) -> Failure:
        """Pass the signal on and wait until the processes have saved."""
        processes = self._processes
        processes.signal(self._signals.asked)
        end = time.monotonic() + STOP_SECONDS
        straggling = False
        while not processes.all_ended and time.monotonic() < end and not self._signals.again:
            # One that could not agree any more; whoever waits for it is not waited for long.
            if not straggling and any(f.stop_code is None for f in processes.failures):
                straggling, end = True, min(end, time.monotonic() + _STRAGGLE)
            time.sleep(_POLL)
        failures = processes.failures
        agreed = [failure for failure in failures if failure.stop_code is not None]
        if agreed:
            return agreed[0]
        mistakes = [failure for failure in failures if failure.of_user]
        if mistakes:
            return mistakes[0]
        return Failure.of(Stopped.by(self._signals.asked), rank=0)

    def _judge(self, failure: Failure, stacks: str) -> None:
        """Return if the processes are to start again; say why."""
        if failure.final:
            self._meeting.tell(failure)
            raise failure.error()
        most, left = self._worker_group.spec.max_restarts, self._remaining_restarts
        if failure.repeats(self._last):
            note = "; it failed in the same way before, so it is not started again"
        elif not left:
            note = f"; no restart is left of {most}" if most else ""
        else:
            again = f"restart {most - left + 1} of {most}"
            self._say(f"{failure.line()}{stacks}; all start again from what is saved: {again}")
            self._last = failure
            return
        self._meeting.tell(failure)
        raise failure.error(f"{stacks}{note}")

    def _stacks(self, worker_group: WorkerGroup) -> str:
        """Which files tell where ranks hung in this attempt; those of killed ones are empty."""
        if self._output_dir is None:
            return ""
        written = []
        for rank in range(worker_group.workers[0].world_size):
            path = stacks_path(self._output_dir, rank)
            with suppress(OSError):
                found = path.stat()
                if not found.st_size:
                    path.unlink()
                elif found.st_mtime >= self._since:
                    written.append(str(path))
        return f"; stacks are in {', '.join(written)}" if written else ""

    def _say(self, text: str) -> None:
        """A line on the console and in the log of the run; no process of it is running."""
        record = logging.LogRecord("slowfast", logging.WARNING, "", 0, text, None, None)
        line = line_format().format(record)
        write_line(line)
        if self._output_dir is not None and self._output_dir.is_dir():
            with suppress(OSError), (self._output_dir / "stdout.log").open("a") as file:
                file.write(f"{line}\n")
