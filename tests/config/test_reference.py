"""Mirrors slowfast/config/reference.py: the page of all keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowfast.config import ConfigError
from slowfast.config.defaults import KEYS
from slowfast.config.reference import describe, render

PAGE = Path(__file__).parents[2] / "docs" / "CONFIG.md"


def test_the_page_is_current() -> None:
    hint = "run: python -m slowfast.config.reference > docs/CONFIG.md"
    assert PAGE.read_text() == render(), hint


def test_the_page_has_a_row_for_each_key() -> None:
    rows = [line for line in render().splitlines() if line.startswith("| `")]
    assert all(f"| `{path}` | " in "\n".join(rows) for path in KEYS)
    assert all(row.count(" | ") in (1, 2) for row in rows)  # cells hold no bare bar


def test_describe() -> None:
    assert describe("SLOWFAST.ALPHA") == (
        "SLOWFAST.ALPHA (8): Fast frames per Slow frame (alpha). Must be at least 1."
    )
    assert "MVIT.REV.ENABLE" in describe("MVIT")
    assert "DATA_LOADER" not in describe("DATA")
    assert "SOLVER: Optimizer and learning rate." in describe()
    with pytest.raises(ConfigError, match=r"no key or section SLOWFST. Did you mean SLOWFAST"):
        describe("SLOWFST")
