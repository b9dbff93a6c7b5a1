"""One label a video: cross entropy, softmax scores, top-k error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slowfast.data.batch import Batch
from slowfast.data.record import Records
from slowfast.data.transforms.device import InputStage
from slowfast.eval.topk import topk_correct
from slowfast.tasks.losses import Loss

TOP_K = (1, 5)


@dataclass(frozen=True)
class Classification:
    """Task of Kinetics and of any folder of videos with one label each.

    Args:
        inputs: uint8 clips -> the pathways of the network, on the device.
        criterion: (logits, labels) -> scalar.
        num_classes: k of the top-k error is at most this.
    """

    inputs: InputStage
    criterion: Loss
    num_classes: int

    @property
    def top_k(self) -> tuple[int, ...]:
        return tuple(k for k in TOP_K if k <= self.num_classes)

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        logits = model(self.inputs(batch.clips))
        out = {"loss": self.criterion(logits.float(), batch.labels)}
        with torch.no_grad():
            hits = topk_correct(logits, _dominant(batch.labels), self.top_k)
            for k, correct in zip(self.top_k, hits, strict=True):
                out[f"top{k}_err"] = 100 * (1 - correct / len(batch))
        return out

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(self.inputs(batch.clips)).float()

    def evaluator(self, records: Records) -> TopKErrors:
        return TopKErrors(self.top_k)


def _dominant(labels: Tensor) -> Tensor:
    """Classes (N,) of labels (N,), or those with the largest share of (N, K): mixed clips."""
    return labels.argmax(1) if labels.ndim == 2 else labels


class TopKErrors:
    """Counts, so that the figure is exact whatever the batch sizes and the number of ranks."""

    def __init__(self, top_k: Sequence[int]) -> None:
        self.top_k = tuple(top_k)
        self.correct = torch.zeros(len(self.top_k), dtype=torch.float64)
        self.total = 0

    def update(self, scores: Tensor, batch: Batch) -> None:
        correct = topk_correct(scores, batch.labels, self.top_k)
        self.correct += torch.stack([c.double().cpu() for c in correct])
        self.total += len(batch)

    def miss(self, rows: Sequence[int]) -> None:
        pass

    def state(self) -> dict[str, Tensor]:
        return {"correct": self.correct, "total": torch.tensor(self.total)}

    def merge(self, states: list[dict[str, Tensor]]) -> None:
        self.correct = torch.stack([s["correct"] for s in states]).sum(0)
        self.total = sum(int(s["total"]) for s in states)

    def metrics(self) -> dict[str, float]:
        """Top-k error in percent for each k."""
        shares = (self.correct / max(self.total, 1)).tolist()
        return {
            f"top{k}_err": 100 * (1 - share) for k, share in zip(self.top_k, shares, strict=True)
        }
