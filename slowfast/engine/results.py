"""The figures of a test, and its predictions as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import simplejson
from torch import Tensor

from slowfast.eval.confusion import confusion_matrix, per_class_accuracy
from slowfast.eval.topk import topk_accuracy


def summarise(
    scores: Tensor, labels: Tensor, class_names: list[str], num_classes: int
) -> dict[str, Any]:
    """Top-1, top-5, per-class accuracy and confusion of (V, K) scores, in percent."""
    ks = tuple(k for k in (1, 5) if k <= num_classes)
    matrix = confusion_matrix(scores.argmax(1), labels, num_classes)
    accuracy = per_class_accuracy(matrix)
    names = _names(class_names, num_classes)
    per_class = [
        {"name": name, "accuracy": 100 * share, "videos": count}
        for name, share, count in zip(names, accuracy.tolist(), matrix.sum(1).tolist(), strict=True)
    ]
    top = {
        f"top{k}": percent.item()
        for k, percent in zip(ks, topk_accuracy(scores, labels, ks), strict=True)
    }
    return {**top, "per_class": per_class, "confusion": matrix.tolist()}


def write_predictions(
    path: Path,
    videos: Sequence[str],
    scores: Tensor,
    labels: Tensor,
    class_names: list[str],
    *,
    views: int,
) -> None:
    """One JSON object a line: which video, its label, the prediction and all scores."""
    assert scores.isfinite().all(), "scores were checked when they came"
    names = _names(class_names, scores.shape[1])
    # One format for a row takes a fifth of the time that JSON takes for each number.
    numbers = ", ".join(["%.6g"] * scores.shape[1])
    rows = zip(videos, scores, labels.tolist(), scores.argmax(1).tolist(), strict=True)
    with path.open("w") as file:
        for video, row, label, best in rows:
            record = {
                "video": video,
                "label": label,
                "label_name": names[label],
                "prediction": best,
                "prediction_name": names[best],
                "correct": best == label,
                "views": views,
            }
            head = simplejson.dumps(record).removesuffix("}")
            file.write(f'{head}, "scores": [{numbers % tuple(row.tolist())}]}}\n')


def _names(class_names: list[str], num_classes: int) -> list[str]:
    """The given names, and numbers for classes that have none."""
    return [*class_names[:num_classes], *map(str, range(len(class_names), num_classes))]
