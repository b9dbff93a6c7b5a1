"""Mirrors slowfast/engine/stop.py."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import Tensor

from slowfast import dist
from slowfast.engine.stop import (
    GRACE,
    SIGNALS,
    Interrupted,
    PassCutShort,
    StoppableLoader,
    StopSignal,
    StopVote,
    agree_to_stop,
    agreed,
)

CPU = torch.device("cpu")
ctrl_c = signal.default_int_handler


@pytest.fixture
def stop() -> Iterator[StopSignal]:
    stop = StopSignal()
    yield stop
    stop.restore()


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGUSR1, 75)]
)
def test_signals_have_exit_codes_that_schedulers_know(
    number: int, code: int, stop: StopSignal, capfd: pytest.CaptureFixture[str]
) -> None:
    send(number)
    assert stop.asked == number
    error = Interrupted(number, Path("here.pyth"))
    assert error.exit_code == code
    name = signal.Signals(number).name
    assert str(error).startswith(f"stopped by {name}; the state is in here.pyth, and the same")
    assert capfd.readouterr().err == f"{name}: saving after this step\n"


def test_one_process_obeys_the_second_signal_at_once(stop: StopSignal) -> None:
    send(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_handlers_are_put_back_but_not_while_one_of_several_processes_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def handler_after(error: Exception | None) -> object:
        with suppress(ValueError), StopSignal():
            if error is not None:
                raise error
        return signal.getsignal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    assert handler_after(None) is before
    assert handler_after(ValueError()) is before
    monkeypatch.setattr(dist, "world_size", lambda: 2)
    assert handler_after(None) is before
    assert handler_after(ValueError()) is not before
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else ctrl_c)


def test_several_processes_obey_it_only_when_the_first_had_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dist, "world_size", lambda: 2)
    stop = StopSignal()
    send(signal.SIGTERM)
    send(signal.SIGINT)  # the launcher passes on what the terminal had sent to all
    send(signal.SIGTERM)
    assert stop.asked == signal.SIGTERM
    later = time.monotonic() + GRACE + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_all_obey_the_same_signal() -> None:
    assert agreed([0.0] * len(SIGNALS)) == 0
    assert agreed([0.0, 2.0, 1.0]) == signal.SIGTERM
    assert agreed([1.0, 0.0, 1.0]) == signal.SIGINT


def test_votes_are_counted_with_those_of_others(
    stop: StopSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def begin_sum(mine: Tensor) -> Callable[[], Tensor]:
        asked.append(1)
        other = torch.tensor([0.0, 0.0, float(len(asked) == 2)], dtype=mine.dtype)
        return lambda: mine + other

    monkeypatch.setattr(dist, "begin_sum", begin_sum)
    vote = StopVote(stop, CPU, votes=3)
    assert [vote(), vote(), vote()] == [False, True, True]
    assert vote.number == signal.SIGUSR1
    assert len(asked) == 2  # nobody is asked again
    late = StopVote(stop, CPU, votes=1)
    assert [late(), late()] == [False, False]  # a rank with a batch more than the others
    assert len(asked) == 3
    assert agree_to_stop(stop, CPU) == 0


def test_a_pass_is_cut_short_for_all(stop: StopSignal) -> None:
    loader = StoppableLoader([10, 20, 30, 40], StopVote(stop, CPU, votes=9))
    seen = []

    def take() -> None:
        for item in loader:
            seen.append(item)
            if item == 20:
                send(signal.SIGTERM)

    with pytest.raises(PassCutShort):
        take()
    assert seen == [10, 20]
    assert len(loader) == 4
