"""Mirrors slowfast/dist/agent.py: PyTorch's agent, with processes that import nothing heavy."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from torch.distributed import HashStore
from torch.distributed.elastic.rendezvous import RendezvousInfo, RendezvousStoreInfo

from slowfast.dist import agent
from slowfast.dist.agent import Agent, Signals
from slowfast.dist.failure import Failure, ProcessFailed, Stopped
from slowfast.dist.processes import Processes

MISTAKE = "failed('ConfigError', 'ValueError', said='set A to B')"
BUG = "failed('KeyError', said='nix')"
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
TO_LAUNCHER = "os.kill(os.getppid(), signal.{})"


@dataclass
class Nobody:
    """One machine, or another one that says something."""

    news: Failure | None = None
    told_others: list[Failure] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    rounds: int = 0
    variables: tuple[tuple[str, str], ...] = ()
    use_agent_store = True

    def next_rendezvous(self) -> RendezvousInfo:
        self.rounds += 1
        return RendezvousInfo(HashStore(), 0, 1, RendezvousStoreInfo("here", 1))

    def get_run_id(self) -> str:
        return "run"

    def get_backend(self) -> str:
        return "none"

    def num_nodes_waiting(self) -> int:
        return self.waiting.pop() if self.waiting else 0

    def told(self) -> Failure | None:
        return self.news

    def tell(self, failure: Failure) -> None:
        self.told_others.append(failure)

    def all_finished(self) -> bool:
        return True

    def shutdown(self) -> bool:
        return True


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: str) -> Callable[..., Any]:
    """Ranks 0 and 1 run some code, until the agent is done with them."""

    def run(code: str, meeting: Any = None, *, restarts: int = 3, logs: Path | None = None) -> Any:
        monkeypatch.setattr(agent, "CODE", report + code)
        with Signals() as signals:
            return Agent(
                meeting or Nobody(),
                Processes(tmp_path, logs),
                signals,
                count=2,
                max_restarts=restarts,
                output_dir=logs,
            ).launch()

    return run


def attempts(folder: Path) -> int:
    return len(list(folder.glob("attempt*")))


def test_each_restart_is_one_line(
    launch: Callable[..., Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logs = tmp_path / "run"
    first, second = f"if attempt == 1 and rank: {KILLED}", f"if attempt == 2: rank or {BUG}"
    last = "if attempt < 3: time.sleep(60)"
    assert launch(f"{first}\n{second}\n{last}\ndone('result')", logs=logs) == "result"
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "rank 1 was killed by SIGKILL" in lines[0]
    assert lines[0].endswith("all start again from what is saved: restart 1 of 3")
    assert "rank 0: KeyError: nix" in lines[1]
    assert "restart 2 of 3" in lines[1]
    assert (logs / "stdout.log").read_text().splitlines() == lines
    assert attempts(tmp_path) == 3


def test_faults_end_the_run_when_no_restart_is_left(
    launch: Callable[..., Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ProcessFailed, match=r"killed by SIGKILL.*no restart is left of 1$"):
        launch(KILLED, restarts=1)
    assert attempts(tmp_path) == 2
    assert capfd.readouterr().err == "", "PyTorch's report is shown"


def test_a_mistake_is_not_tried_again_and_the_others_are_told(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    meeting = Nobody()
    with pytest.raises(ValueError, match=r"^set A to B$"):
        launch(MISTAKE, meeting)
    assert [failure.message for failure in meeting.told_others] == ["set A to B"]
    assert attempts(tmp_path) == 1


def test_the_same_bug_is_tried_once(launch: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match=r"(?s)Traceback.*failed in the same way before"):
        launch(BUG)
    assert attempts(tmp_path) == 2


def test_all_end_at_once_with_what_they_have_started(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    """One is stopped and has a child, the other fails; PyTorch would ask them with SIGTERM."""
    code = (
        "signal.signal(signal.SIGTERM, lambda number, frame: (out / 'asked').touch())\n"
        "child = os.fork()\n"
        "(out / f'pid{os.getpid()}').touch()\n"
        "if rank == 0: os.kill(os.getpid(), signal.SIGSTOP)\n"
        "while child and len(list(out.glob('pid*'))) < 4: time.sleep(0.01)\n"
        f"{MISTAKE} if child else time.sleep(60)"
    )
    with pytest.raises(ValueError, match="set A to B"):
        launch(code)
    pids = [int(path.name.removeprefix("pid")) for path in tmp_path.glob("pid*")]
    assert len(pids) == 4
    for pid in pids:
        wait(lambda pid=pid: has_ended(pid))
    assert not (tmp_path / "asked").exists()


def wait(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def has_ended(pid: int) -> bool:
    """Gone, or waiting for somebody to ask how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_stacks_of_this_attempt_are_named(launch: Callable[..., Any], tmp_path: Path) -> None:
    code = "(out / 'stacks_rank0.txt').write_text('Thread'); (out / 'stacks_rank1.txt').touch()\n"
    with pytest.raises(ProcessFailed, match=r"stacks are in \S*/stacks_rank0.txt$"):
        launch(code + KILLED, logs=tmp_path, restarts=0)
    assert not (tmp_path / "stacks_rank1.txt").exists()


SAVES = (
    "def save(number, frame): (out / f'got{rank}').write_text(str(number)); "
    "failed('Interrupted', said='saved in a', stop_code=75)\n"
    "for number in STOP: signal.signal(number, save)\n"
)
READY = (
    "signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)\n(out / f'ready{rank}').touch()\n"
    "while len(list(out.glob('ready*'))) < 2: time.sleep(0.01)\n"
)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1", "SIGHUP"])
def test_a_signal_is_passed_on_and_the_agreed_code_returned(
    launch: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    number = getattr(signal, name)
    before, meeting = signal.getsignal(number), Nobody()
    ask = f"if rank == 0: {TO_LAUNCHER.format(name)}\n"
    with pytest.raises(Stopped, match=r"^saved in a$") as caught:
        launch(SAVES + READY + ask + "time.sleep(60)", meeting)
    assert caught.value.exit_code == 75
    assert meeting.told_others[0].stop_code == 75
    assert attempts(tmp_path) == 1
    expected = signal.SIGTERM if name == "SIGHUP" else number
    assert [int((tmp_path / f"got{rank}").read_text()) for rank in (0, 1)] == [expected] * 2
    assert signal.getsignal(number) == before


def test_signals_wait_until_a_process_can_handle_them(launch: Callable[..., Any]) -> None:
    early = f"if rank == 0: {TO_LAUNCHER.format('SIGTERM')}\ntime.sleep(0.5)\n"
    with pytest.raises(Stopped, match=r"^saved in a$"):
        launch(early + SAVES + READY + "time.sleep(60)")
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_processes_that_had_nothing_to_save_are_stopped_too(launch: Callable[..., Any]) -> None:
    with pytest.raises(Stopped, match="stopped by SIGTERM; the same command goes on") as caught:
        launch(READY + f"if rank == 0: {TO_LAUNCHER.format('SIGTERM')}\ntime.sleep(60)")
    assert caught.value.exit_code == 75


def test_a_second_signal_ends_at_once(
    launch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "TWICE", 0.0)
    ask = TO_LAUNCHER.format("SIGINT")
    with pytest.raises(Stopped) as caught:  # they never unblock it
        launch(f"if rank == 0: {ask}; time.sleep(0.3); {ask}\ntime.sleep(60)")
    assert caught.value.exit_code == 130


def test_what_never_saves_is_given_up(
    launch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "STOP_SECONDS", 0.1)
    with pytest.raises(Stopped):
        launch(f"if rank == 0: {TO_LAUNCHER.format('SIGTERM')}\ntime.sleep(60)")


def test_a_signal_at_the_very_end_is_not_lost(launch: Callable[..., Any]) -> None:
    with pytest.raises(Stopped, match="stopped by SIGTERM"):
        launch(f"done(1)\nif rank == 0: {TO_LAUNCHER.format('SIGTERM')}")


def test_a_signal_while_machines_are_waited_for_ends_it(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    class Lonely(Nobody):
        def next_rendezvous(self) -> RendezvousInfo:
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("went on")

    with pytest.raises(Stopped):
        launch("", Lonely())
    assert not attempts(tmp_path)


def test_what_ended_another_machine_ends_this_one(launch: Callable[..., Any]) -> None:
    mistake = Failure(3, 1, 1.0, kinds=("ConfigError", "ValueError"), message="set A to B")
    with pytest.raises(ValueError, match="set A to B"):
        launch("time.sleep(60)", Nobody(news=mistake))


def test_processes_start_again_for_another_machine_without_counting(
    launch: Callable[..., Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "if attempt == 1: time.sleep(60)\ndone('result')"
    assert launch(code, Nobody(waiting=[1]), restarts=0) == "result"
    assert attempts(tmp_path) == 2
    assert "another machine starts its processes again" in capfd.readouterr().out


def test_processes_are_in_sessions_of_their_own(launch: Callable[..., Any]) -> None:
    """Ctrl-C in a terminal reaches the launcher alone, which passes it on once."""
    assert launch("done((os.getsid(0) == os.getpid(), sys.executable))") == (True, sys.executable)
