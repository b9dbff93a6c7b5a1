"""How much of its time a thread needed a core: what waiting for a disk is told from."""

from __future__ import annotations

import time
from pathlib import Path

_SCHEDULER = Path("/proc/thread-self/schedstat")  # of Linux: nanoseconds on a core, and in line


def core_seconds(scheduler: Path = _SCHEDULER) -> float:
    """Seconds that this thread had a core or stood in line for one; only differences mean anything.

    Where the system does not tell how long it stood in line, only those that it had one.
    """
    return time.thread_time() + (_in_line(scheduler) or 0.0)


def tells_the_line(scheduler: Path = _SCHEDULER) -> bool:
    """Whether `core_seconds` counts the time in line."""
    return _in_line(scheduler) is not None


def _in_line(scheduler: Path) -> float | None:
    try:
        return int(scheduler.read_bytes().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return None
