"""Mirrors slowfast/engine/claim.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from slowfast.engine.claim import Claim
from slowfast.engine.journal import Journal
from slowfast.log import LOGGER

OTHER = """
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_run_in_a_folder_is_told_and_the_next_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    journal = Journal(tmp_path / "run")
    other = [sys.executable, "-c", OTHER, str(tmp_path / "run" / ".in_use")]
    assert b"BlockingIOError" in subprocess.run(other, capture_output=True).stderr
    journal.close()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(other, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"held\n"
        assert not caplog.records
        Claim(tmp_path / "run")
        assert "run: another run seems to write to this OUTPUT_DIR" in caplog.text
        process.kill()
    caplog.clear()
    Claim(tmp_path / "run")
    assert not caplog.records
