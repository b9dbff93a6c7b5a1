"""Mirrors slowfast/engine/ava_eval.py."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from slowfast.engine.ava_eval import evaluate_lists

PARITY = Path(__file__).parents[1] / "parity"
AVA = PARITY / "ava"
NAME = "PascalBoxes_PerformanceByCategory/AP@0.5IOU/"


@pytest.mark.parametrize(
    ("name", "key", "excluded"),
    [
        ("ava_easy", "metrics", ""),
        ("ava_noisy", "metrics", ""),
        ("ava_noisy", "metrics_with_exclusions", "ava_noisy_excluded.csv"),
    ],
)
def test_figures_of_the_challenge(name: str, key: str, excluded: str) -> None:
    wanted = json.loads((PARITY / "metrics.json").read_text())[name][key]
    found = evaluate_lists(
        AVA / f"{name}_gt.csv",
        AVA / f"{name}_det.csv",
        AVA / "labelmap.pbtxt",
        exclusions=AVA / excluded if excluded else None,
    ).summary()
    assert found["mAP"] == pytest.approx(wanted["PascalBoxes_Precision/mAP@0.5IOU"], abs=1e-6)
    per_class = {k.removeprefix(NAME): v for k, v in wanted.items() if k.startswith(NAME)}
    assert found["per_class"] == pytest.approx(per_class, abs=1e-6)


def test_videos_and_seconds_of_both_lists_are_matched(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Seconds are numbers, however they are written; a video without annotations is told."""
    (tmp_path / "map").write_text('item { name: "run" id: 1 }')
    (tmp_path / "gt").write_text("b,0902,0,0,1,1,1,7\na,1.50,0,0,1,1,1,7\na,3,0,0,1,1,2,7\n")
    (tmp_path / "det").write_text(
        "c,902,0,0,1,1,1,0.1\na,1.5,0,0,1,1,1,0.9\nb,902.0,0,0,1,1,1,0.8\na,3,0,0,1,1,2,0.95\n"
    )
    with caplog.at_level(logging.WARNING, logger="slowfast"):
        found = evaluate_lists(tmp_path / "gt", tmp_path / "det", tmp_path / "map")
    assert found.summary() == {"mAP": 1.0, "per_class": {"run": 1.0}, "boxes": {"run": 2}}
    assert "1 of its 3 videos are not in" in caplog.text
    assert caplog.text.rstrip().endswith("the first is c")


def test_lists_of_other_data_are_refused(tmp_path: Path) -> None:
    (tmp_path / "map").write_text('item { name: "run" id: 3 }')
    (tmp_path / "gt").write_text("a,1,0,0,1,1,1,7\n")
    (tmp_path / "det").write_text("a,1,0,0,1,1,1,0.1\n")
    with pytest.raises(ValueError, match=r"expected boxes of the 1 classes of .*map, found none"):
        evaluate_lists(tmp_path / "gt", tmp_path / "det", tmp_path / "map")
