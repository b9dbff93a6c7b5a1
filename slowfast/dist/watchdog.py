"""Writes the stacks of all threads of a process that makes no progress."""

from __future__ import annotations

import faulthandler
import time
from pathlib import Path
from typing import IO

_SHARE = 0.9  # of the time-out of collectives: before one of them gives up and ends the process


class Watchdog:
    """Armed from `start` to `stop`; `progress` puts off the moment when it writes.

    It is a thread of C that needs no interpreter lock, so that it also tells of a process that
    waits within a collective or a kernel.
    """

    def __init__(self) -> None:
        self._file: IO[str] | None = None
        self._limit = 0.0
        self._armed = 0.0

    def start(self, path: Path, *, timeout: float) -> None:
        """Add to ``path`` when there was no `progress` for nearly ``timeout`` seconds."""
        self.stop()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a")
        self._limit = _SHARE * timeout
        self._arm()

    def progress(self) -> None:
        # Arming starts a thread, so that it is not done at each of many fast steps.
        if self._file is not None and time.monotonic() - self._armed > self._limit / 50:
            self._arm()

    def stop(self) -> None:
        if self._file is None:
            return
        faulthandler.cancel_dump_traceback_later()
        self._file.close()
        path = Path(self._file.name)
        if path.exists() and not path.stat().st_size:
            path.unlink()
        self._file = None

    def _arm(self) -> None:
        assert self._file is not None
        self._armed = time.monotonic()
        faulthandler.dump_traceback_later(self._limit, file=self._file)


WATCHDOG = Watchdog()


def progress() -> None:
    """Say that this process gets on: to be called in every loop that may take long."""
    WATCHDOG.progress()


def stacks_path(output_dir: str | Path, rank: int) -> Path:
    return Path(output_dir) / f"stacks_rank{rank}.txt"
