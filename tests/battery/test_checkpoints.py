"""Mirrors slowfast/battery/checkpoints.py and what it is made of: a part of each battery."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest

from slowfast.battery import checkpoints
from slowfast.battery.checkpoints import check_damage, check_full_disk, check_kills
from slowfast.battery.killed_saves import Cut, cutting, extent, fill_at, kill_at, offsets
from slowfast.battery.shards import check_asynchronous, check_resharding
from slowfast.engine.checkpoint.state import FORMATS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are made by fork")


def write(path: Path) -> None:
    with path.with_name("part").open("wb") as file:
        file.write(b"123456")
        file.write(b"789")
    os.replace(path.with_name("part"), path)


def test_a_save_is_cut_at_the_byte_and_at_the_rename(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert not kill_at(10, lambda: write(path))
    assert path.read_bytes() == b"123456789"
    path.unlink()
    for offset in (0, 4, 7, 9):
        assert kill_at(offset, lambda: write(path))
        assert (tmp_path / "part").read_bytes() == b"123456789"[:offset]
        assert not path.exists()


def test_cuts_are_spread_over_the_bytes_and_around_renames(tmp_path: Path) -> None:
    cut = extent(lambda: write(tmp_path / "file"))
    assert (cut.done, cut.renames) == (10, [9])
    assert offsets(cut, 4) == [0, 3, 6, 9]
    assert Path.open.__module__ == "pathlib", "nothing stays patched"


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        fill_at(4, lambda: write(tmp_path / "file"))
    with cutting(Cut(2, lambda: None)), (tmp_path / "text").open("w") as file:
        file.writelines(["abc"])
    assert (tmp_path / "text").read_text() == "ab"


@pytest.mark.parametrize("kind", FORMATS)
def test_no_kill_and_no_full_disk_costs_a_checkpoint(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_kills(tmp_path / "kills", kind, count=8) == 0
    assert check_full_disk(tmp_path / "full", kind, count=3) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("R3")]
    assert told[0].startswith(f"R3 {kind}: kill at 8 offsets of a save: 8 of 8; 0 faults")
    assert told[1].endswith("the old one kept: 3 of 3; 0 faults")


@pytest.mark.parametrize("kind", FORMATS)
def test_no_damage_is_loaded_in_silence(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_damage(tmp_path, kind, cuts=8, flips=16, seed=1) == 0
    assert "8 truncations and 16 flipped bits" in capsys.readouterr().out


def test_what_is_not_noticed_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The battery itself: without hashes it finds silent loads."""
    monkeypatch.setattr("slowfast.engine.checkpoint.state.is_whole", lambda path: None)
    monkeypatch.setattr(checkpoints, "read_checkpoint", lambda path: {"model_state": {}})
    assert check_damage(tmp_path, "pyth", cuts=1, flips=1, seed=1) >= 2
    assert "was loaded in silence" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_other_numbers_of_processes_read_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_resharding(tmp_path, most=3) == 0
    assert "digests equal: 36 of 36; 0 faults" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_written_beside_training_is_equal(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_asynchronous(tmp_path / "files", kind, megabytes=8)
    assert "written beside training: equal" in capsys.readouterr().out


def test_the_battery_runs_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    names = ("check_kills", "check_full_disk", "check_damage", "check_asynchronous")
    for name in (*names, "check_resharding"):
        monkeypatch.setattr(
            checkpoints, name, lambda *args, name=name, **kwargs: called.append(name) or 1
        )
    assert checkpoints.run(tmp_path, argparse.Namespace(seed=0)) == 9
    assert {called.count(name) for name in names} == {2}
