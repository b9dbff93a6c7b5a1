"""Mirrors slowfast/cli/benchmark.py: it measures what it says; no time is asserted."""

from __future__ import annotations

from pathlib import Path

import pytest
import simplejson

from slowfast.cli.benchmark import main

CONFIG = str(Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml")


def rows(capsys: pytest.CaptureFixture[str], *line: str) -> list[dict]:
    assert main([*line, "--repeats", "1", "--json", "--cfg", CONFIG]) == 0
    return simplejson.loads(capsys.readouterr().out)["rows"]


def test_data_compares_items_with_a_plain_decode(
    motions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = next((motions / "test").rglob("*.mp4"))
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(video.read_bytes())
    plain, train, test = rows(capsys, "data", "--videos", str(tmp_path / "videos"))
    assert plain["ratio"] == 1
    assert train["mb_to_device"] == pytest.approx(16 * 48 * 48 * 3 / 1e6)
    assert test["what"] == "test item, 30 views"
    assert test["ratio"] == pytest.approx(test["ms"] / plain["ms"])


def test_model_and_training_compare_with_float32(capsys: pytest.CaptureFixture[str]) -> None:
    for what, count in (("model", 4), ("train", 3)):
        table = rows(capsys, what)
        assert len(table) == count
        assert "float32" in table[0]["what"]
        assert table[0]["ratio"] == 1


def test_a_table_is_printed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "--repeats", "1", "--cfg", CONFIG]) == 0
    out = capsys.readouterr().out
    assert "ratio" in out.splitlines()[0]
    assert "bfloat16, channels last" in out


def test_an_empty_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["data", "--cfg", CONFIG, "--videos", str(tmp_path / "empty")]) == 2
    assert "expected a folder with videos, found none" in capsys.readouterr().err
