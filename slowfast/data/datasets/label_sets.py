"""Lists of videos with any number of labels each: `kinetics` and `csv` with DATA.MULTI_LABEL."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slowfast.data.datasets.kinetics import kinetics_from_cfg, list_lines, local_list, split_line
from slowfast.data.manifest import Manifest
from slowfast.data.packed_text import digest_of, packed_numbers
from slowfast.data.record import Record, Records

NO_LABELS = '""'  # of a video, as frame lists have it, too


class LabelSets:
    """Videos with any number of labels each; tensors only, so that loader workers share them.

    Args:
        videos: their paths.
        begin: int64 (rows + 1,), where the labels of each video begin.
        labels: int64, those of all videos one after the other, ascending and each once.
        num_classes: K of the labels.
    """

    def __init__(self, videos: Manifest, begin: Tensor, labels: Tensor, *, num_classes: int):
        self.videos, self.begin, self.labels = videos, begin, labels
        self.num_classes = num_classes

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[tuple[str, Iterable[int]]],
        *,
        num_classes: int,
        prefix: str = "",
        source: str = "",
    ) -> LabelSets:
        """Pack (path, labels) pairs; a path of several rows is one video with all their labels."""
        sets: dict[str, set[int]] = {}
        for path, each in rows:
            sets.setdefault(path, set()).update(each)
        begin, labels = array("q", [0]), array("q")
        for found in sets.values():
            labels.extend(sorted(found))
            begin.append(len(labels))
        videos = Manifest.from_rows(((path, 0) for path in sets), prefix=prefix, source=source)
        return cls(videos, packed_numbers(begin), packed_numbers(labels), num_classes=num_classes)

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, row: int) -> Record:
        record = self.videos[row]
        first, last = self.begin[row : row + 2].tolist()
        label = torch.zeros(self.num_classes)
        label[self.labels[first:last]] = 1
        return replace(record, label=label)

    def fingerprint(self) -> dict[str, str | int]:
        """What tells two data sets apart, as plain values for a JSON file."""
        counts = torch.bincount(self.labels) if len(self.labels) else torch.zeros(1).long()
        present = counts[counts > 0]
        labels: dict[str, str | int] = {
            "labels": len(self.labels),
            "labels_sha256": digest_of(self.begin, self.labels),
            "classes": len(present),
            "videos_per_class_min": int(present.min()) if len(present) else 0,
            "videos_per_class_max": int(present.max()) if len(present) else 0,
        }
        return self.videos.fingerprint() | labels


def read_label_sets(
    list_file: str | Path,
    *,
    prefix: str = "",
    separator: str = " ",
    num_classes: int,
    skip_rows: int = 0,
) -> LabelSets:
    """Read a split: one ``path<separator>3,17`` a line, ``path<separator>""`` for no label.

    Paths may hold the separator. As in lists of one label, a number of frames may stand between;
    blank lines, Windows line ends and a byte order mark do no harm.

    Args:
        prefix: folder in front of each path.
        separator: what divides a line; a backslash and a "t", as a shell passes it, is a tab.
        num_classes: labels must be below.
        skip_rows: lines passed over at the beginning.

    Raises:
        ValueError: there is no such file, it is empty, or a line is not like that.
    """
    path = local_list(list_file)
    rows = _rows(path, str(list_file), separator.replace("\\t", "\t"), num_classes, skip_rows)
    sets = LabelSets.from_rows(rows, num_classes=num_classes, prefix=prefix, source=str(path))
    if not len(sets):
        raise ValueError(f"{list_file}: expected one 'path{separator}3,17' a line, found no line")
    return sets


def as_listed(label: Tensor) -> str:
    """Labels (K,) as such lists have them."""
    return ",".join(map(str, label.nonzero().flatten().tolist())) or NO_LABELS


def label_numbers(text: str, num_classes: int, where: str) -> list[int]:
    """Class numbers divided by commas; none where there is no text.

    Raises:
        ValueError: one is no whole number below ``num_classes``.
    """
    parts: Sequence[str] = text.split(",") if text else ()
    if not all(each.strip().isdecimal() and int(each) < num_classes for each in parts):
        raise ValueError(
            f"{where}: expected labels from 0 to {num_classes - 1}, divided by commas, found "
            f"{text!r}; set MODEL.NUM_CLASSES to the number of classes, or correct the list"
        )
    return [int(each) for each in parts]


def _rows(
    path: Path, shown: str, separator: str, num_classes: int, skip_rows: int
) -> Iterator[tuple[str, list[int]]]:
    # The path is as short as it can be: "3, 17" is two labels, not a path that ends in "3,".
    form = re.compile(rf'(.+?){re.escape(separator)}\s*("[^"]*"|-?\d+(?:\s*,\s*-?\d+)*)\s*')
    for number, text in list_lines(path, shown, skip_rows):
        found = form.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{shown}:{number}: expected 'path{separator}3,17', or "
                f"'path{separator}{NO_LABELS}' of a video without labels "
                f"(DATA.MULTI_LABEL), got {text!r}. Set DATA.PATH_LABEL_SEPARATOR if another "
                "character divides them"
            )
        video, _ = split_line(f"{found[1]}{separator}0", separator)
        labels = label_numbers(found[2].strip('"').strip(), num_classes, f"{shown}:{number}")
        yield video, labels


def lists_from_cfg(cfg: Any, split: str) -> Records:
    """The list ``PATH_TO_DATA_DIR/<split>.csv``, of one label a video or of any number."""
    if not cfg.DATA.MULTI_LABEL:
        return kinetics_from_cfg(cfg, split)
    return read_label_sets(
        Path(cfg.DATA.PATH_TO_DATA_DIR or "") / f"{split}.csv",
        prefix=cfg.DATA.PATH_PREFIX or "",
        separator=cfg.DATA.PATH_LABEL_SEPARATOR,
        num_classes=cfg.MODEL.NUM_CLASSES,
        skip_rows=cfg.DATA.SKIP_ROWS if split == "train" else 0,
    )
