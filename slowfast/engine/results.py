"""The figures of a test, and its predictions as a file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import simplejson
from torch import Tensor

from slowfast.eval.confusion import confusion_matrix, per_class_accuracy
from slowfast.eval.mean_ap import average_precision, mean_average_precision
from slowfast.eval.topk import topk_accuracy


def summarise(
    scores: Tensor, labels: Tensor, class_names: list[str], num_classes: int
) -> dict[str, Any]:
    """Figures of (V, K) scores, in percent, and by class.

    Top-1, top-5 and confusion of labels (V,), class numbers; mAP of labels (V, K), 1 for each
    class that a video has.
    """
    if labels.ndim == 2:
        return _summary_of_several(scores, labels, named(class_names, num_classes))
    ks = tuple(k for k in (1, 5) if k <= num_classes)
    matrix = confusion_matrix(scores.argmax(1), labels, num_classes)
    accuracy = per_class_accuracy(matrix)
    names = named(class_names, num_classes)
    per_class = [
        {"name": name, "accuracy": 100 * share, "videos": count}
        for name, share, count in zip(names, accuracy.tolist(), matrix.sum(1).tolist(), strict=True)
    ]
    top = {
        f"top{k}": percent.item()
        for k, percent in zip(ks, topk_accuracy(scores, labels, ks), strict=True)
    }
    return {**top, "per_class": per_class, "confusion": matrix.tolist()}


def _summary_of_several(scores: Tensor, labels: Tensor, names: list[str]) -> dict[str, Any]:
    precision = average_precision(scores, labels)
    per_class = [
        {"name": name, "ap": None if math.isnan(share) else 100 * share, "videos": int(count)}
        for name, share, count in zip(
            names, precision.tolist(), labels.sum(0).tolist(), strict=True
        )
    ]
    return {"map": 100 * mean_average_precision(precision), "per_class": per_class}


def final_figures(results: dict[str, Any]) -> dict[str, float]:
    """Those of a test that its journal shows, by the names that readers of the field know."""
    shown = {"top1": "top1_acc", "top5": "top5_acc", "map": "map"}
    return {name: results[key] for key, name in shown.items() if key in results}


def write_predictions(
    path: Path,
    videos: Sequence[str],
    scores: Tensor,
    labels: Tensor,
    class_names: list[str],
    *,
    views: int,
) -> None:
    """One JSON object a line: which video, its label or labels, the prediction and all scores."""
    assert scores.isfinite().all(), "scores were checked when they came"
    names = named(class_names, scores.shape[1])
    # One format for a row takes a fifth of the time that JSON takes for each number.
    numbers = ", ".join(["%.6g"] * scores.shape[1])
    rows = zip(videos, scores, labels, scores.argmax(1).tolist(), strict=True)
    with path.open("w") as file:
        for video, row, label, best in rows:
            record = {
                "video": video,
                **_label_entries(label, names),
                "prediction": best,
                "prediction_name": names[best],
                "correct": bool(label[best] if label.ndim else best == label),
                "views": views,
            }
            head = simplejson.dumps(record).removesuffix("}")
            file.write(f'{head}, "scores": [{numbers % tuple(row.tolist())}]}}\n')


def _label_entries(label: Tensor, names: list[str]) -> dict[str, Any]:
    if not label.ndim:
        return {"label": int(label), "label_name": names[int(label)]}
    classes = label.nonzero().flatten().tolist()
    return {"labels": classes, "label_names": [names[each] for each in classes]}


def named(class_names: list[str], num_classes: int) -> list[str]:
    """The given names, and numbers for classes that have none, or share theirs with another."""
    names = [*class_names[:num_classes], *map(str, range(len(class_names), num_classes))]
    count = Counter(names)  # results are told apart by their names
    return [
        f"{name} (class {number})" if count[name] > 1 else name for number, name in enumerate(names)
    ]
