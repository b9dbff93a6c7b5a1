"""Actions of persons in boxes: a sigmoid a class and box, frame-mAP (SlowFast, Sec. 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from slowfast.data.batch import Batch
from slowfast.data.datasets.box_rows import BoxRows
from slowfast.data.record import Records
from slowfast.data.transforms.device import InputStage
from slowfast.eval.frame_map import frame_map
from slowfast.tasks.frame_truth import FrameTruth
from slowfast.tasks.losses import Loss


@dataclass(frozen=True)
class Detection:
    """Task of AVA and of data in its format.

    Args:
        inputs: uint8 clips -> the pathways of the network, on the device.
        criterion: (scores (R, K), labels (R, K)) -> scalar. Heads of boxes give scores while
            training, too.
        num_classes: K.
        truth: gives the annotated keyframes of validation and test.
        validated: which of their seconds are validated on while training.
        tested: which of them count in a test.
    """

    inputs: InputStage
    criterion: Loss
    num_classes: int
    truth: Callable[[], FrameTruth]
    validated: Callable[[float], bool]
    tested: Callable[[float], bool] = lambda second: True

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        scores = self.predict(model, batch)
        assert batch.boxes is not None
        if not len(batch.boxes):
            # Nobody is in these clips; other ranks wait for gradients all the same.
            return {"loss": scores.sum()}
        return {"loss": self.criterion(scores, batch.boxes.labels)}

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Scores of all boxes of the batch, float32 (R, K)."""
        assert batch.boxes is not None, "keyframes have boxes"
        return model(self.inputs(batch.clips), batch.boxes.rois()).float()  # type: ignore[no-any-return]

    def evaluator(self, records: Records) -> FrameMeanPrecision:
        if not self.truth().known:
            raise ValueError(
                "AVA.GROUNDTRUTH_FILE is empty, so that validation has nothing to compare with; "
                "name the list of annotated boxes, or set TRAIN.ENABLE False to predict only"
            )
        return FrameMeanPrecision(self, records)


class FrameMeanPrecision:
    """Keeps the scores of all boxes, and which keyframe each is of."""

    def __init__(self, task: Detection, records: Records) -> None:
        self.task, self.records = task, records
        task.truth().check_names(video_names(records))  # before anything is computed
        self._rows = [torch.empty(0, dtype=torch.int64)]
        self._corners = [torch.empty(0, 4)]
        self._scores = [torch.empty(0, task.num_classes)]
        self._missed = torch.empty(0, dtype=torch.int64)

    def update(self, scores: Tensor, batch: Batch) -> None:
        assert batch.boxes is not None
        self._rows.append(batch.videos.cpu()[batch.boxes.clip])
        self._corners.append(batch.boxes.given)
        self._scores.append(scores.cpu())

    def miss(self, rows: Sequence[int]) -> None:
        self._missed = torch.cat([self._missed, torch.tensor(rows, dtype=torch.int64)])

    def state(self) -> dict[str, Tensor]:
        return {
            "rows": torch.cat(self._rows),
            "corners": torch.cat(self._corners),
            "scores": torch.cat(self._scores),
            "missed": self._missed,
        }

    def merge(self, states: list[dict[str, Tensor]]) -> None:
        self._rows = [state["rows"] for state in states]
        self._corners = [state["corners"] for state in states]
        self._scores = [state["scores"] for state in states]
        self._missed = torch.cat([state["missed"] for state in states])

    def metrics(self) -> dict[str, float]:
        """Frame-mAP in percent."""
        found = box_rows_of(
            self.records, torch.cat(self._rows), torch.cat(self._corners), torch.cat(self._scores)
        )
        missed = [self.records[row].keyframe_key for row in self._missed.tolist()]
        curves = self.task.truth().curves(
            found, takes=self.task.validated, left_out=[key for key in missed if key]
        )
        return {"map": 100 * frame_map(curves)}


def video_names(records: Records) -> Iterator[str]:
    """The video of each keyframe."""
    for row in range(len(records)):
        key = records[row].keyframe_key
        assert key is not None, "keyframes have a video and a second"
        yield key[0]


def box_rows_of(records: Records, rows: Tensor, corners: Tensor, scores: Tensor) -> BoxRows:
    """Detections as a list has them: a row for each box and class, corners to six digits.

    Args:
        rows: int64 (R,), the keyframe of each box.
        corners: (R, 4), shares of the frame.
        scores: (R, K).
    """
    classes = scores.shape[1]
    numbers: dict[str, int] = {}
    videos, seconds = np.empty(len(rows), np.int64), np.empty(len(rows))
    known: dict[int, tuple[int, float]] = {}
    for i, row in enumerate(rows.tolist()):
        if row not in known:
            key = records[row].keyframe_key
            assert key is not None, "keyframes have a video and a second"
            known[row] = numbers.setdefault(key[0], len(numbers)), key[1]
        videos[i], seconds[i] = known[row]
    return BoxRows(
        tuple(numbers),
        np.repeat(videos, classes),
        np.repeat(seconds, classes),
        np.repeat(corners.double().numpy().round(6), classes, axis=0),
        np.tile(np.arange(1, classes + 1), len(rows)),
        scores.double().numpy().reshape(-1),
    )
