"""Starts the processes of this machine, passes signals on, and starts again after a fault."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol

from slowfast.dist.failure import Failure, ProcessFailed, Stopped
from slowfast.dist.processes import Place, Processes
from slowfast.dist.watchdog import stacks_path
from slowfast.log import line_format

STOP_SECONDS = 150.0  # that processes have to agree on a step and to save it
_STRAGGLE = 20.0  # after one of them has ended otherwise, the others can't agree
TWICE = 1.0  # seconds in which a second signal is the first one again
_POLL = 0.05


class Meeting(Protocol):
    """Where machines meet; `Alone` needs no other, `Together` are several."""

    def meet(self) -> Place: ...
    def someone_waits(self) -> bool: ...
    def told(self) -> Failure | None: ...
    def tell(self, failure: Failure) -> None: ...
    def say_finished(self) -> None: ...
    def all_finished(self) -> bool: ...
    def leave(self) -> None: ...


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


@dataclass
class Supervisor:
    """One launch on this machine.

    Args:
        start: the processes of an attempt.
        max_restarts: how often all start again after a fault of this machine's.
    """

    meeting: Meeting
    start: Callable[[Place], Processes]
    max_restarts: int
    output_dir: Path | None = None
    _restarts: int = 0
    _last: Failure | None = None
    _signals: Signals = field(default_factory=Signals)

    def run(self) -> Any:
        """What rank 0 returned, or None on another machine than its own.

        Raises:
            ValueError: a user's mistake, on whatever rank.
            Stopped: a signal came; what there was to save is saved.
            ProcessFailed: a bug, or more faults than restarts.
        """
        with self._signals:
            while True:
                place = self._meet()
                since = time.time()
                self._signals.idle = False
                processes = self.start(place)
                try:
                    ending = self._watch(processes)
                    if ending == "done":
                        self.meeting.leave()
                        if self._signals.asked:  # all is done, but what follows is not begun
                            raise Stopped.by(self._signals.asked)
                        return processes.result()
                finally:
                    processes.kill()
                    self._signals.idle = True
                if isinstance(ending, Failure):
                    self._judge(ending, self._stacks(place, since))
                else:
                    self._say("another machine starts its processes again, and so does this one")

    def _meet(self) -> Place:
        try:
            return self.meeting.meet()
        except (ValueError, Stopped) as error:
            self.meeting.tell(Failure.of(error, rank=-1))
            raise

    def _watch(self, processes: Processes) -> Failure | Literal["done", "again"]:
        """Until all is done, or one has failed, or another machine waits to start again."""
        said = False
        while True:
            time.sleep(_POLL)
            if self._signals.asked:
                return self._stop(processes)
            told = self.meeting.told()
            if told is not None:
                raise told.error(" on another machine")
            if processes.failures:
                return processes.cause()
            if processes.finished:
                if not said:
                    self.meeting.say_finished()
                    said = True
                if self.meeting.all_finished():
                    return "done"
            if self.meeting.someone_waits():
                return "again"

    def _stop(self, processes: Processes) -> Failure:
        """Pass the signal on and wait until the processes have saved."""
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
            self.meeting.tell(failure)
            raise failure.error()
        again = f"restart {self._restarts + 1} of {self.max_restarts}"
        if failure.repeats(self._last):
            note = "; it failed in the same way before, so it is not started again"
        elif self._restarts >= self.max_restarts:
            note = f"; no restart is left of {self.max_restarts}" if self.max_restarts else ""
        else:
            self._say(f"{failure.line()}{stacks}; all start again from what is saved: {again}")
            self._restarts, self._last = self._restarts + 1, failure
            return
        self.meeting.tell(failure)
        raise failure.error(f"{stacks}{note}")

    def _stacks(self, place: Place, since: float) -> str:
        """Which files tell where ranks hung in this attempt; those of killed ones are empty."""
        if self.output_dir is None:
            return ""
        written = []
        for path in (stacks_path(self.output_dir, rank) for rank in range(place.world)):
            with suppress(OSError):
                found = path.stat()
                if not found.st_size:
                    path.unlink()
                elif found.st_mtime >= since:
                    written.append(str(path))
        return f"; stacks are in {', '.join(written)}" if written else ""

    def _say(self, text: str) -> None:
        """A line on the console and in the log of the run; no process of it is running."""
        record = logging.LogRecord("slowfast", logging.WARNING, "", 0, text, None, None)
        line = line_format().format(record)
        print(line, file=sys.stdout, flush=True)
        if self.output_dir is not None and self.output_dir.is_dir():
            with suppress(OSError), (self.output_dir / "stdout.log").open("a") as file:
                file.write(f"{line}\n")


__all__ = ["Meeting", "ProcessFailed", "Signals", "Supervisor"]
