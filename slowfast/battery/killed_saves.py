"""Cuts a save off: kills its process after so many bytes and renames, or lets the disk be full."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Cut:
    """Counts what a save does to the disk, bytes written and renames, and stops it there.

    Args:
        after: bytes and renames that are let through.
        stop: what happens then.
    """

    def __init__(self, after: float, stop: Callable[[], None]) -> None:
        self.left, self.stop = after, stop
        self.done = 0
        self.renames: list[int] = []  # what was done before each of them

    def write(self, file: Any, data: Any) -> int:
        allowed = int(min(len(data), self.left))
        file.write(data[:allowed])
        self._count(allowed)
        if allowed < len(data):
            file.flush()
            self.stop()
        return len(data)

    def before_rename(self) -> None:
        self.renames.append(self.done)
        if self.left < 1:
            self.stop()
        self._count(1)

    def _count(self, number: int) -> None:
        self.left -= number
        self.done += number


class _File:
    """A file open for writing, whose writes are counted."""

    def __init__(self, file: Any, cut: Cut) -> None:
        self._file, self._cut = file, cut

    def write(self, data: Any) -> int:
        return self._cut.write(self._file, data)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def cutting(cut: Cut) -> Iterator[Cut]:
    """Within it, `Path.open` and renames of this process are counted."""
    real_open, real_replace, real_rename = Path.open, os.replace, os.rename

    def opened(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = real_open(path, mode, *args, **kwargs)
        return _File(file, cut) if "w" in mode else file

    def counted(rename: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any, **kwargs: Any) -> None:
            cut.before_rename()
            rename(*args, **kwargs)

        return call

    Path.open = opened  # type: ignore[assignment,method-assign]
    os.replace, os.rename = counted(real_replace), counted(real_rename)
    try:
        yield cut
    finally:
        Path.open = real_open  # type: ignore[method-assign]
        os.replace, os.rename = real_replace, real_rename


def extent(save: Callable[[], None]) -> Cut:
    """How much a save does, without stopping it."""
    with cutting(Cut(float("inf"), stop=lambda: None)) as cut:
        save()
    return cut


def offsets(cut: Cut, count: int) -> list[int]:
    """Where to cut: before and after each rename, and spread evenly over the rest."""
    edges = {place for rename in cut.renames for place in (rename, rename + 1)}
    edges = {place for place in edges if place < cut.done}
    spread = max(count - len(edges), 0)
    even = {i * cut.done // max(spread, 1) for i in range(spread)}
    return sorted(edges | even)[:count]


def kill_at(offset: int, save: Callable[[], None]) -> bool:
    """Save in a process that is killed there; whether it was."""

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        try:
            with cutting(Cut(offset, kill)):
                save()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def fill_at(offset: int, save: Callable[[], None]) -> str:
    """Save on a disk that is full there; the message of the error, which must be a ValueError."""

    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    try:
        with cutting(Cut(offset, full)):
            save()
    except ValueError as error:
        return str(error)
    return ""
