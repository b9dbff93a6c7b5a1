"""What is learned, as the loop sees it: a loss, predictions and how they are judged."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from slowfast.data.batch import Batch
from slowfast.data.transforms.device import InputStage


def is_error(metric: str) -> bool:
    """Whether the lowest value of a metric is the best; names of errors end so."""
    return metric.endswith("_err")


class Evaluator(Protocol):
    """Gathers predictions and turns them into metrics; `state` and `merge` join the ranks."""

    def update(self, scores: Tensor, batch: Batch) -> None: ...

    def state(self) -> dict[str, Tensor]: ...

    def merge(self, states: list[dict[str, Tensor]]) -> None: ...

    def metrics(self) -> dict[str, float]: ...


class Task(Protocol):
    """The seam between the training loop and what is trained."""

    @property
    def inputs(self) -> InputStage:
        """uint8 clips -> the pathways of the network, on the device."""
        ...

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Scalars on the device; "loss" is the one to minimise, the others are shown."""
        ...

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Scores, float32 (N, num_classes), of a model in eval mode."""
        ...

    def evaluator(self) -> Evaluator: ...
