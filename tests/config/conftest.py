"""Shared by the config tests."""

from __future__ import annotations

import pytest

from slowfast.log import LOGGER


@pytest.fixture(autouse=True)
def _warnings_reach_caplog(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that another test started in this process has sent the log to its own files."""
    monkeypatch.setattr(LOGGER, "propagate", True)
