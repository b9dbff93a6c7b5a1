"""Mirrors slowfast/eval/pr_points.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from slowfast.eval.frame_map import Curve
from slowfast.eval.mean_ap import average_precision
from slowfast.eval.pr_points import mean_points, points_of_boxes, points_of_labels, thinned


def area(points: np.ndarray) -> float:
    """Below the steps."""
    return float(np.sum(np.diff(points[:, 0], prepend=0.0) * points[:, 1]))


def random_curve(seed: int, rows: int = 3000) -> Curve:
    random = np.random.default_rng(seed)
    hits = np.cumsum(random.random(rows) < np.linspace(0.9, 0.05, rows)).astype(np.float64)
    return Curve(hits / np.arange(1, rows + 1), hits / 1500, 1500)


def test_the_area_below_the_points_of_boxes_is_the_average_precision() -> None:
    small = Curve(np.array([1, 1 / 2, 2 / 3]), np.array([0.5, 0.5, 1.0]), 2)
    assert points_of_boxes(small).tolist() == [[0.5, 1.0], [1.0, 2 / 3]]
    for curve in (small, random_curve(0)):
        assert area(points_of_boxes(curve)) == pytest.approx(curve.average_precision)


def test_equal_scores_of_labels_are_one_threshold() -> None:
    scores, targets = torch.tensor([0.9, 0.5, 0.5, 0.1]), torch.tensor([1.0, 0.0, 1.0, 1.0])
    points = points_of_labels(scores, targets)
    assert points.tolist() == pytest.approx(np.array([[1 / 3, 1], [2 / 3, 2 / 3], [1, 3 / 4]]))
    expected = average_precision(scores[:, None], targets[:, None]).item()
    assert area(points) == pytest.approx(expected)


def test_the_mean_is_that_of_precisions_at_the_same_recall() -> None:
    points = mean_points([np.array([[0.5, 1.0]]), np.array([[1.0, 0.5]])])
    assert len(points) == 101
    assert points[50].tolist() == [0.5, 0.75]
    assert points[51].tolist() == [0.51, 0.25]  # the first one never gets there
    curves = [random_curve(seed) for seed in range(3)]
    mean = mean_points([points_of_boxes(curve) for curve in curves])
    expected = np.mean([curve.average_precision for curve in curves])
    assert area(mean) == pytest.approx(expected, abs=0.01)


def test_few_points_keep_the_shape() -> None:
    points = points_of_boxes(random_curve(1))
    few = thinned(points)
    assert len(few) <= 64 < len(points)
    assert few[0].tolist() == points[0].tolist()
    assert few[-1].tolist() == points[-1].tolist()
    drawn = np.interp(points[:, 0], few[:, 0], few[:, 1])
    assert np.abs(drawn - points[:, 1]).max() < 0.05
    corner = np.array([[0.0, 1.0], [0.25, 1.0], [0.5, 1.0], [0.5, 0.2], [1.0, 0.2]])
    assert thinned(corner).tolist() == [[0, 1], [0.5, 1], [0.5, 0.2], [1, 0.2]]
    assert thinned(np.empty((0, 2))).tolist() == []
