"""Mirrors slowfast/cli/data.py: boxes of annotation tools from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slowfast.cli.data import main


def test_boxes_are_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = {
        "images": [{"id": 1, "file_name": "v/1.jpg", "width": 10, "height": 10}],
        "categories": [{"id": 1, "name": "run"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4]}],
    }
    source = tmp_path / "instances.json"
    source.write_text(json.dumps(content))
    out = tmp_path / "boxes"
    assert main(["import-boxes", str(source), "--out", str(out), "--fps", "25"]) == 0
    said = capsys.readouterr().out
    assert f"{out / 'boxes.csv'}: 1 boxes of 1 keyframes in 1 video(s)" in said
    assert "note: " in said
    assert "  MODEL: {NUM_CLASSES: 1}\n  AVA:\n" in said
    assert "    START_SECOND: 0\n" in said
    assert (out / "boxes.csv").read_text() == "v,0000,0.1000,0.1000,0.5000,0.5000,1\n"
    source.write_text("[]")
    assert main(["import-boxes", str(source), "--out", str(out), "--fps", "25"]) == 2
    assert "slowfast data import-boxes: " in capsys.readouterr().err
