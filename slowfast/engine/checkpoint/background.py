"""Who writes a checkpoint: the loop, which waits; or a thread, beside which training goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol


class Writer(Protocol):
    """Runs jobs one after the other; errors of a job are raised by any of these, once."""

    def submit(self, job: Callable[[], None]) -> None: ...
    def check(self) -> None: ...
    def wait(self) -> None: ...


class Foreground:
    """A job is done when `submit` returns."""

    def submit(self, job: Callable[[], None]) -> None:
        job()

    def check(self) -> None:
        """There is nothing that could have failed meanwhile."""

    def wait(self) -> None:
        """There is nothing to wait for."""


class Background:
    """One job at a time runs in a thread; `submit` waits for the one before it."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def submit(self, job: Callable[[], None]) -> None:
        self.wait()
        # Whoever ends without `wait` is ending because of an error: nothing should hold it up.
        self._thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what the job raised, if it has; never wait."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def wait(self) -> None:
        """Wait for the job and raise what it raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.check()

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            self._error = error
