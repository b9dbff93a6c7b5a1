"""One console: what other ranks than 0 print goes to files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def log_path(output_dir: str | Path, rank: int) -> Path:
    """The log of a rank: what it logs, and what it and its libraries print."""
    return Path(output_dir) / (f"stdout_rank{rank}.log" if rank else "stdout.log")


@contextmanager
def printed_to_log(output_dir: str | None, rank: int) -> Iterator[None]:
    """Send what this process prints, C libraries and warnings too, to the log of its rank.

    Rank 0 keeps the console, and so do all without ``output_dir``. For processes that somebody
    else has started; those of `launch` are started that way. An error that is raised within is
    shown on the console.
    """
    if rank == 0 or output_dir is None:
        yield
        return
    path = log_path(output_dir, rank)
    path.parent.mkdir(parents=True, exist_ok=True)
    _flush()
    kept = [os.dup(number) for number in (1, 2)]
    with path.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        _flush()
        for number, console in zip((1, 2), kept, strict=True):
            os.dup2(console, number)
            os.close(console)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
