"""Mirrors slowfast/dist/supervise.py: with processes that only say how they end."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from slowfast.dist import supervise
from slowfast.dist.failure import Failure, ProcessFailed, Stopped
from slowfast.dist.processes import Place
from slowfast.dist.supervise import Supervisor

KILLED = Failure(1, -signal.SIGKILL, 1.0)
MISTAKE = Failure(0, 1, 1.0, kinds=("ConfigError", "ValueError"), message="set A to B")
BUG = Failure(0, 1, 1.0, kinds=("KeyError",), message="'nix'", traceback="Traceback\nKeyError")
SAVED = Failure(0, 1, 1.0, kinds=("Interrupted",), message="saved in a", stop_code=75)


@dataclass
class Pretend:
    """Processes of one attempt: they end with a failure, or well."""

    ending: Failure | None
    sent: list[int] = field(default_factory=list)
    killed: bool = False
    asks: int | None = None  # a signal that the launcher is sent meanwhile
    on_signal: Failure | None = None

    @property
    def failures(self) -> list[Failure]:
        if self.asks:
            number, self.asks = self.asks, None
            os.kill(os.getpid(), number)
        ending = self.on_signal if self.sent else self.ending
        return [ending] if ending else []

    @property
    def finished(self) -> bool:
        return not self.failures and self.on_signal is None

    @property
    def all_ended(self) -> bool:
        return bool(self.sent)

    def cause(self) -> Failure:
        return self.failures[0]

    def result(self) -> str:
        return "result"

    def signal(self, number: int) -> None:
        self.sent.append(number)

    def kill(self) -> None:
        self.killed = True


@dataclass
class Nobody:
    """One machine, or another one that says something."""

    news: Failure | None = None
    told_others: list[Failure] = field(default_factory=list)
    waits: list[bool] = field(default_factory=list)

    def meet(self) -> Place:
        return Place(0, 2, "here", 1)

    def someone_waits(self) -> bool:
        return self.waits.pop(0) if self.waits else False

    def told(self) -> Failure | None:
        return self.news

    def tell(self, failure: Failure) -> None:
        self.told_others.append(failure)

    def say_finished(self) -> None: ...

    def all_finished(self) -> bool:
        return not self.waits

    def leave(self) -> None: ...


def supervisor(
    endings: Sequence[Any], folder: Path | None = None, *, restarts: int = 3, meeting: Any = None
) -> tuple[Supervisor, list[Pretend]]:
    made = [each if isinstance(each, Pretend) else Pretend(each) for each in endings]
    left = iter(made)
    meeting = meeting or Nobody()
    return Supervisor(meeting, lambda place: next(left), restarts, folder), made  # type: ignore


def test_each_restart_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watched, made = supervisor([KILLED, BUG, None], tmp_path)
    assert watched.run() == "result"
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "rank 1 was killed by SIGKILL" in lines[0]
    assert lines[0].endswith("all start again from what is saved: restart 1 of 3")
    assert "rank 0: KeyError: 'nix'" in lines[1]
    assert "restart 2 of 3" in lines[1]
    assert (tmp_path / "stdout.log").read_text().splitlines() == lines
    assert all(each.killed for each in made)


def test_faults_end_the_run_when_no_restart_is_left() -> None:
    watched, made = supervisor([KILLED, KILLED, None], restarts=1)
    with pytest.raises(ProcessFailed, match=r"killed by SIGKILL.*no restart is left of 1$"):
        watched.run()
    assert not made[2].killed


def test_a_mistake_is_not_tried_again_and_the_others_are_told() -> None:
    meeting = Nobody()
    watched, made = supervisor([MISTAKE, None], meeting=meeting)
    with pytest.raises(ValueError, match=r"^set A to B$"):
        watched.run()
    assert not made[1].killed
    assert meeting.told_others == [MISTAKE]


def test_the_same_bug_is_tried_once() -> None:
    watched, _ = supervisor([BUG, BUG, None])
    with pytest.raises(ProcessFailed, match=r"(?s)Traceback.*failed in the same way before"):
        watched.run()


def test_stacks_of_this_attempt_are_named(tmp_path: Path) -> None:
    class Hanging(Pretend):
        @property
        def failures(self) -> list[Failure]:
            (tmp_path / "stacks_rank0.txt").write_text("Thread 0x1")
            (tmp_path / "stacks_rank1.txt").touch()
            return super().failures

    watched, _ = supervisor([Hanging(KILLED)], tmp_path, restarts=0)
    with pytest.raises(ProcessFailed, match=r"stacks are in \S*/stacks_rank0.txt$"):
        watched.run()
    assert not (tmp_path / "stacks_rank1.txt").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_is_passed_on_and_the_agreed_code_returned(number: int) -> None:
    before = signal.getsignal(number)
    watched, made = supervisor([Pretend(None, asks=number, on_signal=SAVED), None])
    with pytest.raises(Stopped, match=r"^saved in a$") as caught:
        watched.run()
    assert caught.value.exit_code == 75
    assert made[0].sent == [number]
    assert not made[1].killed
    assert signal.getsignal(number) == before


def test_processes_that_had_nothing_to_save_are_stopped_too() -> None:
    gone = Failure(0, -signal.SIGTERM, 1.0)
    watched, _ = supervisor([Pretend(None, asks=signal.SIGTERM, on_signal=gone)])
    with pytest.raises(Stopped, match="stopped by SIGTERM; the same command goes on") as caught:
        watched.run()
    assert caught.value.exit_code == 75


def test_a_second_signal_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "TWICE", 0.0)

    class Stubborn(Pretend):
        finished = False  # type: ignore[assignment]

        @property
        def all_ended(self) -> bool:
            os.kill(os.getpid(), signal.SIGINT)
            return False

    watched, made = supervisor([Stubborn(None, asks=signal.SIGINT)])
    with pytest.raises(Stopped) as caught:
        watched.run()
    assert caught.value.exit_code == 130
    assert made[0].killed


def test_what_never_saves_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "STOP_SECONDS", 0.1)

    class Stuck(Pretend):
        finished = False  # type: ignore[assignment]

        @property
        def all_ended(self) -> bool:
            return False

    watched, made = supervisor([Stuck(None, asks=signal.SIGTERM)])
    with pytest.raises(Stopped):
        watched.run()
    assert made[0].killed


def test_a_signal_at_the_very_end_is_not_lost() -> None:
    watched, _ = supervisor([Pretend(None, asks=signal.SIGTERM)])
    with pytest.raises(Stopped, match="stopped by SIGTERM"):
        watched.run()


def test_a_signal_while_machines_are_waited_for_ends_it() -> None:
    class Lonely(Nobody):
        def meet(self) -> Place:
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("went on")

    meeting = Lonely()
    watched, _ = supervisor([], meeting=meeting)
    with pytest.raises(Stopped):
        watched.run()
    assert meeting.told_others[0].stop_code == 75


def test_what_ended_another_machine_ends_this_one() -> None:
    watched, made = supervisor([Pretend(None)], meeting=Nobody(news=MISTAKE))
    with pytest.raises(ValueError, match="set A to B"):
        watched.run()
    assert made[0].killed


def test_processes_start_again_for_another_machine_without_counting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    watched, made = supervisor([None, None], restarts=0, meeting=Nobody(waits=[True]))
    assert watched.run() == "result"
    assert made[0].killed
    assert "another machine starts its processes again" in capsys.readouterr().out
