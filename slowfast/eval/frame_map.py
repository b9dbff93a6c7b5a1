"""Frame-mAP of boxes with actions, as the AVA challenge evaluates it (1705.08421, Sec. 5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BoxTable:
    """A row for each pair of box and class; the keyframes of two tables have the same numbers.

    Attributes:
        keyframe: int64 (N,).
        corners: float64 (N, 4), x1 y1 x2 y2 in any unit.
        label: int64 (N,).
        score: float64 (N,), of detections; of annotations 1.
    """

    keyframe: Ints
    corners: Floats
    label: Ints
    score: Floats

    def __len__(self) -> int:
        return len(self.label)

    def rows(self, chosen: NDArray[np.bool_]) -> BoxTable:
        if chosen.all():
            return self
        return BoxTable(
            self.keyframe[chosen], self.corners[chosen], self.label[chosen], self.score[chosen]
        )


@dataclass(frozen=True)
class Curve:
    """Precision and recall of a class as the threshold goes down its detections.

    Attributes:
        precision, recall: float64 (D,), of the D detections of the class.
        annotated: boxes of the class.
    """

    precision: Floats
    recall: Floats
    annotated: int

    @property
    def envelope(self) -> Floats:
        """The highest precision at each recall or a higher one, float64 (D,) (VOC 2010)."""
        return np.maximum.accumulate(self.precision[::-1])[::-1]

    @property
    def average_precision(self) -> float:
        """The area below the envelope; nan if nothing is annotated."""
        if not self.annotated:
            return float("nan")
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.envelope))


def frame_curves(
    annotated: BoxTable, detected: BoxTable, classes: Iterable[int], *, iou: float = 0.5
) -> dict[int, Curve]:
    """The curve of each class.

    A detection is right if, of the annotated boxes of its class in its keyframe, the one that it
    overlaps most is overlapped by at least ``iou`` and not taken yet. Boxes without an area are no
    detections. Boxes are taken in the order in which detections are listed, surest first or not:
    that is how the challenge's program counts, so figures agree with published ones.

    Args:
        classes: those that are evaluated; rows of others are passed over.
    """
    wanted = np.unique(np.fromiter(classes, np.int64))
    annotated = annotated.rows(np.isin(annotated.label, wanted))
    detected = detected.rows(np.isin(detected.label, wanted))
    # A keyframe's place among equal scores is that of its first row, with or without an area.
    listed = _first_rows(detected.keyframe)
    x1, y1, x2, y2 = detected.corners.T
    whole = (x1 < x2) & (y1 < y2)
    listed, detected = listed[whole], detected.rows(whole)
    right = _right(annotated, detected, iou)

    # By class, in the order of the list; numbers of few bits are sorted faster.
    place = np.searchsorted(wanted, detected.label).astype(np.min_scalar_type(len(wanted)))
    by_label = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place, minlength=len(wanted)))
    curves, begin = {}, 0
    for label, end in zip(wanted.tolist(), ends.tolist(), strict=True):
        rows = by_label[begin:end]
        begin = end
        if (np.diff(listed[rows]) < 0).any():
            rows = rows[np.argsort(listed[rows], kind="stable")]
        # Surest first; of equal ones the last of the keyframe that appears last.
        order = np.argsort(detected.score[rows], kind="stable")[::-1]
        hits = np.cumsum(right[rows[order]], dtype=np.float64)
        count = int((annotated.label == label).sum())
        curves[label] = Curve(hits / np.arange(1, len(rows) + 1), hits / max(count, 1), count)
    return curves


def frame_map(curves: dict[int, Curve]) -> float:
    """The mean of average precisions over the classes that are annotated; nan if there are none."""
    values = [curve.average_precision for curve in curves.values() if curve.annotated]
    return float(np.mean(values)) if values else float("nan")


def _right(annotated: BoxTable, detected: BoxTable, iou: float) -> NDArray[np.bool_]:
    """Which detections are right."""
    right = np.zeros(len(detected), bool)
    pairs, boxes = _pairs_of_a_group(annotated, detected)
    if not len(pairs):
        return right
    overlap = pairwise_iou(detected.corners[pairs], annotated.corners[boxes])
    # Pairs of a detection follow each other: the best of each, the first one if there are several.
    starts = np.flatnonzero(np.diff(pairs, prepend=-1))
    best = np.maximum.reduceat(overlap, starts)
    length = np.diff(starts, append=len(pairs))
    here = np.where(overlap == np.repeat(best, length), np.arange(len(pairs)), len(pairs))
    chosen = boxes[np.minimum.reduceat(here, starts)]
    own = pairs[starts]

    enough = best >= iou
    own, chosen = own[enough], chosen[enough]
    _, first = np.unique(chosen, return_index=True)
    right[own[first]] = True
    return right


def _pairs_of_a_group(annotated: BoxTable, detected: BoxTable) -> tuple[Ints, Ints]:
    """All pairs of a detection and an annotated box of its keyframe and class, by detection."""
    span = 1 + max(annotated.label.max(initial=0), detected.label.max(initial=0))
    groups = annotated.keyframe * span + annotated.label
    by_group = np.argsort(groups, kind="stable")
    groups, mine = groups[by_group], detected.keyframe * span + detected.label
    begin = np.searchsorted(groups, mine, side="left")
    count = np.searchsorted(groups, mine, side="right") - begin
    pairs = np.repeat(np.arange(len(mine)), count)
    within = np.arange(len(pairs)) - np.repeat(np.cumsum(count) - count, count)
    return pairs, by_group[np.repeat(begin, count) + within]


def pairwise_iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of (N, 4) and (N, 4), pair by pair."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=1)
    area_a, area_b = (np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (a, b))
    union = area_a + area_b - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


def _first_rows(numbers: Ints) -> Ints:
    """For each row, the first one that has the same number."""
    first = np.zeros(1 + numbers.max(initial=0), np.int64)
    first[numbers[::-1]] = np.arange(len(numbers))[::-1]  # the last one that is written stays
    return first[numbers]
