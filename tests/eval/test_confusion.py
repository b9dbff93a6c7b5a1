"""Mirrors slowfast/eval/confusion.py."""

from __future__ import annotations

import math

import pytest
import torch

from slowfast.eval.confusion import confusion_matrix, per_class_accuracy


def test_rows_are_true_classes_and_columns_predicted_ones() -> None:
    matrix = confusion_matrix(torch.tensor([1, 1, 0, 1]), torch.tensor([0, 1, 0, 0]), 3)
    assert matrix.dtype == torch.int64
    assert matrix.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]


def test_accuracy_of_a_class_without_videos_is_nan() -> None:
    shares = per_class_accuracy(torch.tensor([[1, 3, 0], [0, 2, 0], [0, 0, 0]])).tolist()
    assert shares[:2] == [0.25, 1.0]
    assert math.isnan(shares[2])


def test_no_videos_at_all() -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    assert confusion_matrix(empty, empty, 2).tolist() == [[0, 0], [0, 0]]


def test_ids_outside_the_classes() -> None:
    with pytest.raises(ValueError, match=r"labels in 0 \.\. 2, found 1 \.\. 3; set MODEL.NUM_CL"):
        confusion_matrix(torch.tensor([0, 1]), torch.tensor([1, 3]), 3)
    with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
        confusion_matrix(torch.tensor([0, 1]), torch.tensor([1, 1, 1]), 3)
