"""Annotated keyframes as detections are compared with them: frame-mAP of AVA (1705.08421)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slowfast.data.datasets.ava_boxes import Keyframe, read_exclusions
from slowfast.data.datasets.box_rows import NO_ROWS, BoxRows, read_box_rows
from slowfast.data.datasets.label_map import read_label_map
from slowfast.eval.frame_map import BoxTable, Curve, frame_curves


def truth_from_cfg(cfg: Any) -> FrameTruth:
    """``AVA.GROUNDTRUTH_FILE`` with the label map and the excluded seconds, in ANNOTATION_DIR.

    Without a file nothing is annotated: a test predicts, and has no figure.
    """
    folder = Path(cfg.AVA.ANNOTATION_DIR or "")
    excluded: set[Keyframe] = set()
    if cfg.AVA.EXCLUSION_FILE:
        excluded = read_exclusions(folder / cfg.AVA.EXCLUSION_FILE)
    rows = NO_ROWS
    if cfg.AVA.GROUNDTRUTH_FILE:
        rows = read_box_rows(folder / cfg.AVA.GROUNDTRUTH_FILE, detected=False)
    names = read_label_map(folder / cfg.AVA.LABEL_MAP_FILE)
    if above := sorted(number for number in names if number > cfg.MODEL.NUM_CLASSES):
        raise ValueError(
            f"AVA.LABEL_MAP_FILE {cfg.AVA.LABEL_MAP_FILE}: expected classes from 1 to "
            f"MODEL.NUM_CLASSES ({cfg.MODEL.NUM_CLASSES}), found {above[0]} ({names[above[0]]!r})"
        )
    return FrameTruth(rows, names, frozenset(excluded))


@dataclass(frozen=True)
class FrameTruth:
    """What is right.

    Args:
        rows: annotated boxes.
        names: of the classes that are evaluated, by their number from 1.
        excluded: keyframes that are passed over.
    """

    rows: BoxRows
    names: Mapping[int, str]
    excluded: frozenset[Keyframe] = frozenset()

    def curves(
        self,
        found: BoxRows,
        *,
        takes: Callable[[float], bool] = lambda second: True,
        left_out: Collection[Keyframe] = (),
    ) -> dict[int, Curve]:
        """Precision and recall of each class.

        Args:
            takes: which seconds count; all.
            left_out: more keyframes that don't.
        """
        truth = self.rows
        number_of = {name: i for i, name in enumerate(dict.fromkeys((*truth.names, *found.names)))}
        both = np.concatenate([truth.second, found.second])
        seconds, place = np.unique(both, return_inverse=True)
        place = place.reshape(-1)
        taken = np.array([takes(second) for second in seconds.tolist()], bool)
        second_of = {second: i for i, second in enumerate(seconds.tolist())}
        passed = [
            number_of[name] * len(seconds) + second_of[second]
            for name, second in (*self.excluded, *left_out)
            if name in number_of and second in second_of
        ]
        tables, begin = [], 0
        for rows in (truth, found):
            videos = np.array([number_of[name] for name in rows.names], np.int64)
            own = place[begin : begin + len(rows)]
            keyframe: NDArray[np.int64] = videos[rows.video] * len(seconds) + own
            counts = taken[own]
            if passed:
                counts &= ~np.isin(keyframe, passed)
            table = BoxTable(keyframe, rows.corners, rows.label, rows.score)
            tables.append(table if counts.all() else table.rows(counts))
            begin += len(rows)
        return frame_curves(tables[0], tables[1], self.names)
