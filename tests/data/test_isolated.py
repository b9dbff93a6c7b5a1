"""Mirrors slowfast/data/isolated.py: whatever an item does, the others come through."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from slowfast.data.isolated import Limits, run_isolated

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


def test_nothing_to_do_starts_nothing() -> None:
    assert list(run_isolated(misbehave, [], workers=4)) == []
