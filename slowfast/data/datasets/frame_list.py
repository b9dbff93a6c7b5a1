"""Lists of videos kept as pictures, one row a frame: SSv2, Charades, AVA."""

from __future__ import annotations

import bisect
import csv
import os
import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TextIO, overload

import torch
from torch import Tensor

from slowfast.data.datasets.label_sets import label_numbers
from slowfast.data.datasets.table_rows import refuse_utf16
from slowfast.data.packed_text import PackedText, digest_of, packed_numbers
from slowfast.data.record import NoSuchSplit
from slowfast.log import LOGGER
from slowfast.paths import local_path

VIDEO, FRAME, PATH, LABELS = "original_vido_id", "frame_id", "path", "labels"  # as published
HEADER = f"{VIDEO} video_id {FRAME} {PATH} {LABELS}"
_NUMBERED = re.compile(r"(.*?)(\d{1,18})(\D*)", re.DOTALL)

Run = tuple[int, str, int, int, str]  # first row, text before the number, number, digits, after it


class FramePaths(Sequence[str]):
    """Paths of the frames of one video, made when they are asked for.

    Args:
        runs: numbered files in a row, such as 00001.jpg to 00250.jpg.
        num_frames: of the video.
    """

    def __init__(self, runs: Sequence[Run], num_frames: int) -> None:
        self.runs, self.num_frames = runs, num_frames
        self._starts = [run[0] for run in runs]

    def __len__(self) -> int:
        return self.num_frames

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...

    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(self.num_frames)))
        row = index + self.num_frames if index < 0 else index
        if not 0 <= row < self.num_frames:
            raise IndexError(f"frame {index} of {self.num_frames}")
        first, before, number, digits, after = self.runs[bisect.bisect(self._starts, row) - 1]
        return _join(before, number + row - first, digits, after)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self.runs))


@dataclass(frozen=True)
class FrameList:
    """All videos of a list; tensors only, so that loader workers share it.

    Attributes:
        names: of the videos, V of them, in the order of the list.
        runs: int64 (V + 1,), where the runs of numbered files of each video begin.
        before, after: text of a path before and after its number, one a run.
        first: int64 (R, 3): row of the run's first frame in its video, its number, its digits.
        counts: int64 (V,), frames of each video.
        spans: int64 (V + 1,), where the spans of equal labels of each video begin.
        span_first: int64 (S,), first frame of each span.
        span_labels: the labels of each span, numbers divided by commas.
        shared: bool (V,), whether other videos have their frames in the same folder.
        prefix: folder put in front of each path.
        source: the list file, for messages and the fingerprint.
    """

    names: PackedText
    runs: Tensor
    before: PackedText
    after: PackedText
    first: Tensor
    counts: Tensor
    spans: Tensor
    span_first: Tensor
    span_labels: PackedText
    shared: Tensor
    prefix: str
    source: str

    def __len__(self) -> int:
        return len(self.names)

    def paths(self, video: int) -> FramePaths:
        """Paths of the frames of a video."""
        begin, end = self.runs[video : video + 2].tolist()
        runs = [
            (row, os.path.join(self.prefix, self.before[run]), number, digits, self.after[run])
            for run, (row, number, digits) in zip(
                range(begin, end), self.first[begin:end].tolist(), strict=True
            )
        ]
        return FramePaths(runs, int(self.counts[video]))

    def folder(self, video: int) -> str:
        """Where the frames of a video are; where several videos share it, followed by its name."""
        folder = os.path.dirname(self.paths(video)[0])
        return os.path.join(folder, self.names[video]) if self.shared[video] else folder

    def frame_labels(self, video: int, num_classes: int) -> Tensor:
        """uint8 (F, num_classes), 1 for each class that a frame has."""
        labels = torch.zeros(int(self.counts[video]), num_classes, dtype=torch.uint8)
        begin, end = self.spans[video : video + 2].tolist()
        starts = [*self.span_first[begin:end].tolist(), len(labels)]
        for i, (first, last) in enumerate(pairwise(starts)):
            if text := self.span_labels[begin + i]:
                labels[first:last, [int(each) for each in text.split(",")]] = 1
        return labels

    def fingerprint(self) -> dict[str, str | int]:
        """What tells two lists apart, as plain values for a JSON file."""
        content = (self.names.blob, self.before.blob, self.after.blob, self.first, self.counts,
                   self.span_labels.blob, self.span_first)  # fmt: skip
        return {
            "list_file": self.source,
            "content_sha256": digest_of(*content),
            "path_prefix": self.prefix,
            "videos": len(self),
            "frames": int(self.counts.sum()),
        }


@dataclass
class _Video:
    """What is known of a video while the list is read."""

    count: int = 0
    runs: list[Run] = field(default_factory=list)
    spans: list[tuple[int, str]] = field(default_factory=list)
    labels: str | None = None  # of the last frame
    # The last path and how it goes on: text, number, digits, text. Without digits it does not.
    before: str = ""
    number: int = 0
    digits: int = 0
    after: str = ""
    backwards: str = ""  # the first path whose number is not above the one before

    def add(self, path: str, labels: str) -> None:
        self.number += 1
        if not self.digits or path != f"{self.before}{self.number:0{self.digits}d}{self.after}":
            match, before, last = _NUMBERED.fullmatch(path), self.before, self.number - 1
            self.before, number, self.after = match.groups() if match else (path, "", "")
            self.number, self.digits = int(number or 0), len(number)
            if self.runs and number and self.before == before and self.number <= last:
                self.backwards = self.backwards or path
            self.runs.append((self.count, self.before, self.number, self.digits, self.after))
        if labels != self.labels:
            self.labels = labels
            self.spans.append((self.count, labels))
        self.count += 1


def read_frame_list(
    *list_files: str | Path, prefix: str = "", num_classes: int | None = None
) -> FrameList:
    """Read lists with the header ``original_vido_id video_id frame_id path labels``.

    Columns are divided by spaces and may be quoted; labels are whole numbers divided by commas,
    or nothing (``""`` or ``\"\"\"\"``). Frames of a video are in the order of the list.

    Args:
        list_files: read one after the other.
        prefix: folder in front of each path.
        num_classes: labels must be below; None: labels are not read, and may be absent.

    Raises:
        ValueError: there is no such file, or a line is not like that.
    """
    videos: dict[str, _Video] = {}
    for list_file in list_files:
        path = Path(local_path(str(list_file)))
        if not path.is_file():
            raise NoSuchSplit(
                f"{list_file}: expected a list of frames with the header '{HEADER}', found "
                "nothing; set DATA.PATH_TO_DATA_DIR (or AVA.FRAME_LIST_DIR) to its folder"
            )
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            _read_rows(file, str(list_file), videos, num_classes)
    if not videos:
        raise ValueError(f"{list_files[0]}: expected one frame a line, found no line")
    if unordered := [video.backwards for video in videos.values() if video.backwards]:
        LOGGER.warning(
            "%s: frames of %d videos are not in the order of their numbers, such as %s; rows are "
            "taken in the order of the list, which should be that of time",
            *(list_files[0], len(unordered), unordered[0]),
        )
    return _pack(videos, prefix, ", ".join(map(str, list_files)))


def _read_rows(
    file: TextIO, shown: str, videos: dict[str, _Video], num_classes: int | None
) -> None:
    first_line = file.readline()
    refuse_utf16(first_line, shown)
    header = first_line.split()
    labelled = num_classes is not None
    if not {VIDEO, PATH, *([LABELS] if labelled else [])} <= set(header):
        raise ValueError(
            f"{shown}:1: expected the header '{HEADER}', found {first_line.strip()[:120]!r}; write "
            "one line a frame below that header, divided by spaces (docs/data.md)"
        )
    video_at, path_at = header.index(VIDEO), header.index(PATH)
    labels_at = header.index(LABELS) if LABELS in header else None
    needed = max(video_at, path_at, labels_at if labelled and labels_at is not None else 0) + 1
    known = {"": ""}  # labels as they stand in the list -> without quotes; few lists have many
    name, video = "", _Video()
    # Lists have millions of lines, nearly all of which are the one before with both numbers one
    # higher; such a line is not taken apart.
    template, frame = "", 0
    for number, line in enumerate(file, start=2):
        frame += 1
        if template and line == template % (frame, video.number + 1):
            video.number += 1
            video.count += 1
            continue
        fields = line.rstrip().split(" ", len(header) - 1)
        if '"' in line[: len(line) - len(fields[-1]) - 2]:  # quotes before the last column
            fields = _unquoted(line.rstrip())
        if not needed <= len(fields) <= len(header) or not fields[path_at]:
            if not line.strip():
                continue
            raise ValueError(
                f"{shown}:{number}: expected '{' '.join(header)}', divided by single spaces, found "
                f'{line.rstrip()!r}; quote what holds a space, and write "" for no labels'
            )
        text = fields[labels_at] if labels_at is not None and labels_at < len(fields) else ""
        if text not in known:
            known[text] = text.replace('"', "").strip()
            _check_labels(known[text], num_classes, f"{shown}:{number}")
        if fields[video_at] != name:
            name = fields[video_at]
            video = videos.setdefault(name, _Video())
        video.add(fields[path_at], known[text] if labelled else "")
        template, frame = _template(line, fields, header, video)


def _template(line: str, fields: list[str], header: list[str], video: _Video) -> tuple[str, int]:
    """The line but for the numbers of its frame and its path, and the former; "" if it has none."""
    if " ".join(header[2:4]) != f"{FRAME} {PATH}" or not video.digits:
        return "", 0
    frame = fields[2]
    head, tail = " ".join(fields[:2]) + " ", line[len(" ".join(fields[:4])) :]
    if not frame.isdecimal() or frame != str(int(frame)) or not line.startswith(head + frame):
        return "", 0
    head, middle, tail = (
        text.replace("%", "%%") for text in (head, f" {video.before}", video.after + tail)
    )
    return f"{head}%d{middle}%0{video.digits}d{tail}", int(frame)


def _unquoted(line: str) -> list[str]:
    """The columns of a line, some of them in quotes; none if a quote is not closed."""
    try:
        return next(csv.reader([line], delimiter=" ", strict=True))
    except csv.Error:
        return []


def _check_labels(text: str, num_classes: int | None, where: str) -> None:
    if num_classes is None:  # nobody asks for them, but a path with a space would end up here
        if text.strip("-0123456789, "):
            raise ValueError(
                f"{where}: expected labels as the last column, found {text!r}; quote a path that "
                "holds a space"
            )
        return
    label_numbers(text, num_classes, where)


def _pack(videos: dict[str, _Video], prefix: str, source: str) -> FrameList:
    runs, spans, span_first = array("q", [0]), array("q", [0]), array("q")
    first, counts = array("q"), array("q")
    for video in videos.values():
        runs.append(runs[-1] + len(video.runs))
        spans.append(spans[-1] + len(video.spans))
        counts.append(video.count)
        span_first.extend(start for start, _ in video.spans)
        for row, _, number, digits, _ in video.runs:
            first.extend((row, number, digits))
    folders = [os.path.dirname(_join(*video.runs[0][1:])) for video in videos.values()]
    count = Counter(folders)
    every = [run for video in videos.values() for run in video.runs]
    return FrameList(
        names=PackedText.of(videos),
        runs=packed_numbers(runs),
        before=PackedText.of(run[1] for run in every),
        after=PackedText.of(run[4] for run in every),
        first=packed_numbers(first).view(-1, 3),
        counts=packed_numbers(counts),
        spans=packed_numbers(spans),
        span_first=packed_numbers(span_first),
        span_labels=PackedText.of(text for video in videos.values() for _, text in video.spans),
        shared=torch.tensor([count[folder] > 1 for folder in folders]),
        prefix=prefix,
        source=source,
    )


def _join(before: str, number: int, digits: int, after: str) -> str:
    return f"{before}{number:0{digits}d}{after}" if digits else before
