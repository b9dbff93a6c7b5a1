"""Any number of labels a video: binary cross entropy, sigmoid scores, mean average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slowfast.data.batch import Batch
from slowfast.data.record import Records
from slowfast.data.transforms.device import InputStage
from slowfast.eval.mean_ap import average_precision, mean_average_precision
from slowfast.tasks.losses import Loss


@dataclass(frozen=True)
class MultiLabel:
    """Task of Charades and of lists in its format.

    Args:
        inputs: uint8 clips -> the pathways of the network, on the device.
        criterion: (logits, labels (N, K)) -> scalar.
        num_classes: K.
    """

    inputs: InputStage
    criterion: Loss
    num_classes: int

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        logits = model(self.inputs(batch.clips))
        return {"loss": self.criterion(logits.float(), batch.labels)}

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(self.inputs(batch.clips)).float()

    def evaluator(self, records: Records) -> MeanPrecision:
        return MeanPrecision(self.num_classes)


class MeanPrecision:
    """Keeps all scores: the figure is a ranking of all videos, whichever rank had them."""

    def __init__(self, num_classes: int) -> None:
        self._scores = [torch.empty(0, num_classes)]
        self._labels = [torch.empty(0, num_classes)]

    def update(self, scores: Tensor, batch: Batch) -> None:
        self._scores.append(scores.cpu())
        self._labels.append(batch.labels.cpu())

    def miss(self, rows: Sequence[int]) -> None:
        pass

    def state(self) -> dict[str, Tensor]:
        return {"scores": torch.cat(self._scores), "labels": torch.cat(self._labels)}

    def merge(self, states: list[dict[str, Tensor]]) -> None:
        self._scores = [state["scores"] for state in states]
        self._labels = [state["labels"] for state in states]

    def metrics(self) -> dict[str, float]:
        """MAP in percent, over the classes that some video has."""
        per_class = average_precision(torch.cat(self._scores), torch.cat(self._labels))
        return {"map": 100 * mean_average_precision(per_class)}
