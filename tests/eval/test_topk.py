"""Mirrors slowfast/eval/topk.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from slowfast.eval.topk import topk_accuracy, topk_correct, topk_error

PARITY = json.loads((Path(__file__).parents[1] / "parity" / "metrics.json").read_text())["topk"]


def test_counts_of_the_public_code() -> None:
    random = torch.Generator().manual_seed(0)
    scores = torch.rand(50, 11, generator=random)
    labels = torch.randint(0, 11, (50,), generator=random)
    assert labels.tolist() == PARITY["y"]
    assert [c.item() for c in topk_correct(scores, labels, (1, 5))] == PARITY["topks_correct(1,5)"]
    for rule, key in ((topk_accuracy, "topk_accuracies"), (topk_error, "topk_errors")):
        found = [share.item() for share in rule(scores, labels, (1, 5))]
        assert found == pytest.approx(PARITY[key], rel=1e-5)


def test_by_hand() -> None:
    scores = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
    hits = topk_correct(scores, torch.tensor([2, 0]), (1, 2))
    assert [h.item() for h in hits] == [1, 2]


def test_k_is_limited_by_the_number_of_classes() -> None:
    scores = torch.eye(3)
    assert topk_correct(scores, torch.tensor([2, 2, 2]), (1, 5))[1] == 3


def test_a_row_of_nan_is_a_miss() -> None:
    scores = torch.full((1, 2), float("nan"))
    assert topk_correct(scores, torch.tensor([0]), (1, 2)) == [0, 0]


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"labels \(N,\), got \(4, 3\) and \(4, 3\)"):
        topk_correct(torch.zeros(4, 3), torch.zeros(4, 3), (1,))
    with pytest.raises(ValueError, match=r"every k to be at least 1, got \[0\]"):
        topk_correct(torch.zeros(4, 3), torch.zeros(4).long(), (0,))
