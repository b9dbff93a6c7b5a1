"""Mirrors slowfast/dist/failure.py: whose error is shown, and what is tried again."""

from __future__ import annotations

import json
import signal

import pytest

from slowfast.dist.failure import Failure, ProcessFailed, Stopped, first_cause

KILLED = Failure(1, -signal.SIGKILL, 5.0, log="runs/stdout_rank1.log")


def raised(error: Exception, *, rank: int = 0) -> Failure:
    try:
        raise error
    except Exception as caught:
        return Failure.of(caught, rank=rank)


def test_a_killed_process_is_the_cause_of_broken_connections() -> None:
    broken = raised(RuntimeError("Connection closed by peer [127.0.0.1]:1234"))
    assert broken.when > KILLED.when
    assert first_cause([broken, KILLED]) is KILLED
    assert first_cause([KILLED, broken]) is KILLED
    aborted = Failure(0, -signal.SIGABRT, 1.0)  # PyTorch's answer to a lost rank on GPUs
    assert first_cause([aborted, KILLED]) is KILLED


def test_of_several_errors_the_first_counts() -> None:
    first, second = raised(KeyError("a"), rank=1), raised(ValueError("b"))
    assert first_cause([second, first]) is first


def test_a_killed_process_is_named_with_its_likely_reason() -> None:
    assert KILLED.line() == (
        "rank 1 was killed by SIGKILL, most likely because memory ran out (see `dmesg`); its log "
        "is runs/stdout_rank1.log"
    )
    assert "killed by SIGSEGV; its log" in Failure(1, -11, 0.0, log="a").line()
    assert Failure(0, 3, 0.0).line() == "rank 0 ended with code 3 and no message"


def test_what_only_follows_says_so() -> None:
    late = raised(RuntimeError("Timed out waiting 15000ms for recv operation"))
    assert late.line().endswith("(no progress within DIST_TIMEOUT_MINUTES)")
    lost = raised(RuntimeError("Connection reset by peer"))
    assert lost.line().endswith("(another rank may have gone)")
    assert not raised(RuntimeError("a bug")).follows


def test_mistakes_and_stops_are_final_and_bugs_are_not() -> None:
    class OwnError(ValueError):
        pass

    assert raised(OwnError("set A")).final
    assert raised(FileNotFoundError("a.csv")).final
    assert raised(Stopped.by(signal.SIGUSR1)).final
    assert not raised(RuntimeError("a bug")).final
    assert not KILLED.final


def test_what_the_user_is_told() -> None:
    mistake = raised(ValueError("set A to B")).error()
    assert (type(mistake), str(mistake)) == (ValueError, "set A to B")
    stopped = raised(Stopped.by(signal.SIGINT)).error()
    assert isinstance(stopped, Stopped)
    assert (stopped.exit_code, Stopped.by(signal.SIGTERM).exit_code) == (130, 75)
    bug = raised(KeyError("nix"), rank=3).error("; no restart is left of 3")
    assert isinstance(bug, ProcessFailed)
    assert str(bug).startswith("Traceback (most recent call last):")
    assert str(bug).endswith("KeyError: 'nix'\n(of rank 3; no restart is left of 3)")
    assert "\n" not in str(KILLED.error())


def test_only_the_same_bug_repeats() -> None:
    bug = raised(KeyError("a"))
    assert bug.repeats(raised(KeyError("a")))
    assert not bug.repeats(raised(KeyError("b")))
    assert not bug.repeats(None)
    assert not KILLED.repeats(KILLED)
    late = raised(RuntimeError("Timed out waiting"))
    assert not late.repeats(late)


def test_a_failure_survives_its_file() -> None:
    bug = raised(KeyError("nix"), rank=2)
    again = Failure.read(json.loads(json.dumps(bug.record())), log="")
    assert again == bug


@pytest.mark.parametrize("code", [75, 130])
def test_exceptions_of_other_layers_may_ask_for_an_exit_code(code: int) -> None:
    class Interrupted(Exception):
        exit_code = code

    error = raised(Interrupted("stopped; the state is in a")).error()
    assert isinstance(error, Stopped)
    assert (str(error), error.exit_code) == ("stopped; the state is in a", code)
