"""Mirrors slowfast/cli/errors.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowfast.cli.errors import explain_errors, log_error


def test_a_mistake_is_a_line_and_a_bug_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def mistake() -> int:
        raise ValueError("A is 1; set it to 2")

    def bug() -> int:
        raise KeyError("x")

    assert explain_errors("slowfast job", mistake) == 2
    assert capsys.readouterr().err == "slowfast job: A is 1; set it to 2\n"
    with pytest.raises(KeyError):
        explain_errors("slowfast job", bug)


def test_the_log_gets_one_line_whatever_the_error_holds(tmp_path: Path) -> None:
    log = tmp_path / "stdout.log"
    log.write_text("before\n")
    log_error(log, ValueError("one\ntwo"))
    log_error(log, RuntimeError("out of memory"))
    before, mistake, bug = log.read_text().splitlines()
    assert before == "before"
    assert mistake.endswith("[ERROR] one two")
    assert bug.endswith("[ERROR] RuntimeError: out of memory (the traceback is on the console)")


def test_a_run_that_never_began_gets_no_folder(tmp_path: Path) -> None:
    log_error(tmp_path / "run" / "stdout.log", ValueError("x"))
    assert not (tmp_path / "run").exists()
    (tmp_path / "stdout.log").mkdir()
    log_error(tmp_path / "stdout.log", ValueError("cannot be written, which must not hide x"))
