"""Mirrors slowfast/engine/results.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import simplejson
import torch

from slowfast.engine.results import final_figures, summarise, write_predictions


def test_summary_counts_by_class() -> None:
    scores = torch.eye(3)[[0, 1, 1, 2]]
    summary = summarise(scores, torch.tensor([0, 1, 2, 2]), ["walk", "run"], 3)
    assert summary["top1"] == 75.0
    assert "top5" not in summary  # there are three classes only
    assert final_figures(summary) == {"top1_acc": 75.0}
    assert summary["per_class"][2] == {"name": "2", "accuracy": 50.0, "videos": 2}
    assert summary["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_several_labels_are_judged_by_their_precision(tmp_path: Path) -> None:
    scores = torch.tensor([[0.9, 0.2, 0.1], [0.8, 0.7, 0.1], [0.1, 0.6, 0.1]])
    labels = torch.tensor([[0.0, 0, 0], [1, 1, 0], [1, 0, 0]])
    summary = summarise(scores, labels, ["walk", "run"], 3)
    assert summary["per_class"] == [
        {"name": "walk", "ap": pytest.approx(100 * (1 / 2 + 2 / 3) / 2), "videos": 2},
        {"name": "run", "ap": 100.0, "videos": 1},
        {"name": "2", "ap": None, "videos": 0},
    ]
    assert summary["map"] == pytest.approx((100 + 100 * 7 / 12) / 2)
    assert final_figures(summary) == {"map": summary["map"]}
    path = tmp_path / "predictions.jsonl"
    write_predictions(path, ["a", "b", "c"], scores, labels, ["walk", "run"], views=1)
    none, both, one = map(simplejson.loads, path.read_text().splitlines())
    assert (none["labels"], none["prediction_name"], none["correct"]) == ([], "walk", False)
    assert (both["label_names"], both["correct"]) == (["walk", "run"], True)
    assert (one["labels"], one["prediction"], one["correct"]) == ([0], 1, False)


def test_classes_of_one_name_are_told_apart() -> None:
    labels = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    summary = summarise(torch.eye(2, 3), labels, ["open", "open", "shut"], 3)
    names = [entry["name"] for entry in summary["per_class"]]
    assert names == ["open (class 0)", "open (class 1)", "shut"]


def test_predictions_are_json_with_six_digits(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    scores = torch.tensor([[0.123456789, 1e-9, 1.0], [2e8, -3.5, 0.0]], dtype=torch.float64)
    names = ["walk", 'a "run"']
    write_predictions(path, ["a.mp4", "b.mp4"], scores, torch.tensor([0, 1]), names, views=30)
    one, two = map(simplejson.loads, path.read_text().splitlines())
    assert one["scores"] == [0.123457, 1e-9, 1]
    assert two["scores"] == [2e8, -3.5, 0]
    assert (one["prediction"], one["prediction_name"]) == (2, "2")
    assert (two["video"], two["label_name"], two["correct"]) == ("b.mp4", 'a "run"', False)
    with pytest.raises(AssertionError, match="scores were checked"):
        write_predictions(path, ["a"], scores[:1] / 0, torch.tensor([0]), names, views=1)
