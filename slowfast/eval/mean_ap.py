"""Average precision of multi-label scores, as Charades (1604.01753) and scikit-learn define it."""

from __future__ import annotations

import torch
from torch import Tensor


def average_precision(scores: Tensor, targets: Tensor) -> Tensor:
    """The area under the steps of each class's precision-recall curve.

    Equal scores are one threshold: neither their order nor luck changes the figure.

    Args:
        scores: (N, C), the higher the surer.
        targets: (N, C), 1 where a video has the class.

    Returns:
        float64 (C,), 0 to 1; nan for a class that no video has.

    Raises:
        ValueError: shapes that do not fit, a target that is neither 0 nor 1, scores that are nan.
    """
    if scores.ndim != 2 or scores.shape != targets.shape:
        raise ValueError(
            f"mAP: expected scores and targets (N, C) alike, got {tuple(scores.shape)} and "
            f"{tuple(targets.shape)}; single labels need top-k accuracy"
        )
    if not ((targets == 0) | (targets == 1)).all():
        raise ValueError("mAP: expected targets 0 and 1, found others; mixed labels have no mAP")
    if scores.isnan().any():
        raise ValueError(f"mAP: expected scores, found {int(scores.isnan().sum())} that are nan")
    if not len(scores):
        return torch.full(scores.shape[1:], torch.nan, dtype=torch.float64)
    ranked, order = scores.sort(dim=0, descending=True)
    hits = targets.gather(0, order).double()
    found = hits.cumsum(0)
    precision = found / torch.arange(1, len(scores) + 1, dtype=torch.float64)[:, None]
    # A threshold takes all rows of its score: what counts is the precision at the last of them.
    last = torch.ones_like(ranked, dtype=torch.bool)
    last[:-1] = ranked[:-1] != ranked[1:]
    rows = torch.arange(len(scores))[:, None].where(last, len(scores))
    at = rows.flip(0).cummin(0).values.flip(0)
    return (hits * precision.gather(0, at)).sum(0) / found[-1]


def mean_average_precision(per_class: Tensor) -> float:
    """The mean over classes that some video has; nan if there are none."""
    return float(per_class.nanmean())
