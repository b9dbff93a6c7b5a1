"""`pr_curves.json` beside the figures of a test: precision and recall, for those who draw them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import simplejson
from torch import Tensor

from slowfast.eval.frame_map import Curve
from slowfast.eval.pr_points import Points, mean_points, points_of_boxes, points_of_labels, thinned

NAME = "pr_curves.json"


def curves_of_boxes(names: Sequence[str], curves: Sequence[Curve]) -> dict[str, Any]:
    """Of each class, and their mean.

    Returns:
        Lists of ``[recall, precision]``: ``mean``, and ``per_class``, objects of a ``name`` and
        ``points``, which are empty for what has no annotation.
    """
    return _entries(names, [points_of_boxes(c) if c.annotated else None for c in curves])


def curves_of_labels(names: Sequence[str], scores: Tensor, targets: Tensor) -> dict[str, Any]:
    """The same of scores and labels (N, K); ``pooled`` is the ranking of all pairs of both."""
    columns = zip(scores.unbind(1), targets.unbind(1), strict=True)
    each = [points_of_labels(s, t) if t.any() else None for s, t in columns]
    pooled = points_of_labels(scores.flatten(), targets.flatten())
    return _entries(names, each) | {"pooled": _plain(pooled)}


def write_curves(folder: Path, curves: dict[str, Any]) -> None:
    """Whole or not at all, a line a class."""
    overall = {key: points for key, points in curves.items() if key != "per_class"}
    heads = [f"{simplejson.dumps(key)}: {simplejson.dumps(overall[key])}" for key in overall]
    classes = ",\n".join(simplejson.dumps(entry) for entry in curves["per_class"])
    text = "{" + ",\n".join([*heads, f'"per_class": [\n{classes}\n]']) + "}\n"
    part = folder / f".{NAME}.{os.getpid()}.part"
    part.write_text(text)
    os.replace(part, folder / NAME)


def _entries(names: Sequence[str], each: Sequence[Points | None]) -> dict[str, Any]:
    per_class = [
        {"name": name, "points": [] if points is None else _plain(points)}
        for name, points in zip(names, each, strict=True)
    ]
    known = [points for points in each if points is not None]
    return {"mean": _plain(mean_points(known)) if known else [], "per_class": per_class}


def _plain(points: Points) -> list[list[float]]:
    return [[round(value, 4) for value in point] for point in thinned(points).tolist()]
