"""Mirrors slowfast/data/core_time.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowfast.data.core_time import core_seconds, tells_the_line


def test_standing_in_line_for_a_core_counts(tmp_path: Path) -> None:
    scheduler = tmp_path / "schedstat"
    scheduler.write_text("2000000000 5000000000000 17\n")
    assert core_seconds(scheduler) >= 5000
    assert tells_the_line(scheduler)


@pytest.mark.parametrize("text", ["", "no numbers here\n", None])
def test_a_system_that_does_not_tell_is_no_fault(text: str | None, tmp_path: Path) -> None:
    scheduler = tmp_path / "schedstat"
    if text is not None:
        scheduler.write_text(text)
    assert 0 <= core_seconds(scheduler) < 5000
    assert not tells_the_line(scheduler)
