"""Mirrors slowfast/dist/processes.py, with processes that import nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing import start_processes

from slowfast.dist.processes import Processes


@pytest.fixture
def start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: str
) -> Iterator[Callable[[str], Processes]]:
    """Two processes, ranks 2 and 3 of four, that run some code."""
    monkeypatch.setenv("TORCHELASTIC_SIGNALS_TO_HANDLE", "NONE")
    made: list[Processes] = []

    def begin(code: str, *, logs: str | None = "run", first: int = 2) -> Processes:
        processes = Processes(tmp_path, tmp_path / logs if logs else None)
        processes.variables = (("A_VARIABLE", "a"), ("HOME", "not this"))
        context = start_processes(
            "test",
            sys.executable,
            dict.fromkeys((0, 1), ("-c", report + code)),
            {i: {"RANK": str(first + i)} for i in (0, 1)},
            processes,
        )
        made.append(processes)
        processes.started({i: each.proc for i, each in context.subprocess_handlers.items()})
        return processes

    yield begin
    for processes in made:
        processes.kill()


def wait(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_results_and_environment(
    start: Callable[..., Processes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ["A_VARIABLE", "HOME", "SLOWFAST_LOGS", "OMP_NUM_THREADS"]
    both = start(f"print('rank', rank); done([os.environ[name] for name in {names}])", first=0)
    wait(lambda: both.finished)
    assert both.result() == ["a", os.environ["HOME"], str(tmp_path / "run"), "1"]
    assert sorted(capfd.readouterr().out.splitlines()) == ["rank 0", "rank 1"]
    assert (tmp_path / "run").is_dir()


def test_without_a_folder_only_rank_0_is_heard(
    start: Callable[..., Processes], capfd: pytest.CaptureFixture[str]
) -> None:
    both = start("print('rank', rank); done(0)", logs=None, first=0)
    wait(lambda: both.finished)
    assert capfd.readouterr().out == "rank 0\n"


def test_a_killed_process_is_the_cause_though_another_one_fails_first(
    start: Callable[..., Processes],
) -> None:
    both = start(
        "if rank == 2: failed('RuntimeError', said='Connection closed by peer')\n"
        "time.sleep(0.5); os.kill(os.getpid(), signal.SIGKILL)"
    )
    wait(lambda: both.failures)
    cause = both.cause()
    assert (cause.rank, cause.exit_code) == (3, -signal.SIGKILL)
    assert cause.log.endswith("stdout_rank3.log")


def test_an_end_without_a_word_is_a_failure(start: Callable[..., Processes]) -> None:
    both = start("os._exit(0 if rank == 3 else 7)")
    wait(lambda: len(both.failures) == 2)
    assert {failure.exit_code for failure in both.failures} == {0, 7}
    assert not both.finished
    assert both.result() is None
