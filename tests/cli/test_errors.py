"""Mirrors slowfast/cli/errors.py."""

from __future__ import annotations

import subprocess
import sys
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


def test_a_reader_that_has_read_enough_is_no_error() -> None:
    """As in `slowfast models | head -1`."""
    code = (
        "from slowfast.cli.errors import explain_errors\n"
        "def talk() -> int:\n"
        "    for i in range(100_000):\n        print(i)\n"
        "    return 0\n"
        "raise SystemExit(explain_errors('slowfast talk', talk))"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


def test_a_process_without_a_console_gets_one_that_goes_nowhere(tmp_path: Path) -> None:
    """As in `slowfast run ... >&- 2>&- <&-`."""
    code = (
        "import os, subprocess, sys\n"
        "for number in range(3):\n    os.close(number)\n"
        "sys.stdin = sys.stdout = sys.stderr = None\n"
        "from slowfast.cli.errors import explain_errors\n"
        "def talk() -> int:\n"
        f"    with open({str(tmp_path / 'file')!r}, 'w') as file:\n"
        "        print('said')\n"
        "        print('failed', file=sys.stderr, flush=True)\n"
        "        os.write(1, b'said by a library')\n"
        "        print(sys.stdin.read() + 'kept', file=file)\n"
        "    return subprocess.call([sys.executable, '-c', 'print(1, flush=True)'])\n"
        "os._exit(explain_errors('slowfast talk', talk))"
    )
    assert subprocess.call([sys.executable, "-c", code]) == 0
    assert (tmp_path / "file").read_text() == "kept\n"
