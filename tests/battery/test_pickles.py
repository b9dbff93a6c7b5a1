"""Mirrors slowfast/battery/pickles.py and hostile_pickles.py."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from slowfast.battery import pickles
from slowfast.battery.hostile_pickles import calls, write_hostile
from slowfast.battery.pickles import Answer, answer, check, write_mutated


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_hostile(tmp_path_factory.mktemp("pickles") / "hostile", port=9)


def test_hostile_files_are_of_every_kind(hostile: list[Path]) -> None:
    assert len(hostile) >= 50
    assert {path.suffix for path in hostile} == {".pkl", ".pyth", ".safetensors", ".dcp"}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_none_of_them_is_read_or_leaves_a_trace(hostile: list[Path]) -> None:
    """Here a third of them, without the limits of time and memory that the battery sets."""
    canary = hostile[0].parent / "canary"
    for path in hostile[::3]:
        assert answer(path, canary=canary) == Answer("refused"), path.name


def test_the_battery_notices_code_that_runs(
    hostile: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Python's own unpickler in place of ours."""
    path = next(p for p in hostile if p.name == "mkdir.pkl")
    monkeypatch.setattr(
        pickles,
        "read_checkpoint",
        lambda path: pickle.loads(path.read_bytes()),
    )
    canary = path.parent / "canary"
    assert "left a file" in answer(path, canary=canary).traces
    assert not canary.exists()


def test_every_call_names_something_else() -> None:
    named = {(module, function) for module, function, _ in calls("x", 9).values()}
    assert len(named) == len(calls("x", 9)) >= 25


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_changed_bytes_are_one_kind_of_error_or_change_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_mutated(tmp_path / "files", count=40, seed=3)
    assert check("S1 40 files", files, tmp_path / "canary", 2, may_read=True) == 0
    assert capsys.readouterr().out.startswith("S1 40 files: ")
