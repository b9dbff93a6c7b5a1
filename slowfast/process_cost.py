"""What a block of code takes of this process: time, and memory that only this process has."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cost:
    """What a block took: seconds, and MB at its highest on top of what was there before."""

    seconds: float = 0.0
    megabytes: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Time and memory of a block; memory on Linux only.

    Memory that is shared with other processes at the end, which is what a loader's worker sends,
    does not count.
    """
    cost = Cost()
    # Garbage of before, and memory that malloc() keeps for later, would hide what the block takes.
    gc.collect()
    _give_back_memory()
    _forget_peak()
    before, shared = status("VmRSS"), status("RssShmem")
    begin = time.monotonic()
    try:
        yield cost
    finally:
        cost.seconds = time.monotonic() - begin
        taken = status("VmHWM") - before - (status("RssShmem") - shared)
        cost.megabytes = max(taken, 0) / 1024


def status(name: str) -> int:
    """A field of /proc/self/status in kB; 0 where there is none."""
    file = Path("/proc/self/status")
    if not file.is_file():
        return 0
    fields = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
    return int(fields[name].split()[0])


def _give_back_memory() -> None:
    """Free memory of the heap to the kernel, where the C library is glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _forget_peak() -> None:
    file = Path("/proc/self/clear_refs")
    if file.exists() and os.access(file, os.W_OK):
        file.write_text("5")  # see proc(5): the peak becomes what is used now
