"""Mirrors slowfast/cli/ava_eval.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import simplejson

from slowfast.cli.main import main

AVA = Path(__file__).parents[1] / "parity" / "ava"


def words(name: str) -> list[str]:
    files = {
        "--gt": f"{name}_gt.csv",
        "--detections": f"{name}_det.csv",
        "--labelmap": "labelmap.pbtxt",
    }
    return ["ava-eval", *(word for key, file in files.items() for word in (key, str(AVA / file)))]


def test_the_figures_are_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "out.json"
    excluded = ["--exclusions", str(AVA / "ava_noisy_excluded.csv")]
    assert main([*words("ava_noisy"), *excluded, "--out", str(out)]) == 0
    printed = simplejson.loads(capsys.readouterr().out)
    assert printed["mAP"] == pytest.approx(0.198171298, abs=1e-6)
    assert list(printed["per_class"]) == ["a1", "a2", "a3", "a4", "a5", "a6"]
    assert printed["per_class"]["a6"] is None
    assert simplejson.loads(out.read_text()) == printed


def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words("none")) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "none_gt.csv: expected a list of 'video,second" in error
