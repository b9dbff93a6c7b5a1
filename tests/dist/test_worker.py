"""Mirrors slowfast/dist/worker.py."""

from __future__ import annotations

import os
import sys

import pytest

from slowfast.dist import worker


def test_a_process_whose_launcher_ended_before_it_was_there_ends_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "other")  # this process is to live on without its parent
    monkeypatch.setenv(worker.LAUNCHER_VARIABLE, str(os.getppid()))
    worker._end_with_parent()
    monkeypatch.setenv(worker.LAUNCHER_VARIABLE, str(os.getpid()))
    with pytest.raises(SystemExit, match="the launcher ended while this process was starting"):
        worker._end_with_parent()
