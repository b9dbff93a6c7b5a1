"""Top-k hits and accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def topk_correct(scores: Tensor, labels: Tensor, ks: Sequence[int]) -> list[Tensor]:
    """How many rows have their label among the k best scores, for each k.

    Args:
        scores: (N, C), the higher the better; a row with a nan is never a hit.
        labels: class ids, int64 (N,).
        ks: a k above the number of classes counts as that number.

    Returns:
        One float scalar a k, on the device of ``scores``.

    Raises:
        ValueError: shapes that do not fit, or a k below 1.
    """
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ValueError(
            f"top-k: expected scores (N, C) and labels (N,), got {tuple(scores.shape)} and "
            f"{tuple(labels.shape)}; multi-label targets need mean average precision"
        )
    if not ks or min(ks) < 1:
        raise ValueError(f"top-k: expected every k to be at least 1, got {list(ks)}")
    best = scores.topk(min(max(ks), scores.shape[1]), dim=1).indices
    hits = best.eq(labels[:, None]) & ~scores.isnan().any(1, keepdim=True)
    return [hits[:, :k].sum().float() for k in ks]


def topk_accuracy(scores: Tensor, labels: Tensor, ks: Sequence[int]) -> list[Tensor]:
    """Share of hits in percent, for each k; nan when there are no rows."""
    return [100 * hits / len(labels) for hits in topk_correct(scores, labels, ks)]


def topk_error(scores: Tensor, labels: Tensor, ks: Sequence[int]) -> list[Tensor]:
    """Share of misses in percent, for each k; nan when there are no rows."""
    return [100 * (1 - hits / len(labels)) for hits in topk_correct(scores, labels, ks)]
