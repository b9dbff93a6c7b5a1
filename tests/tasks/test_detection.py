"""Mirrors slowfast/tasks/detection.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from slowfast.data.batch import Batch
from slowfast.data.boxes import Boxes
from slowfast.data.datasets.box_rows import NO_ROWS, BoxRows
from slowfast.data.record import Record
from slowfast.data.transforms.device import InputStage
from slowfast.tasks.detection import Detection, box_rows_of
from slowfast.tasks.frame_truth import FrameTruth
from slowfast.tasks.losses import make_loss

KEYS = [("a", 1.0), ("b", 1.0), ("a", 2.0)]


class Keyframes:
    """Three keyframes of two videos."""

    def __len__(self) -> int:
        return len(KEYS)

    def __getitem__(self, row: int) -> Record:
        return Record("", keyframe_key=KEYS[row])

    def fingerprint(self) -> dict[str, str | int]:
        return {}


class Scores(nn.Module):
    """Gives each box the number of its clip as score, so many tenths."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, pathways: list[torch.Tensor], rois: torch.Tensor) -> torch.Tensor:
        assert rois.shape[1] == 5
        return (1 + rois[:, :1]) / 10 + self.bias


def batch_of(clips: Sequence[int], rows: Sequence[int]) -> Batch:
    """A whole-frame box for each entry of `clips`; labels are of the first class."""
    count = len(clips)
    whole = torch.tensor([[0.0, 0, 1, 1]]).expand(count, 4)
    labels = torch.tensor([[1.0, 0.0]]).expand(count, 2)
    boxes = Boxes(8 * whole, torch.tensor(clips).long(), labels, whole, torch.ones(count))
    videos = torch.tensor(rows)
    pixels = torch.zeros(len(rows), 1, 8, 8, 3, dtype=torch.uint8)
    return Batch(pixels, videos, videos, videos, paths=[""] * len(rows), boxes=boxes)


def task() -> Detection:
    rows = BoxRows(
        ("a", "b"),
        np.array([0, 1, 0]),
        np.array([1.0, 1.0, 2.0]),
        np.tile([0.0, 0, 1, 1], (3, 1)),
        np.ones(3, np.int64),
        np.ones(3),
    )
    return Detection(
        InputStage((0, 0, 0), (1, 1, 1)),
        make_loss("bce"),
        2,
        truth=lambda: FrameTruth(rows, {1: "run", 2: "jump"}),
        validated=lambda second: second < 2,
    )


def test_the_loss_is_that_of_each_class_of_each_box() -> None:
    out = task().loss(Scores(), batch_of([0, 1], [0, 1]))
    wanted = -(math.log(0.1) + math.log(0.9) + math.log(0.2) + math.log(0.8)) / 4
    assert out["loss"].item() == pytest.approx(wanted, rel=1e-5)


def test_a_batch_without_boxes_has_gradients_of_zero() -> None:
    """Other ranks wait for them."""
    net = Scores()
    loss = task().loss(net, batch_of([], [0, 1]))["loss"]
    assert loss.item() == 0
    loss.backward()
    assert net.bias.grad is not None
    assert (net.bias.grad == 0).all()


def test_scores_of_half_precision_are_judged_in_float32() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert task().loss(Scores(), batch_of([0], [0]))["loss"].dtype == torch.float32


def test_boxes_are_judged_by_their_keyframes_on_all_ranks() -> None:
    ranks = [task().evaluator(Keyframes()) for _ in range(2)]
    ranks[0].update(torch.tensor([[0.9, 0.1]]), batch_of([0], [0]))
    ranks[1].update(torch.tensor([[0.8, 0.1]]), batch_of([1], [2, 1]))  # of the second clip
    ranks[1].update(torch.zeros(0, 2), batch_of([], [2]))
    ranks[0].merge([rank.state() for rank in ranks])
    assert ranks[0].metrics() == {"map": 100.0}, "second 2 is not validated on, class 2 unlabelled"
    ranks[1].merge([ranks[1].state()])
    assert ranks[1].metrics() == {"map": 50.0}
    ranks[1].miss([0])
    assert ranks[1].metrics() == {"map": 100.0}, "what could not be read is in no figure"


def test_detections_are_rows_of_a_list() -> None:
    corners = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]])
    rows = box_rows_of(
        Keyframes(), torch.tensor([2, 1]), corners, torch.tensor([[0.5, 0.25], [1.0, 0.0]])
    )
    assert rows.names == ("a", "b")
    assert rows.video.tolist() == [0, 0, 1, 1]
    assert rows.second.tolist() == [2, 2, 1, 1]
    assert rows.label.tolist() == [1, 2, 1, 2]
    assert rows.score.tolist() == [0.5, 0.25, 1.0, 0.0]
    assert rows.corners[1].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_validation_needs_annotations() -> None:
    blind = replace(task(), truth=lambda: FrameTruth(NO_ROWS, {1: "run"}, known=False))
    with pytest.raises(ValueError, match=r"AVA.GROUNDTRUTH_FILE is empty.*TRAIN.ENABLE False"):
        blind.evaluator(Keyframes())
