"""Mirrors slowfast/tasks/multi_label.py."""

from __future__ import annotations

import torch
from torch import nn

from slowfast.data.batch import Batch
from slowfast.data.transforms.device import InputStage
from slowfast.tasks.losses import make_loss
from slowfast.tasks.multi_label import MeanPrecision, MultiLabel


def batch_of(labels: torch.Tensor) -> Batch:
    rows = torch.arange(len(labels))
    clips = torch.zeros(len(labels), 1, 1, 1, 3, dtype=torch.uint8)
    return Batch(clips, labels, rows, rows, paths=[""] * len(labels))


class Fixed(nn.Module):
    """Gives the logits that it was made with."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, pathways: list[torch.Tensor]) -> torch.Tensor:
        return self.logits


def test_each_class_is_a_question_of_its_own() -> None:
    labels = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    task = MultiLabel(InputStage((0, 0, 0), (1, 1, 1)), make_loss("bce_logit"), 3)
    out = task.loss(Fixed(torch.zeros(2, 3)), batch_of(labels))
    assert list(out) == ["loss"]
    torch.testing.assert_close(out["loss"], torch.tensor(2.0).log())


def test_the_figure_is_that_of_all_ranks_together() -> None:
    random = torch.Generator().manual_seed(0)
    scores = torch.rand(30, 4, generator=random)
    labels = (torch.rand(30, 4, generator=random) < 0.3).float()
    whole, parts = MeanPrecision(4), [MeanPrecision(4) for _ in range(3)]
    whole.update(scores, batch_of(labels))
    for i in range(10):
        rows = slice(3 * i, 3 * i + 3)
        parts[i % 2].update(scores[rows], batch_of(labels[rows]))  # the third rank has none
    first = parts[0]
    first.merge([part.state() for part in parts])
    assert first.metrics() == whole.metrics()
    assert 0 < whole.metrics()["map"] < 100
