"""Report sections on the classes: confusion matrix, most frequent confusions, accuracy bars."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from slowfast.viz.page import Part, bars, card, table
from slowfast.viz.plots import LABELLED_CLASSES, heat_map
from slowfast.viz.run_files import RunFiles

MAX_PAIRS = 15
MAX_OPEN_BARS = 24


def num_classes(run: RunFiles) -> int:
    """Classes of the test results; 0 if there are none."""
    matrix = run.results.get("confusion") or run.results.get("per_class") or []
    return len(matrix)


def confusion_part(run: RunFiles, names: Sequence[str]) -> Part:
    """Which class is taken for which, each row as shares of its videos."""
    counts = np.array(run.results.get("confusion") or [], dtype=np.float64)
    if counts.ndim != 2 or not len(counts) or counts.shape[0] != counts.shape[1]:
        return Part("confusion", "Confusion matrix", "")
    totals = counts.sum(1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full_like(counts, math.nan), where=totals > 0)
    pairs = [
        (int(counts[t, p]), f"{counts[t, p]:.0f} ({shares[t, p]:.0%})", names[t], names[p])
        for t, p in zip(*np.nonzero(counts), strict=True)
        if t != p
    ]
    pairs.sort(key=lambda pair: -pair[0])
    rows = [(true, taken, videos) for _, videos, true, taken in pairs[:MAX_PAIRS]]
    listed = table(["True class", "Taken for", "Videos"], rows)
    note = "Rows are true classes, columns predicted ones; each row is a share of its videos."
    body = card(heat_map(shares, names)) + card(listed, title="Most frequent confusions")
    if len(names) > LABELLED_CLASSES:
        note += " Classes are in the order of their numbers, from the top left."
    else:
        body = f'<div class="split">{body}</div>'
    return Part("confusion", "Confusion matrix", body, note)


def class_part(run: RunFiles, names: Sequence[str]) -> Part:
    """Accuracy of each class, the best first."""
    rows = []
    for name, entry in zip(names, run.results.get("per_class") or [], strict=False):
        accuracy, videos = entry.get("accuracy"), entry.get("videos", 0)
        if isinstance(accuracy, int | float) and math.isfinite(accuracy):
            rows.append((name, accuracy / 100, f"{accuracy:.1f} %  of {videos:,}"))
    rows.sort(key=lambda row: -row[1])
    if len(rows) <= MAX_OPEN_BARS:
        body = card(bars(rows))
    else:
        half = MAX_OPEN_BARS // 2
        everything = (
            f"<details><summary>All {len(rows)} classes</summary>{bars(rows, many=True)}</details>"
        )
        body = (
            '<div class="grid">'
            + card(bars(rows[:half]), title="Easiest")
            + card(bars(rows[: -half - 1 : -1]), title="Hardest")
            + f"</div>{card(everything)}"
        )
    return Part("classes", "Accuracy by class", body if rows else "")
