"""Mirrors slowfast/engine/checkpoint/background.py."""

from __future__ import annotations

import threading

import pytest

from slowfast.engine.checkpoint.background import Background, Foreground


def test_a_job_in_the_foreground_is_done_at_once() -> None:
    done: list[int] = []
    Foreground().submit(lambda: done.append(1))
    assert done == [1]


def test_only_one_job_is_under_way() -> None:
    writer, go, order = Background(), threading.Event(), []

    def first() -> None:
        go.wait(10)
        order.append("first")

    writer.submit(first)
    assert order == [], "submit does not wait for its own job"
    threading.Timer(0.05, go.set).start()
    writer.submit(lambda: order.append("second"))
    writer.wait()
    assert order == ["first", "second"]


@pytest.mark.parametrize("how", ["check", "wait", "submit"])
def test_an_error_is_raised_once_by_whatever_comes_next(how: str) -> None:
    writer, done = Background(), threading.Event()

    def fail() -> None:
        try:
            raise ValueError("the disk is full")
        finally:
            done.set()

    writer.submit(fail)
    done.wait(10)
    writer._thread.join(10)
    with pytest.raises(ValueError, match="the disk is full"):
        writer.submit(fail) if how == "submit" else getattr(writer, how)()
    writer.wait()
    writer.check()
