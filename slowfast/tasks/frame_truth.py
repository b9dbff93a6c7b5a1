"""Annotated keyframes as detections are compared with them: frame-mAP of AVA (1705.08421)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
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
    listed, rows = cfg.AVA.GROUNDTRUTH_FILE, NO_ROWS
    if listed:
        rows = read_box_rows(folder / listed, detected=False)
        _check_rows(rows, listed, cfg.MODEL.NUM_CLASSES)
    names = read_label_map(folder / cfg.AVA.LABEL_MAP_FILE)
    if above := sorted(number for number in names if number > cfg.MODEL.NUM_CLASSES):
        raise ValueError(
            f"AVA.LABEL_MAP_FILE {cfg.AVA.LABEL_MAP_FILE}: expected classes from 1 to "
            f"MODEL.NUM_CLASSES ({cfg.MODEL.NUM_CLASSES}), found {above[0]} ({names[above[0]]!r})"
        )
    return FrameTruth(rows, names, frozenset(excluded), known=bool(listed))


def _check_rows(rows: BoxRows, shown: str, num_classes: int) -> None:
    """Raise for what would count as boxes that were never found."""
    where = f"AVA.GROUNDTRUTH_FILE {shown}"
    if len(rows) and rows.label.max() > num_classes:
        raise ValueError(
            f"{where}: expected actions from 1 to MODEL.NUM_CLASSES ({num_classes}), found "
            f"{rows.label.max()}; correct one of them"
        )
    # As in lists of training: annotators reach a little over the edge.
    beyond = np.flatnonzero((np.abs(rows.corners - 0.5) > 1).any(1))
    if len(beyond):
        corners = ",".join(f"{value:g}" for value in rows.corners[beyond[0]])
        raise ValueError(
            f"{where}: expected x1,y1,x2,y2 as shares of the frame from 0 to 1, found {corners!r}; "
            "divide pixels by the frame's width and height"
        )


@dataclass(frozen=True)
class FrameTruth:
    """What is right.

    Args:
        rows: annotated boxes.
        names: of the classes that are evaluated, by their number from 1.
        excluded: keyframes that are passed over.
        known: whether anybody has annotated anything; else there is no figure.
    """

    rows: BoxRows
    names: Mapping[int, str]
    excluded: frozenset[Keyframe] = frozenset()
    known: bool = True

    def check_names(self, videos: Iterable[str]) -> None:
        """Raise if none of the videos is annotated: all that is found there would be wrong."""
        if not self.known:
            return
        annotated, first = set(self.rows.names), ""
        for name in videos:
            if name in annotated:
                return
            first = first or name
        if first:
            raise ValueError(
                f"AVA.GROUNDTRUTH_FILE: expected annotations of videos such as {first!r}, which "
                f"are evaluated, found {f'{min(annotated)!r}' if annotated else 'none'}; name the "
                "list of that split, with videos called as in the lists of frames and boxes"
            )

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
