"""Mirrors slowfast/dist/watchdog.py."""

from __future__ import annotations

import time
from pathlib import Path

from slowfast.dist.watchdog import Watchdog, stacks_path


def test_a_process_that_hangs_writes_where(tmp_path: Path) -> None:
    path, dog = stacks_path(tmp_path / "run", 3), Watchdog()
    dog.start(path, timeout=0.1)
    for _ in range(200):
        time.sleep(0.05)
        if "test_a_process_that_hangs_writes_where" in path.read_text():
            break
    else:
        raise AssertionError("no stack was written")
    dog.stop()
    assert path.name == "stacks_rank3.txt"


def test_progress_puts_it_off_and_nothing_is_left(tmp_path: Path) -> None:
    path, dog = tmp_path / "stacks_rank0.txt", Watchdog()
    dog.progress()  # before it is armed: nothing
    dog.start(path, timeout=60)
    armed = dog._armed
    dog.progress()
    assert dog._armed == armed  # within a fiftieth of the limit: not worth a thread
    dog._armed -= 10
    dog.progress()
    assert dog._armed >= armed
    dog.stop()
    assert not path.exists()
