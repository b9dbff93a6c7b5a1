"""Mirrors slowfast/viz/demo_summary.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from slowfast.data.datasets.motions_scene import CLASSES
from slowfast.viz.demo_summary import write_comparison


def write(folder: Path, accuracy: float, names: tuple[str, ...] = CLASSES) -> Path:
    folder.mkdir()
    per_class = [{"name": name, "accuracy": accuracy, "videos": 20} for name in names]
    results = {"top1": accuracy, "num_videos": 240, "views_per_video": 30, "per_class": per_class}
    (folder / "test_results.json").write_text(json.dumps(results))
    return folder


def test_it_draws_a_picture_for_a_page_900_pixels_wide(tmp_path: Path) -> None:
    runs = {"SlowFast": write(tmp_path / "a", 98.0), "Slow-only": write(tmp_path / "b", 66.0)}
    path = write_comparison(runs, tmp_path / "new" / "comparison.png")
    image = np.asarray(Image.open(path).convert("RGB"))
    assert image.shape[1] == 1800  # twice 900, for screens of fine pixels
    for colour in ((46, 111, 219), (217, 90, 44)):  # both runs have bars
        assert (image == colour).all(-1).mean() > 0.01


def test_text_is_in_the_picture(tmp_path: Path) -> None:
    runs = {"SlowFast": write(tmp_path / "a", 98.0), "Slow-only": write(tmp_path / "b", 66.4)}
    svg = write_comparison(runs, tmp_path / "comparison.svg").read_text()
    for text in ("SlowFast", "66.4 %", "30 views each", "a coin toss"):
        assert f"<!-- {text}" in svg or text in svg


def test_runs_that_cannot_be_compared(tmp_path: Path) -> None:
    tested = write(tmp_path / "a", 98.0)
    other = write(tmp_path / "b", 98.0, names=("left", "right"))
    with pytest.raises(ValueError, match=r"none; test Slow-only first"):
        write_comparison({"Slow-only": tmp_path}, tmp_path / "c.png")
    with pytest.raises(ValueError, match="but B has left, right and A left, right, up"):
        write_comparison({"A": tested, "B": other}, tmp_path / "c.png")
    with pytest.raises(ValueError, match="at least one run"):
        write_comparison({}, tmp_path / "c.png")
