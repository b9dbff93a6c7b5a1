"""What frame-mAP of lists of boxes costs: a synthetic set of the size of AVA's validation split."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from slowfast.data.datasets.box_rows import read_box_rows
from slowfast.data.datasets.label_map import write_label_map
from slowfast.engine.ava_eval import evaluate_lists

CLASSES = 80
VIDEOS = 64

Row = dict[str, Any]


def measure_ava_eval(boxes: int, repeats: int) -> list[Row]:
    """CPU time of reading and of evaluating ``boxes`` boxes with scores of 80 classes each.

    Two boxes a keyframe, and two annotated actions a box.
    """
    with tempfile.TemporaryDirectory() as folder:
        annotated, detected = Path(folder, "gt.csv"), Path(folder, "det.csv")
        write_lists(annotated, detected, boxes)
        rows = []
        label_map = Path(folder, "classes.pbtxt")
        write_label_map(label_map, {number: str(number) for number in range(1, CLASSES + 1)})
        found, seconds = _timed(lambda: read_box_rows(detected, detected=True), repeats)
        rows.append({"what": "read detections", "rows": len(found), "seconds": seconds})
        _, seconds = _timed(lambda: evaluate_lists(annotated, detected, label_map), repeats)
        rows.append({"what": "read and evaluate", "rows": len(found), "seconds": seconds})
    return rows


def print_ava_eval(rows: list[Row]) -> None:
    print(f"{'what':<20} {'rows':>10} {'CPU s':>8}")
    for row in rows:
        print(f"{row['what']:<20} {row['rows']:10,} {row['seconds']:8.2f}")


def write_lists(annotated: Path, detected: Path, boxes: int) -> None:
    """Detections are annotated boxes, moved a little."""
    random = np.random.default_rng(0)
    with annotated.open("w") as truth, detected.open("w") as found:
        for i in range(boxes):
            keyframe = i // 2
            where = f"video{keyframe % VIDEOS:05d},{902 + keyframe // VIDEOS:04d}"
            corners = np.concatenate([random.uniform(0, 0.5, 2), random.uniform(0.6, 1, 2)])
            box = ",".join(f"{value:.3f}" for value in corners)
            for label in random.choice(CLASSES, 2, replace=False) + 1:
                truth.write(f"{where},{box},{label},{i}\n")
            box = ",".join(f"{value:.3f}" for value in corners + random.normal(0, 0.05, 4))
            scores = enumerate(random.random(CLASSES).tolist(), start=1)
            found.write("".join(f"{where},{box},{label},{value:.4f}\n" for label, value in scores))


def _timed(work: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """What it gives, and the median of its CPU time."""
    taken = []
    for _ in range(repeats):
        since = time.process_time()
        result = work()
        taken.append(time.process_time() - since)
    return result, statistics.median(taken)
