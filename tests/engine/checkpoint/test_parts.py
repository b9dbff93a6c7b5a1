"""Mirrors slowfast/engine/checkpoint/parts.py."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from slowfast.engine.checkpoint.parts import part_path, put_in_place, replaced_path, tidy

HOST = socket.gethostname()
NAME = ".checkpoint_epoch_00002"


def folder(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "file").write_text(text)
    return path


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_dead_processes_left_goes_and_what_others_write_stays(tmp_path: Path) -> None:
    dead = dead_process()
    gone = [
        tmp_path / f"{NAME}.pyth@{HOST}-{dead}.part",
        tmp_path / f"{NAME}.pyth.sha256@{HOST}-{dead}.part",
        folder(tmp_path / f"{NAME}.dcp@{HOST}-{dead}.part", "half"),
        part_path(tmp_path / "ssl_checkpoint_best.pyth"),  # of this very process: it was given up
        tmp_path / f"{NAME}.pyth@elsewhere-9.part",
    ]
    stays = [
        tmp_path / f"{NAME}.pyth@{HOST}-{os.getppid()}.part",
        tmp_path / f"{NAME}.pyth@elsewhere-7.part",
        folder(tmp_path / f"{NAME}.dcp@elsewhere-7.part", "half"),
        tmp_path / f".notes@{HOST}-{dead}.part",
        tmp_path / "checkpoint_epoch_00001.pyth",
    ]
    for path in [*gone, *stays]:
        if not path.exists():
            path.write_text("half")
    os.utime(gone[-1], (0, 0))  # nobody has written to it for an hour
    os.utime(stays[2], (0, 0))  # but to a file in it
    tidy(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(stays)


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    path = folder(tmp_path / "checkpoint_best.dcp", "old")
    put_in_place(folder(part_path(path), "new"), path)
    assert (path / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_replacement_that_was_cut_off_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(tmp_path / "checkpoint_best.dcp", "old")
    part = folder(part_path(path), "new")
    real, calls = os.replace, []

    def crash(*args: Path) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            put_in_place(part, path)
    assert not path.exists()
    tidy(tmp_path)
    assert (path / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_replacement_that_was_finished_is_not_undone(tmp_path: Path) -> None:
    path = folder(tmp_path / "checkpoint_best.dcp", "new")
    folder(replaced_path(path), "old")
    tidy(tmp_path)
    assert (path / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_no_folder_is_tidy(tmp_path: Path) -> None:
    tidy(tmp_path / "none")
    assert not (tmp_path / "none").exists()
