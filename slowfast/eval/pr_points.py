"""Precision-recall curves as a few points each: to be drawn, and kept beside a test's figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from slowfast.eval.frame_map import Curve

Points = NDArray[np.float64]  # (P, 2): recall and precision, by rising recall

RECALLS = 101  # of a mean curve


def points_of_boxes(curve: Curve) -> Points:
    """Where recall rises, with the highest precision from there on: steps over the area of AP."""
    return _where_recall_rises(curve.recall, curve.envelope)


def points_of_labels(scores: Tensor, targets: Tensor) -> Points:
    """Where recall rises, with the precision there: steps over the area of AP.

    Equal scores are one threshold, as in `average_precision`.

    Args:
        scores: (N,), the higher the surer.
        targets: (N,), 0 or 1.
    """
    ranked, order = scores.double().sort(descending=True)
    hits = targets[order].double().cumsum(0).numpy()
    ends = np.flatnonzero(np.diff(ranked.numpy(), append=-np.inf))  # last row of each threshold
    found = hits[ends]
    return _where_recall_rises(found / max(targets.sum().item(), 1), found / (ends + 1))


def mean_points(each: Sequence[Points]) -> Points:
    """The mean precision of classes at evenly spaced recalls; 0 where a class does not get to."""
    recalls = np.linspace(0, 1, RECALLS)
    total = np.zeros(RECALLS)
    for points in each:
        # A hair below, so that a recall of 7/7 is reached at 1.
        place = np.searchsorted(points[:, 0], recalls - 1e-9)
        total += np.append(points[:, 1], 0.0)[place]
    return np.stack([recalls, total / max(len(each), 1)], axis=1)


def thinned(points: Points, *, tolerance: float = 0.004, most: int = 64) -> Points:
    """The points that the shape needs (Douglas and Peucker, 1973).

    Args:
        tolerance: distance between the two lines; more if ``most`` points need it.
    """
    kept = _kept(points, tolerance)
    while len(kept) > most:
        tolerance *= 1.5
        kept = _kept(points, tolerance)
    return points[kept]


def _kept(points: Points, tolerance: float) -> list[int]:
    kept = {0, len(points) - 1} if len(points) else set()
    parts = [(0, len(points) - 1)]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        start, chord = points[first], points[last] - points[first]
        away = points[first + 1 : last] - start
        length = float(np.hypot(*chord))
        if length > 0:
            distance = np.abs(away[:, 0] * chord[1] - away[:, 1] * chord[0]) / length
        else:
            distance = np.hypot(away[:, 0], away[:, 1])
        worst = int(distance.argmax())
        if distance[worst] > tolerance:
            middle = first + 1 + worst
            kept.add(middle)
            parts += [(first, middle), (middle, last)]
    return sorted(kept)


def _where_recall_rises(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> Points:
    rises = np.diff(recall, prepend=0.0) > 0
    return np.stack([recall[rises], precision[rises]], axis=1)
