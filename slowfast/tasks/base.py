"""What is learned, as the loop sees it: a loss, predictions and how they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from slowfast.data.batch import Batch
from slowfast.data.record import Records
from slowfast.data.transforms.device import InputStage


def is_error(metric: str) -> bool:
    """Whether the lowest value of a metric is the best; names of errors end so."""
    return metric.endswith("_err")


class Evaluator(Protocol):
    """Gathers predictions and turns them into metrics; `state` and `merge` join the ranks."""

    def update(self, scores: Tensor, batch: Batch) -> None: ...

    def miss(self, rows: Sequence[int]) -> None:
        """Rows that could not be read, and are in no figure."""
        ...

    def state(self) -> dict[str, Tensor]: ...

    def merge(self, states: list[dict[str, Tensor]]) -> None: ...

    def metrics(self) -> dict[str, float]: ...


class Task(Protocol):
    """The seam between the training loop and what is trained."""

    @property
    def num_classes(self) -> int: ...

    @property
    def inputs(self) -> InputStage:
        """uint8 clips -> the pathways of the network, on the device."""
        ...

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Scalars on the device; "loss" is the one to minimise, the others are shown."""
        ...

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Scores of clips (N, num_classes) or boxes (R, num_classes), float32.

        Precise BN calls it with a network in training mode, for its statistics.
        """
        ...

    def evaluator(self, records: Records) -> Evaluator:
        """Of a split, for evaluation while training."""
        ...
