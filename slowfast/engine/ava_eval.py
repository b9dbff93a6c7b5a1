"""Frame-mAP of lists of boxes: detections of a run or of another program against annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slowfast.data.datasets.ava_boxes import read_exclusions
from slowfast.data.datasets.box_rows import BoxRows, read_box_rows
from slowfast.data.datasets.label_map import read_label_map
from slowfast.eval.frame_map import Curve, frame_map
from slowfast.log import LOGGER
from slowfast.tasks.frame_truth import FrameTruth


@dataclass(frozen=True)
class FrameMap:
    """What `evaluate_lists` found.

    Attributes:
        curves: precision and recall of each evaluated class, by its number from 1.
        names: of the evaluated classes, by number.
    """

    curves: Mapping[int, Curve]
    names: Mapping[int, str]

    def summary(self) -> dict[str, Any]:
        """``mAP`` and ``per_class`` (by name), shares of 1; None for what has no annotation.

        Also ``boxes``, annotated ones by name.
        """
        per_class = {
            name: None if not (curve := self.curves[number]).annotated else curve.average_precision
            for number, name in self.names.items()
        }
        mean = frame_map(dict(self.curves))
        boxes = {name: self.curves[number].annotated for number, name in self.names.items()}
        return {"mAP": None if np.isnan(mean) else mean, "per_class": per_class, "boxes": boxes}


def evaluate_lists(
    annotated: str | Path,
    detected: str | Path,
    label_map: str | Path,
    *,
    exclusions: str | Path | None = None,
) -> FrameMap:
    """The challenge's figure for two lists in AVA's format.

    Args:
        label_map: the classes that are evaluated; rows of others are passed over.
        exclusions: keyframes that are passed over.

    Raises:
        ValueError: a file is missing or malformed, or none of the annotations is evaluated.
    """
    names = read_label_map(label_map)
    truth, found = read_box_rows(annotated, detected=False), read_box_rows(detected, detected=True)
    excluded = frozenset(read_exclusions(exclusions) if exclusions else ())
    curves = FrameTruth(truth, names, excluded).curves(found)
    if not any(curve.annotated for curve in curves.values()):
        raise ValueError(
            f"{annotated}: expected boxes of the {len(names)} classes of {label_map}, found none "
            f"in {len(truth)} rows of {len(truth.names)} videos; check that both are of one data "
            "set"
        )
    _warn_of_strangers(str(annotated), truth, str(detected), found)
    return FrameMap(curves, names)


def _warn_of_strangers(annotated: str, truth: BoxRows, detected: str, found: BoxRows) -> None:
    """Detections in videos without annotations are all wrong, which is seldom meant."""
    if not len(found):
        LOGGER.warning("%s: no detections with an action in it; all classes get 0", detected)
    strangers = sorted(set(found.names) - set(truth.names))
    if strangers:
        LOGGER.warning(
            "%s: %d of its %d videos are not in %s, so all of their boxes count as wrong; the "
            "first is %s",
            detected,
            len(strangers),
            len(found.names),
            annotated,
            strangers[0],
        )
