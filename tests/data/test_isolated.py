"""Mirrors slowfast/data/isolated.py: whatever an item does, the others come through."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slowfast.data.isolated import Limits, _serve, run_isolated

FORK = multiprocessing.get_context("fork")  # starts at once
LIMITS = Limits(seconds=1.5, megabytes=300)


def misbehave(item: str) -> int:
    if item == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "leave":
        os._exit(3)
    if item == "hang":
        time.sleep(60)
    if item == "eat":
        return len(bytearray(1 << 30))
    if item == "raise":
        raise KeyError("no such thing")
    if item == "full":
        raise OSError(errno.ENOSPC, "No space left on device", "out.mp4")
    return len(item)


def test_crash_hang_and_hunger_cost_one_item_each() -> None:
    items = ["one", "crash", "hang", "two", "leave", "eat", "three"]
    begin = time.monotonic()
    found = {o.item: o for o in run_isolated(misbehave, items, workers=2, limits=LIMITS)}
    assert time.monotonic() - begin < 60
    assert [found[name].value for name in ("one", "two", "three")] == [3, 3, 5]
    assert not any(found[name].lost for name in ("one", "two", "three"))
    assert found["crash"].lost == "the decoder crashed (SIGSEGV)"
    assert found["hang"].lost == "no end after 1.5 s"
    assert found["leave"].lost == "the decoder ended its process (exit code 3)"
    if sys.platform == "linux":
        assert found["eat"].lost == "takes more than 300 MB of memory"


def test_a_bug_is_raised() -> None:
    with pytest.raises(RuntimeError, match="'raise': KeyError: 'no such thing'"):
        list(run_isolated(misbehave, ["raise"], limits=LIMITS))


def test_a_full_disk_is_told_as_such() -> None:
    with pytest.raises(OSError, match=r"No space left on device: 'out.mp4'"):
        list(run_isolated(misbehave, ["full"], limits=LIMITS))


def wait_long(file: str) -> None:
    Path(file).write_text(str(os.getpid()))
    time.sleep(120)


def serve_and_wait(file: str) -> None:
    ours, theirs = FORK.Pipe()
    FORK.Process(target=_serve, args=(wait_long, theirs, 4096)).start()
    ours.send(file)
    time.sleep(120)


def test_workers_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    """An orphan would write the same files as the workers of the command that goes on."""
    file = tmp_path / "pid"
    parent = FORK.Process(target=serve_and_wait, args=(str(file),))
    parent.start()
    until(lambda: file.exists() and file.read_text())
    parent.kill()
    parent.join()
    until(lambda: not is_running(int(file.read_text())))


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_nothing_to_do_starts_nothing() -> None:
    assert list(run_isolated(misbehave, [], workers=4)) == []
