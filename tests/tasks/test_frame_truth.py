"""Mirrors slowfast/tasks/frame_truth.py; figures are those of tests/engine/test_ava_eval.py."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from slowfast.config import get_cfg, with_values
from slowfast.data.datasets.box_rows import BoxRows, read_box_rows
from slowfast.eval.frame_map import frame_map
from slowfast.tasks.frame_truth import FrameTruth, truth_from_cfg

GT = "a,1,0,0,1,1,1,0\na,2,0,0,1,1,1,0\na,4,0,0,1,1,1,0\nb,4,0,0,1,1,1,0\n"


def rows(folder: Path, text: str, *, detected: bool) -> BoxRows:
    (folder / "list.csv").write_text(text)
    return read_box_rows(folder / "list.csv", detected=detected)


def test_keyframes_that_do_not_count_are_passed_over(tmp_path: Path) -> None:
    truth = FrameTruth(rows(tmp_path, GT, detected=False), {1: "run"}, frozenset({("a", 1.0)}))
    found = rows(tmp_path, "a,1,0,0,1,1,1,0.9\na,4,0,0,1,1,1,0.8\n", detected=True)
    assert frame_map(truth.curves(found)) == pytest.approx(1 / 3)  # a 2 and b 4 are missed
    every_fourth = truth.curves(found, takes=lambda second: second % 4 == 0)
    assert frame_map(every_fourth) == pytest.approx(1 / 2)
    unread = truth.curves(found, left_out=[("b", 4.0), ("c", 9.0)])
    assert frame_map(unread) == pytest.approx(1 / 2)


def test_it_is_read_as_the_config_says(tmp_path: Path) -> None:
    (tmp_path / "gt.csv").write_text(GT)
    (tmp_path / "map.pbtxt").write_text('item { name: "run" id: 1 }')
    (tmp_path / "no.csv").write_text("a,0004\n")
    keys = {
        "AVA.ANNOTATION_DIR": str(tmp_path),
        "AVA.GROUNDTRUTH_FILE": "gt.csv",
        "AVA.LABEL_MAP_FILE": "map.pbtxt",
        "AVA.EXCLUSION_FILE": "no.csv",
        "MODEL.NUM_CLASSES": 80,
    }
    truth = truth_from_cfg(with_values(get_cfg(), keys))
    assert (len(truth.rows), truth.names, truth.excluded) == (4, {1: "run"}, {("a", 4.0)})
    (tmp_path / "map.pbtxt").write_text('item { name: "run" id: 81 }')
    with pytest.raises(ValueError, match=r"map\.pbtxt: expected classes .*80\), found 81"):
        truth_from_cfg(with_values(get_cfg(), keys))


def test_without_annotations_there_is_no_figure(tmp_path: Path) -> None:
    (tmp_path / "map.pbtxt").write_text('item { name: "run" id: 1 }')
    keys = {"AVA.ANNOTATION_DIR": str(tmp_path), "AVA.LABEL_MAP_FILE": "map.pbtxt"}
    keys |= {"AVA.GROUNDTRUTH_FILE": "", "AVA.EXCLUSION_FILE": ""}
    truth = truth_from_cfg(with_values(get_cfg(), keys | {"MODEL.NUM_CLASSES": 80}))
    found = rows(tmp_path, "a,1,0,0,1,1,1,0.9\n", detected=True)
    assert math.isnan(frame_map(truth.curves(found)))
