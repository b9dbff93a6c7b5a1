"""Which class is taken for which."""

from __future__ import annotations

import torch
from torch import Tensor


def confusion_matrix(predictions: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Counts, int64 (num_classes, num_classes): row the true class, column the predicted one.

    Raises:
        ValueError: shapes that differ, or an id outside 0 .. num_classes - 1.
    """
    if predictions.shape != labels.shape or labels.ndim != 1:
        raise ValueError(
            "confusion matrix: expected predictions (N,) and labels (N,), got "
            f"{tuple(predictions.shape)} and {tuple(labels.shape)}"
        )
    for name, ids in (("predictions", predictions), ("labels", labels)):
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < num_classes:
            raise ValueError(
                f"confusion matrix: expected {name} in 0 .. {num_classes - 1}, found "
                f"{int(ids.min())} .. {int(ids.max())}; set MODEL.NUM_CLASSES to the number of "
                "classes of the data"
            )
    pairs = labels.long() * num_classes + predictions.long()
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def per_class_accuracy(matrix: Tensor) -> Tensor:
    """Share of each class's videos that were right, float64 (C,) in 0..1; nan without videos."""
    return matrix.diagonal().double() / matrix.sum(1).double()
