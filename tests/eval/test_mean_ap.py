"""Mirrors slowfast/eval/mean_ap.py."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from slowfast.eval.mean_ap import average_precision, mean_average_precision

PARITY = json.loads((Path(__file__).parents[1] / "parity" / "metrics.json").read_text())
ROWS = PARITY["multilabel_map"]["rows"]


@pytest.mark.parametrize("row", ROWS, ids=[f"seed {row['seed']}" for row in ROWS])
def test_figures_of_scikit_learn(row: dict) -> None:
    random = torch.Generator().manual_seed(row["seed"])
    scores = torch.rand(row["n"], row["c"], generator=random)
    targets = (torch.rand(row["n"], row["c"], generator=random) < 0.2).float()
    assert scores.flatten()[:3].tolist() == pytest.approx(row["p_check"])
    targets[:, row["drop"]] = 0
    assert targets.sum() == row["l_sum"]
    per_class = average_precision(scores, targets)
    assert per_class.isnan().nonzero().flatten().tolist() == row["drop"]
    assert mean_average_precision(per_class) == pytest.approx(row["map"], abs=1e-8)


def test_by_hand() -> None:
    scores = torch.tensor([[0.9], [0.8], [0.7], [0.6]])
    targets = torch.tensor([[0], [1], [0], [1]])
    assert average_precision(scores, targets).tolist() == [(1 / 2 + 2 / 4) / 2]


def test_equal_scores_are_one_threshold() -> None:
    scores = torch.tensor([0.5, 0.5, 0.5, 0.1])[:, None]
    for hits in ([1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]):
        found = average_precision(scores, torch.tensor(hits)[:, None])
        assert found.item() == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_a_video_without_labels_counts_for_no_class_and_a_class_without_videos_not_at_all() -> None:
    scores = torch.tensor([[0.9, 0.2, 0.5], [0.8, 0.2, 0.5], [0.7, 0.2, 0.5], [0.7, 0.2, 0.5]])
    targets = torch.tensor([[0, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]])
    found = average_precision(scores, targets)
    # The first video is above both hits of class 0; the other scores of a class are all equal.
    assert found[:2].tolist() == pytest.approx([(1 / 2 + 2 / 4) / 2, 2 / 4])
    assert mean_average_precision(found) == pytest.approx(1 / 2)
    order = torch.tensor([3, 0, 2, 1])
    assert torch.equal(average_precision(scores[order], targets[order])[:2], found[:2])
    twice = average_precision(scores.repeat(2, 1), targets.repeat(2, 1))
    assert torch.equal(twice[:2], found[:2]), "the same videos once more"


def test_nothing_to_judge_is_nan() -> None:
    assert average_precision(torch.rand(0, 2), torch.zeros(0, 2)).isnan().all()
    assert math.isnan(
        mean_average_precision(average_precision(torch.rand(3, 2), torch.zeros(3, 2)))
    )


@pytest.mark.parametrize(
    ("scores", "targets", "message"),
    [
        (torch.rand(3, 2), torch.zeros(3), r"expected scores and targets \(N, C\) alike, got"),
        (torch.rand(3, 2), torch.full((3, 2), 0.5), "expected targets 0 and 1, found others"),
        (torch.full((3, 2), math.nan), torch.zeros(3, 2), "found 6 that are nan"),
    ],
)
def test_what_has_no_map_is_refused(
    scores: torch.Tensor, targets: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        average_precision(scores, targets)


def test_random_scores_against_the_definition() -> None:
    """Recall's steps times precision, a threshold at a time; most scores are shared."""
    random = torch.Generator().manual_seed(3)
    for _ in range(200):
        rows, levels = (int(torch.randint(1, 13, (), generator=random)) for _ in range(2))
        scores = torch.randint(0, levels, (rows, 3), generator=random) / 4
        targets = (torch.rand(rows, 3, generator=random) < 0.3).float()
        for column, found in enumerate(average_precision(scores, targets).tolist()):
            pairs = list(zip(scores[:, column].tolist(), targets[:, column].tolist(), strict=True))
            total, recall, area = sum(hit for _, hit in pairs), 0.0, 0.0
            for threshold in sorted({score for score, _ in pairs}, reverse=True):
                above = [hit for score, hit in pairs if score >= threshold]
                area += (sum(above) - recall) * sum(above) / len(above)
                recall = sum(above)
            expected = area / total if total else math.nan
            assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)
