"""Mirrors slowfast/engine/judge.py: detection and several labels, trained and tested in little."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import simplejson
import torch

from slowfast.config import load_cfg
from slowfast.data.batch import Sample
from slowfast.data.boxes import Boxes, GivenBoxes
from slowfast.data.datasets.box_rows import read_box_rows
from slowfast.data.datasets.build import make_manifest
from slowfast.data.datasets.label_map import read_label_map
from slowfast.data.record import Record
from slowfast.data.transforms.device import InputStage
from slowfast.engine.ava_eval import evaluate_lists
from slowfast.engine.judge import BoxJudge, ClipJudge
from slowfast.engine.judge import Tested as Outcome
from slowfast.engine.test import test as run_test
from slowfast.engine.train import train
from slowfast.tasks.detection import Detection
from slowfast.tasks.frame_truth import FrameTruth
from slowfast.tasks.losses import make_loss

CONFIGS = Path(__file__).parents[2] / "configs" / "Motions"


def test_boxes_train_and_what_is_written_has_the_figure_of_the_test(
    tiny_boxes: list[str], objects: Path, tmp_path: Path
) -> None:
    cfg = load_cfg(CONFIGS / "SLOWFAST_TINY_DETECTION.yaml", tiny_boxes)
    train(cfg)
    results = run_test(cfg)
    run, boxes = tmp_path / "run", objects / "boxes"
    lines = [simplejson.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    (val,) = [line for line in lines if line["_type"] == "val_epoch"]
    assert 0 < val["map"] == val["max_map"] <= 100  # of the middle; the test has whole frames
    (final,) = [line for line in lines if line["_type"] == "test_final"]
    assert (final["map"], final["num_boxes"]) == (results["map"], results["num_boxes"])
    again = evaluate_lists(boxes / "val.csv", run / "detections.csv", boxes / "actions.pbtxt")
    assert again.summary()["mAP"] == pytest.approx(results["map"] / 100, abs=1e-12)
    predictions = (run / "predictions.jsonl").read_text().splitlines()
    assert len(predictions) == results["num_boxes"]
    first = simplejson.loads(predictions[0])
    assert (first["video"], first["second"], len(first["scores"])) == ("val_00000", 1.0, 12)
    assert (run / "detections.csv").read_text().startswith("val_00000,0001,")


def test_several_labels_train_and_are_tested_by_their_precision(
    tiny: list[str], objects: Path, tmp_path: Path
) -> None:
    words = {
        "TRAIN.DATASET": "charades",
        "TEST.DATASET": "charades",
        "DATA.PATH_TO_DATA_DIR": objects / "labels",
        "DATA.PATH_PREFIX": objects / "frames",
        "DATA.MULTI_LABEL": True,
        "DATA.ENSEMBLE_METHOD": "max",
        "MODEL.LOSS_FUNC": "bce_logit",
        "MODEL.HEAD_ACT": "sigmoid",
        "SOLVER.MAX_EPOCH": 1,
    }
    keys = [*tiny, *(str(word) for pair in words.items() for word in pair)]
    cfg = load_cfg(CONFIGS / "SLOWFAST_TINY.yaml", keys)
    train(cfg)
    results = run_test(cfg)
    assert 0 < results["map"] <= 100
    assert results["num_videos"] == 6
    lines = (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
    first = simplejson.loads(lines[0])
    assert first["label_names"]
    assert all(0 <= score <= 1 for score in first["scores"])


class OneBoxEach:
    """Keyframes of a video with an awkward name, at seconds that have no short decimals."""

    boxes = torch.tensor([[0.1, 0.2, 0.6, 0.7]])

    def __len__(self) -> int:
        return 60

    def __getitem__(self, row: int) -> Record:
        if not row < len(self):
            raise IndexError
        given = GivenBoxes(self.boxes, torch.zeros(1, 2), torch.ones(1))
        return Record("", boxes=given, keyframe_key=("a,b", row + 1 / 3))


@pytest.mark.parametrize("logit", [-25.0, 0.0, 15.0])
def test_the_list_that_is_written_has_the_figure_of_the_test(logit: float, tmp_path: Path) -> None:
    """Also where all scores are near 0 or near 1, and boxes lie just at an overlap of a half."""
    truth, labels = tmp_path / "truth.csv", tmp_path / "actions.pbtxt"
    # The annotated box is twice as wide as the detected one.
    rows = [f'"a,b",{row + 1 / 3!r},0.1,0.2,1.1,0.7,{1 + row % 2}\n' for row in range(0, 60, 3)]
    truth.write_text("".join(rows))
    labels.write_text('item { name: "run" id: 1 } item { name: "jump" id: 2 }')
    annotated = FrameTruth(read_box_rows(truth, detected=False), read_label_map(labels))
    task = Detection(InputStage((0, 0, 0), (1, 1, 1)), make_loss("bce"), 2, lambda: annotated, bool)
    judge = BoxJudge(OneBoxEach(), task)
    random = torch.Generator().manual_seed(0)
    scores = torch.sigmoid(torch.randn(60, 2, generator=random, dtype=torch.float64) + logit)
    tested = Outcome(torch.arange(60), scores, torch.zeros(60, 2), 1, [], [])
    figure = judge.summarise(tested)["map"]
    assert 10 < figure < 90
    judge.write(tmp_path / "predictions.jsonl", tested)
    again = evaluate_lists(truth, tmp_path / "detections.csv", labels)
    assert again.summary()["mAP"] == pytest.approx(figure / 100, abs=1e-12)


class AnyTruth:
    """A task that has annotations of every video."""

    def truth(self) -> AnyTruth:
        return self

    def check_names(self, videos: Iterable[str]) -> None:
        assert set(videos) == {"clip"}


class Keyframes:
    """Keyframe n has n boxes."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, row: int) -> Record:
        boxes: Any = torch.empty(row)
        return Record("", boxes=boxes, keyframe_key=("clip", float(row)))


def test_boxes_of_all_views_are_told_apart() -> None:
    judge = BoxJudge(Keyframes(), task=AnyTruth())  # type: ignore[arg-type]
    assert judge.expected([]) == 6
    assert judge.expected([2]) == 4
    labels = torch.tensor([[1.0], [0.0]]).repeat(3, 1)
    views, none = torch.arange(3).repeat_interleave(2), torch.zeros(6, 4)
    boxes = Boxes(none, views, labels, none, torch.zeros(6))
    sample = Sample(
        torch.empty(0), torch.empty(0), torch.empty(0), 1, 0, 2, torch.arange(3), boxes=boxes
    )
    scores = torch.arange(6.0)[:, None]  # views one after the other, two boxes each
    first, second = judge.rows(sample, scores)
    for row, number, wanted, label in ((first, 1, [0, 2, 4], 1), (second, 2, [1, 3, 5], 0)):
        assert (row[0], row[1].tolist(), row[2].flatten().tolist()) == (number, [0, 1, 2], wanted)
        assert row[3] == label


def test_a_test_without_any_label_is_told(caplog: pytest.LogCaptureFixture) -> None:
    scores, labels = torch.rand(2, 3, dtype=torch.float64), torch.zeros(2, 3)
    tested = Outcome(torch.arange(2), scores, labels, 1, [], [])
    found = ClipJudge(make_manifest([("a.mp4", 0), ("b.mp4", 0)]), 3).summarise(tested)
    assert math.isnan(found["map"])
    assert "none of the videos tested has a label, so that there is no mAP" in caplog.text
