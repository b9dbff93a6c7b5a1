"""Mirrors slowfast/cli/complexity.py and cost_tables.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowfast.cli import cost_tables
from slowfast.cli.complexity import main

ROOT = Path(__file__).parents[2]
SLOW = str(ROOT / "configs" / "Kinetics" / "SLOW_4x16_R50.yaml")


def test_a_recipe_by_stage_and_pathway(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cfg", SLOW, "--crop", "256"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["GFLOPs", "27.262", "(multiply-adds)"] in lines
    assert any(line[:1] == ["s5"] and line[2] == "GFLOPs" for line in lines)
    assert any(line[:1] == ["kept"] for line in lines)


def test_a_wrong_key_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cfg", SLOW, "RESNET.DEPHT", "18"]) == 2
    assert "RESNET.DEPTH" in capsys.readouterr().err


def test_the_tables_need_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--table", "paper"]) == 2
    assert "run this in a checkout" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("table", cost_tables.TABLES)
def test_the_pages_are_current(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    out = tmp_path / "page.md"
    assert main(["--table", table, "--out", str(out)]) == 0
    assert f"written: {out}" in capsys.readouterr().out
    page = cost_tables.TABLES[table][1]
    assert page.read_text() == out.read_text(), f"run slowfast complexity --table {table}"
