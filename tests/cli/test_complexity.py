"""Mirrors slowfast/cli/complexity.py and slowfast/viz/complexity_page.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowfast.cli import complexity
from slowfast.cli.complexity import main
from slowfast.viz.complexity_page import Row, render

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
def test_the_page_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    complexity.write_paper_tables(tmp_path / "complexity.md")
    written = (tmp_path / "complexity.md").read_text()
    assert (ROOT / "docs" / "complexity.md").read_text() == written
    assert (tmp_path / "assets" / "complexity.png").stat().st_size > 10_000


def test_cells_say_how_far_off_they_are() -> None:
    rows = [
        Row("One", "a", "x/a", {224: 5.2825}, {224: 4.9}, top1=51.7, top5=78.5, note="why"),
        Row("One", "b", "x/b", {224: 26.152}, {224: 26.2}),
        Row("Two", "c", "x/c", {224: 1.0}, map=19.0),
    ]
    page = render(rows, source="a paper", plot="plot.png")
    assert "| a | 4.9 | 5.3 | +7.8 % | 51.7 / 78.5 | `x/a`; why |" in page
    assert "| b | 26.2 | 26.2 | -0.2 % |  | `x/b` |" in page
    assert "| c |  | 1.0 |  | 19.0 | `x/c` |" in page
    assert "Of 2 printed figures 1 are met" in page
    assert "![Cost against accuracy](plot.png)" in page
