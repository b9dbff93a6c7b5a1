"""Mirrors slowfast/dist/processes.py, with processes that import nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slowfast.dist import processes
from slowfast.dist.processes import Place, Processes

REPORT = """
import json, os, pathlib, pickle, signal, sys, time
folder, rank = pathlib.Path(sys.argv[-1]), int(os.environ["RANK"])
def done(value):
    (folder / f"result_rank{rank}").write_bytes(pickle.dumps(value))
def failed(kind, message):
    record = {"rank": rank, "exit_code": 1, "when": time.time(), "kinds": [kind],
              "message": message, "traceback": "", "stop_code": None, "log": ""}
    part = folder / f"part{rank}"
    part.write_text(json.dumps(record))
    part.rename(folder / f"failure_rank{rank}.json")
    sys.exit(1)
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Processes]:
    """Two processes, ranks 0 and 1, that run some code."""

    def begin(code: str) -> Processes:
        monkeypatch.setattr(processes, "_CODE", REPORT + code)
        place = Place(0, 2, "127.0.0.1", 1, variables=(("A_VARIABLE", "a"),))
        return Processes(place, 2, folder=tmp_path / "attempt", output_dir=str(tmp_path / "run"))

    return begin


def wait(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_results_logs_and_environment(
    start: Callable[[str], Processes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    both = start("print('rank', rank, os.environ['A_VARIABLE']); done([rank, os.getcwd()])")
    wait(lambda: both.finished)
    assert both.result() == [0, os.getcwd()]
    assert capfd.readouterr().out == "rank 0 a\n"
    assert (tmp_path / "run" / "stdout_rank1.log").read_text() == "rank 1 a\n"


def test_a_killed_process_is_the_cause_though_another_one_fails_first(
    start: Callable[[str], Processes],
) -> None:
    both = start(
        "rank or failed('RuntimeError', 'Connection closed by peer')\n"
        "time.sleep(0.5); os.kill(os.getpid(), signal.SIGKILL)"
    )
    wait(lambda: both.failures)
    cause = both.cause()
    assert (cause.rank, cause.exit_code) == (1, -signal.SIGKILL)
    assert cause.log.endswith("stdout_rank1.log")
    both.kill()


def test_an_end_without_a_word_is_a_failure(start: Callable[[str], Processes]) -> None:
    both = start("os._exit(0 if rank else 7)")
    wait(lambda: len(both.failures) == 2)
    assert {failure.exit_code for failure in both.failures} == {0, 7}
    assert not both.finished


def test_killing_ends_what_processes_have_started(
    start: Callable[[str], Processes], tmp_path: Path
) -> None:
    """Even if the process itself has gone before."""
    both = start(
        "child = os.fork()\n"
        "if child: (folder / f'child{rank}').write_text(str(child)); rank or os._exit(3)\n"
        "time.sleep(60)"
    )
    files = [tmp_path / "attempt" / f"child{rank}" for rank in (0, 1)]
    wait(lambda: all(file.exists() and file.read_text() for file in files) and both.failures)
    both.kill()
    for file in files:
        wait(lambda file=file: _has_ended(int(file.read_text())))


def _has_ended(pid: int) -> bool:
    """Gone, or waiting for somebody to ask how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_signals_wait_until_a_process_can_handle_them(
    start: Callable[[str], Processes], tmp_path: Path
) -> None:
    both = start(
        "signal.signal(signal.SIGUSR1, lambda number, frame: done(number))\n"
        "(folder / f'late{rank}').touch(); time.sleep(0.2)\n"
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])"
    )
    both.signal(signal.SIGUSR1)  # before they have begun
    wait(lambda: both.finished)
    assert both.result() == signal.SIGUSR1
    assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_processes_are_in_sessions_of_their_own(start: Callable[[str], Processes]) -> None:
    """Ctrl-C in a terminal reaches the launcher alone."""
    both = start("done(os.getsid(0) == os.getpid())")
    wait(lambda: both.finished)
    assert both.result() is True
