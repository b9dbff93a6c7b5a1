"""What a test adds up, and what is written of it: for clips with labels, and for boxes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import simplejson
import torch
from torch import Tensor

from slowfast.data.batch import Sample
from slowfast.data.datasets.ava_boxes import keyframe_text
from slowfast.data.record import Records
from slowfast.engine.pr_curves import curves_of_boxes, curves_of_labels
from slowfast.engine.results import named, summarise, write_predictions
from slowfast.eval.frame_map import frame_map
from slowfast.log import LOGGER
from slowfast.tasks.base import Task
from slowfast.tasks.detection import Detection, box_rows_of, video_names

Row = tuple[int, Tensor, Tensor, int | Tensor]  # number, views, scores of views (v, K), label


@dataclass(frozen=True)
class Tested:
    """All rows of a test, over all views.

    Attributes:
        rows: int64 (N,), what each is of, as the judge numbers them.
        scores: (N, K), means over views; or the highest, for ``DATA.ENSEMBLE_METHOD`` max.
        labels: (N,) or (N, K).
        views: of each row.
        class_names: may be fewer than K.
        unread: rows of the list that could not be read.
    """

    rows: Tensor
    scores: Tensor
    labels: Tensor
    views: int
    class_names: list[str]
    unread: Sequence[int]


class Judge(Protocol):
    """The seam between a test and what is tested."""

    @property
    def what(self) -> str:
        """What rows are, in a word."""
        ...

    def rows(self, sample: Sample, scores: Tensor) -> Iterator[Row]:
        """What the scores of all views of a sample, (V, K) or (V * R, K), are of."""
        ...

    def expected(self, unread: Sequence[int]) -> int:
        """Number of rows, if those of the list could not be read."""
        ...

    def summarise(self, tested: Tested) -> dict[str, Any]:
        """Figures in percent; ``curves``, where precision and recall are what counts."""
        ...

    def write(self, path: Path, tested: Tested) -> None:
        """A JSON object a row, with all of its scores."""
        ...


def judge_of(task: Task, records: Records) -> Judge:
    """The judge of a task's test.

    Raises:
        ValueError: boxes are tested in videos of which none is annotated.
    """
    if isinstance(task, Detection):
        return BoxJudge(records, task)
    return ClipJudge(records, task.num_classes)


@dataclass(frozen=True)
class ClipJudge:
    """A row a video: its label or labels, its scores."""

    records: Records
    num_classes: int
    what = "videos"

    def rows(self, sample: Sample, scores: Tensor) -> Iterator[Row]:
        yield sample.video, sample.views, scores, sample.label

    def expected(self, unread: Sequence[int]) -> int:
        return len(self.records) - len(unread)

    def summarise(self, tested: Tested) -> dict[str, Any]:
        found = summarise(tested.scores, tested.labels, tested.class_names, self.num_classes)
        if tested.labels.ndim == 2:
            names = [entry["name"] for entry in found["per_class"]]
            found["curves"] = curves_of_labels(names, tested.scores, tested.labels)
            if not tested.labels.any():
                LOGGER.warning("none of the videos tested has a label, so that there is no mAP")
        return found | {"num_videos": len(tested.rows)}

    def write(self, path: Path, tested: Tested) -> None:
        write_predictions(
            path,
            [self.records[video].path for video in tested.rows.tolist()],
            tested.scores,
            tested.labels,
            tested.class_names,
            views=tested.views,
        )


class BoxJudge:
    """A row a box; boxes are numbered through all keyframes of the list."""

    what = "boxes"

    def __init__(self, records: Records, task: Detection) -> None:
        self.records, self.task = records, task
        task.truth().check_names(video_names(records))  # before hours of testing
        counts = [_boxes_of(records, row) for row in range(len(records))]
        self.begin = torch.tensor([0, *accumulate(counts)])  # boxes before each keyframe

    def rows(self, sample: Sample, scores: Tensor) -> Iterator[Row]:
        assert sample.boxes is not None
        first = int(self.begin[sample.video])
        views = torch.cat([part.views for part in sample.by_size()])
        by_view = scores.view(len(views), len(scores) // len(views), scores.shape[1])
        labels = sample.boxes.labels
        for i in range(by_view.shape[1]):
            yield first + i, views, by_view[:, i], labels[i]

    def expected(self, unread: Sequence[int]) -> int:
        return int(self.begin[-1]) - sum(_boxes_of(self.records, row) for row in unread)

    def summarise(self, tested: Tested) -> dict[str, Any]:
        truth = self.task.truth()
        unread = [self.records[row].keyframe_key for row in tested.unread]
        keyframes, corners = self._places(tested.rows)
        curves = truth.curves(
            box_rows_of(self.records, keyframes, corners, tested.scores.float()),
            takes=self.task.tested,
            left_out=[key for key in unread if key],
        )
        names = named(tested.class_names, self.task.num_classes)
        per_class = [
            {
                "name": truth.names.get(number, names[number - 1]),
                "ap": None if not curve.annotated else 100 * curve.average_precision,
                "boxes": curve.annotated,
            }
            for number, curve in curves.items()
        ]
        mean = frame_map(curves)
        return {
            "map": None if math.isnan(mean) else 100 * mean,
            "per_class": per_class,
            "num_boxes": len(tested.rows),
            "num_keyframes": len(self.records) - len(tested.unread),
            "curves": curves_of_boxes(
                [str(entry["name"]) for entry in per_class], list(curves.values())
            ),
        }

    def write(self, path: Path, tested: Tested) -> None:
        """Also ``detections.csv`` beside it, as the server of the AVA challenge takes it.

        Its scores have all digits of float32: sure ones, and unlikely ones, would be equal
        otherwise, and the figure of the list another than that of the test.
        """
        keyframes, corners = self._places(tested.rows)
        names = named(tested.class_names, self.task.num_classes)
        evaluated = sorted(self.task.truth().names)
        numbers = ", ".join(["%.6g"] * self.task.num_classes)
        scores_of = tested.scores.float().tolist()
        every = zip(keyframes.tolist(), corners.tolist(), scores_of, tested.labels, strict=True)
        table = path.with_name("detections.csv")
        with (
            path.open("w") as lines,
            table.open("w", encoding="utf-8", errors="surrogateescape") as rows,
        ):
            for keyframe, box, scores, label in every:
                key = self.records[keyframe].keyframe_key
                assert key is not None
                classes = label.nonzero().flatten().tolist()
                record = {
                    "video": key[0],
                    "second": key[1],
                    "box": [round(value, 6) for value in box],
                    "labels": classes,
                    "label_names": [names[each] for each in classes],
                    "views": tested.views,
                }
                head = simplejson.dumps(record).removesuffix("}")
                lines.write(f'{head}, "scores": [{numbers % tuple(scores)}]}}\n')
                start = f"{keyframe_text(key)},{','.join(f'{v:.6f}' for v in box)}"
                rows.write(
                    "".join(f"{start},{each},{scores[each - 1]:.9g}\n" for each in evaluated)
                )

    def _places(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The keyframe of each box, and its corners (N, 4) as they were given."""
        keyframes = torch.searchsorted(self.begin, rows, right=True) - 1
        corners = torch.empty(len(rows), 4)
        known: dict[int, Tensor] = {}
        for i, (row, keyframe) in enumerate(zip(rows.tolist(), keyframes.tolist(), strict=True)):
            if keyframe not in known:
                boxes = self.records[keyframe].boxes
                assert boxes is not None
                known = {keyframe: boxes.corners}  # boxes of a keyframe follow each other
            corners[i] = known[keyframe][row - int(self.begin[keyframe])]
        return keyframes, corners


def _boxes_of(records: Records, row: int) -> int:
    boxes = records[row].boxes
    assert boxes is not None, "keyframes have boxes"
    return len(boxes)
