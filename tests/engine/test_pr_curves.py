"""Mirrors slowfast/engine/pr_curves.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from slowfast.engine.pr_curves import curves_of_boxes, curves_of_labels, write_curves
from slowfast.eval.frame_map import Curve


def test_a_file_of_eighty_classes_is_small(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    curves = []
    for _ in range(80):
        hits = np.cumsum(random.random(2000) < 0.4).astype(np.float64)
        curves.append(Curve(hits / np.arange(1, 2001), hits / hits[-1], int(hits[-1])))
    curves.append(Curve(np.zeros(0), np.zeros(0), 0))
    names = [f"class {i}" for i in range(81)]
    write_curves(tmp_path, curves_of_boxes(names, curves))
    file = tmp_path / "pr_curves.json"
    assert file.stat().st_size < 150_000
    found = json.loads(file.read_text())
    assert [entry["name"] for entry in found["per_class"]] == names
    assert found["per_class"][-1]["points"] == []
    assert found["mean"][-1][0] == 1.0
    assert "pooled" not in found


def test_labels_have_a_pooled_curve_too() -> None:
    scores = torch.tensor([[0.9, 0.2, 0.1], [0.3, 0.8, 0.4]])
    found = curves_of_labels(["a", "b", "c"], scores, torch.tensor([[1, 0, 0], [0, 1, 0]]))
    assert found["pooled"] == [[0.5, 1.0], [1.0, 1.0]]
    assert [entry["points"] for entry in found["per_class"]] == [[[1.0, 1.0]], [[1.0, 1.0]], []]


def test_without_any_label_there_is_no_curve() -> None:
    found = curves_of_labels(["a", "b"], torch.rand(3, 2), torch.zeros(3, 2))
    assert (found["mean"], found["pooled"]) == ([], [])
