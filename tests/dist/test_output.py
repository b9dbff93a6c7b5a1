"""Mirrors slowfast/dist/output.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slowfast.dist.output import log_path, printed_to_log


def test_other_ranks_print_to_their_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with printed_to_log(str(tmp_path / "run"), 2):
        os.write(1, b"from C\n")
        os.write(2, b"a warning\n")
    os.write(1, b"after\n")
    assert log_path(tmp_path / "run", 2).read_text() == "from C\na warning\n"
    assert capfd.readouterr().out == "after\n"


def test_rank_0_keeps_the_console(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with printed_to_log(str(tmp_path), 0):
        os.write(1, b"shown\n")
    assert capfd.readouterr().out == "shown\n"
    assert not list(tmp_path.iterdir())


def test_an_error_is_shown_on_the_console(tmp_path: Path) -> None:
    before = os.fstat(2)
    with pytest.raises(KeyError), printed_to_log(str(tmp_path), 1):
        raise KeyError
    assert os.fstat(2) == before
