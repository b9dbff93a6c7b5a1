"""Mirrors slowfast/engine/results.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import simplejson
import torch

from slowfast.engine.results import summarise, write_predictions


def test_summary_counts_by_class() -> None:
    scores = torch.eye(3)[[0, 1, 1, 2]]
    summary = summarise(scores, torch.tensor([0, 1, 2, 2]), ["walk", "run"], 3)
    assert summary["top1"] == 75.0
    assert "top5" not in summary  # there are three classes only
    assert summary["per_class"][2] == {"name": "2", "accuracy": 50.0, "videos": 2}
    assert summary["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


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
