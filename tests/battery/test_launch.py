"""Mirrors slowfast/battery/launch.py: a small part of what the battery does ten times."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowfast.battery.launch import frozen, machines, restarts, undisturbed
from slowfast.battery.network_spaces import why_not


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> str:
    return undisturbed(tmp_path_factory.mktemp("launch"))


@pytest.mark.slow
def test_one_fault_makes_one_restart_and_the_same_state(
    digest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restarts(tmp_path, digest, times=1) == 0
    assert capsys.readouterr().out.count(": 1 of 1\n") == 4


@pytest.mark.slow
def test_a_frozen_rank_is_given_up(digest: str, tmp_path: Path) -> None:
    assert frozen(tmp_path, digest) == 0


@pytest.mark.slow
def test_a_rank_of_another_machine_is_killed(digest: str, tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    assert machines(tmp_path, digest, faults=("kill",)) == 0
