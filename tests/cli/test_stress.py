"""Mirrors slowfast/cli/stress.py."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from slowfast.cli import stress
from slowfast.cli.stress import GROUPS, main


@pytest.mark.slow
def test_the_command_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["videos", "--decodes", "200", "--workers", "1", "--dir", str(tmp_path / "files")])
        == 0
    )
    out = capsys.readouterr().out
    assert out.endswith("all as it should be\n")
    assert not (tmp_path / "files").exists()


def test_a_folder_with_files_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    assert main(["--dir", str(tmp_path)]) == 2
    assert "expected an empty folder, found files in it" in capsys.readouterr().err
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_groups_are_counted_and_what_they_print_is_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(folder: Path, args: argparse.Namespace) -> int:
        print(f"R0 {folder.name} with seed {args.seed}: 2 faults")
        return 2

    def broken(folder: Path, args: argparse.Namespace) -> int:
        raise KeyError("gone")

    module = SimpleNamespace(run=run, broken=broken)
    monkeypatch.setitem(sys.modules, "made_up", module)
    groups = {name: ("", f"made_up:{kind}") for name, kind in (("a", "broken"), ("b", "run"))}
    monkeypatch.setattr(stress, "GROUPS", groups)
    log = tmp_path / "log.txt"
    shared = ["--seed", "3", "--log", str(log), "--dir", str(tmp_path / "files")]
    assert main([*shared, "a", "b"]) == 1
    lines = ["a: broken off by KeyError: 'gone'", "R0 b with seed 3: 2 faults", "3 faults"]
    assert log.read_text().splitlines() == lines
    assert capsys.readouterr().out.splitlines() == lines
    with pytest.raises(SystemExit):
        main(["c"])
    assert "expected groups of a, b, got 'c'" in capsys.readouterr().err


@pytest.mark.parametrize("name", GROUPS)
def test_every_group_can_be_run(name: str) -> None:
    module, _, function = GROUPS[name][1].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
