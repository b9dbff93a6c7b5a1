"""Mirrors slowfast/eval/frame_map.py; the contract's lists are in tests/engine/test_ava_eval.py."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from slowfast.eval.frame_map import BoxTable, frame_curves, frame_map

WHOLE, HALF, THIRD = (0, 0, 2, 2), (0, 0, 1, 2), (0, 0, 2 / 3, 2)


def table(*rows: tuple[int, Sequence[float], int, float]) -> BoxTable:
    """Rows of keyframe, corners, label, score."""
    keyframe, corners, label, score = zip(*rows, strict=True) if rows else ((), (), (), ())
    return BoxTable(
        np.array(keyframe, np.int64),
        np.array(corners, np.float64).reshape(-1, 4),
        np.array(label, np.int64),
        np.array(score, np.float64),
    )


def ap(annotated: BoxTable, detected: BoxTable, label: int = 1) -> float:
    return frame_curves(annotated, detected, [label])[label].average_precision


def test_precision_and_recall_by_hand() -> None:
    annotated = table((0, WHOLE, 1, 1), (1, WHOLE, 1, 1), (1, (5, 5, 6, 6), 1, 1))
    detected = table(
        (0, WHOLE, 1, 0.9),
        (0, WHOLE, 1, 0.8),  # the box is taken
        (2, WHOLE, 1, 0.7),  # nobody is annotated there
        (1, WHOLE, 1, 0.6),
    )
    curve = frame_curves(annotated, detected, [1])[1]
    assert curve.precision.tolist() == [1, 1 / 2, 1 / 3, 2 / 4]
    assert curve.recall.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 2 / 3])
    assert curve.average_precision == pytest.approx((1 + 1 / 2) / 3)


@pytest.mark.parametrize(("corners", "right"), [(WHOLE, 1), (HALF, 1), (THIRD, 0)])
def test_half_of_the_union_is_enough(corners: Sequence[float], right: float) -> None:
    assert ap(table((0, WHOLE, 1, 1)), table((0, corners, 1, 0.5))) == right


def test_only_the_box_that_is_overlapped_most_counts() -> None:
    """The second detection overlaps a free box by half, but the taken one by more."""
    near = (0, 0, 1.5, 2)
    annotated = table((0, near, 1, 1), (0, WHOLE, 1, 1))
    detected = table((0, near, 1, 0.9), (0, (0, 0, 1.4, 2), 1, 0.8))
    assert ap(annotated, detected) == 0.5


def test_boxes_are_taken_in_the_order_of_the_list() -> None:
    """As the challenge's program does: the unsure box is listed first, so it is the right one."""
    annotated = table((0, WHOLE, 1, 1))
    assert ap(annotated, table((0, WHOLE, 1, 0.2), (0, WHOLE, 1, 0.9))) == 0.5
    assert ap(annotated, table((0, WHOLE, 1, 0.9), (0, WHOLE, 1, 0.2))) == 1


def test_classes_and_keyframes_are_apart() -> None:
    annotated = table((0, WHOLE, 1, 1), (0, WHOLE, 2, 1), (1, WHOLE, 3, 1), (0, WHOLE, 9, 1))
    detected = table((0, WHOLE, 1, 0.5), (1, WHOLE, 2, 0.5), (0, WHOLE, 9, 0.5), (0, WHOLE, 4, 0.5))
    curves = frame_curves(annotated, detected, [4, 3, 2, 1])
    assert {label: curve.average_precision for label, curve in curves.items()} == {
        1: 1, 2: 0, 3: 0, 4: pytest.approx(math.nan, nan_ok=True)
    }  # fmt: skip
    assert frame_map(curves) == pytest.approx(1 / 3)


def test_boxes_without_an_area_are_no_detections() -> None:
    annotated = table((0, WHOLE, 1, 1))
    flat, turned = (0, 1, 2, 1), (2, 0, 0, 2)
    detected = table((0, flat, 1, 0.9), (0, turned, 1, 0.8), (0, WHOLE, 1, 0.7))
    assert ap(annotated, detected) == 1


def test_nothing_detected_and_nothing_annotated() -> None:
    assert ap(table((0, WHOLE, 1, 1)), table()) == 0
    curves = frame_curves(table(), table((0, WHOLE, 1, 1)), [1])
    assert math.isnan(frame_map(curves))
