"""Lists of boxes in the format of AVA (1705.08421): annotated, detected, and left-out seconds."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from slowfast.data.boxes import GivenBoxes
from slowfast.data.datasets.box_lines import ANNOTATED, box_lines, number_in
from slowfast.data.packed_text import packed_numbers
from slowfast.data.record import NoSuchSplit
from slowfast.paths import local_path

DETECTED = "video,second,x1,y1,x2,y2,action or nothing or -1[,score]"

Keyframe = tuple[str, float]  # video and second


class BoxLists:
    """Boxes of keyframes while lists are read; a box of several rows has several labels.

    Args:
        num_classes: actions are numbered from 1 to this.
        score_threshold: detected boxes below it are left out.
    """

    def __init__(self, *, num_classes: int, score_threshold: float) -> None:
        self.num_classes, self.score_threshold = num_classes, score_threshold
        # Boxes are told apart by what stands in the list, not by rounded numbers.
        self.keyframes: dict[Keyframe, dict[tuple[str, ...], _Box]] = {}
        self.unsure = 0  # boxes below the threshold

    def add(self, path: str | Path, *, detected: bool) -> None:
        """Read a list.

        Raises:
            ValueError: there is no such file, or a line is not like that.
        """
        for where, row in _rows(path, columns=(7, 8), expected=DETECTED if detected else ANNOTATED):
            key = (row[0], second_of(row[1], where))
            corners = tuple(row[2:6])
            score = _score(row[7], where) if detected and len(row) == 8 else 1.0
            if score < self.score_threshold:
                self.unsure += 1
                continue
            boxes = self.keyframes.setdefault(key, {})
            if not any(corners):  # the second is annotated, and nobody is in it
                continue
            if corners not in boxes:
                boxes[corners] = _Box(_corners(corners, where), score, set())
            if label := _label(row[6], where, self.num_classes):
                boxes[corners].labels.add(label - 1)


@dataclass(frozen=True)
class _Box:
    corners: tuple[float, float, float, float]
    score: float
    labels: set[int]


@dataclass(frozen=True)
class PackedBoxes:
    """Boxes of keyframes as tensors, which loader workers share.

    Attributes:
        begin: int64 (N + 1,), where the boxes of each keyframe begin.
        corners: float32 (B, 4).
        scores: float32 (B,).
        label_begin: int64 (B + 1,), where the labels of each box begin.
        labels: int64 (L,), classes from 0.
    """

    begin: Tensor
    corners: Tensor
    scores: Tensor
    label_begin: Tensor
    labels: Tensor

    @classmethod
    def of(cls, keyframes: list[list[_Box]]) -> PackedBoxes:
        """Pack the boxes of each keyframe."""
        begin, label_begin = array("q", [0]), array("q", [0])
        corners, scores, labels = array("f"), array("f"), array("q")
        for boxes in keyframes:
            for box in boxes:
                corners.extend(box.corners)
                scores.append(box.score)
                labels.extend(sorted(box.labels))
                label_begin.append(len(labels))
            begin.append(len(scores))
        return cls(
            packed_numbers(begin),
            packed_numbers(corners).view(-1, 4),
            packed_numbers(scores),
            packed_numbers(label_begin),
            packed_numbers(labels),
        )

    def of_keyframe(self, row: int, num_classes: int) -> GivenBoxes:
        """The boxes of keyframe ``row``, with labels (R, num_classes)."""
        first, last = self.begin[row : row + 2].tolist()
        labels = torch.zeros(last - first, num_classes)
        starts = self.label_begin[first : last + 1].tolist()
        for i, (start, stop) in enumerate(pairwise(starts)):
            labels[i, self.labels[start:stop]] = 1
        return GivenBoxes(self.corners[first:last], labels, self.scores[first:last])


def read_exclusions(path: str | Path) -> set[Keyframe]:
    """Keyframes that are left out of evaluation, one ``video,second`` a line.

    Raises:
        ValueError: there is no such file, or a line is not like that.
    """
    rows = _rows(path, columns=(2, 2), expected="video,second")
    return {(row[0], second_of(row[1], where)) for where, row in rows}


def read_keyframes(*paths: str | Path) -> dict[str, list[float]]:
    """Seconds of each video that lists of boxes have, increasing.

    Raises:
        ValueError: there is no such file, or a line is not like that.
    """
    found: dict[str, set[float]] = {}
    for path in paths:
        for where, row in _rows(path, columns=(2, 8), expected=ANNOTATED):
            found.setdefault(row[0], set()).add(second_of(row[1], where))
    return {video: sorted(seconds) for video, seconds in found.items()}


def second_of(text: str, where: str) -> float:
    """The moment that a cell names; ValueError with ``where`` if it is no number."""
    return number_in(text, where, "a second")


def keyframe_text(key: Keyframe) -> str:
    """The columns that a row of a list begins with, from which the same keyframe is read."""
    video, second = key
    # A list may have lines that begin with # and are no rows while it is written.
    if video.startswith("#") or any(mark in video for mark in ',"'):
        quoted = video.replace('"', '""')
        video = f'"{quoted}"'
    return f"{video},{second_text(second)}"


def second_text(second: float) -> str:
    """As AVA writes it: 0902; of other data with all of its digits, so that it is found again."""
    return f"{int(second):04d}" if second == int(second) else repr(float(second))


def _rows(
    path: str | Path, *, columns: tuple[int, int], expected: str
) -> Iterator[tuple[str, list[str]]]:
    """(file:line, columns) of each line that is neither blank nor a header."""
    file_path = Path(local_path(str(path)))
    if not file_path.is_file():
        raise NoSuchSplit(
            f"{path}: expected a list of '{expected}', found nothing; set AVA.ANNOTATION_DIR to "
            "its folder, or the key that names it to '' or [] if there is none"
        )
    return box_lines(file_path, str(path), columns=columns, expected=expected)


def _corners(cells: tuple[str, ...], where: str) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (number_in(cell, where, "numbers x1,y1,x2,y2") for cell in cells)
    # Detectors and annotators reach a little over the edge; pixels are another matter.
    if not (-0.5 <= x1 <= x2 <= 1.5 and -0.5 <= y1 <= y2 <= 1.5):
        raise ValueError(
            f"{where}: expected x1,y1,x2,y2 as shares of the frame from 0 to 1, the smaller ones "
            f"first, found {','.join(cells)!r}; divide pixels by the frame's width and height"
        )
    return x1, y1, x2, y2


def _score(cell: str, where: str) -> float:
    # Above 1 are the persons of annotated lists, which public recipes name among the detected ones.
    return number_in(cell, where, "a score from 0 to 1") if cell else 1.0


def _label(cell: str, where: str, num_classes: int) -> int:
    """The action from 1; 0 for none."""
    if cell in ("", "-1"):
        return 0
    if not cell.isdecimal() or not 1 <= int(cell) <= num_classes:
        raise ValueError(
            f"{where}: expected an action from 1 to {num_classes}, or nothing or -1, found "
            f"{cell!r}; set MODEL.NUM_CLASSES to the number of actions, or correct the list"
        )
    return int(cell)
