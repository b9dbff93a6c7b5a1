"""Something-Something v2 (1706.04261): labels from its JSON files, frames or videos."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from slowfast.data.datasets.frame_list import FrameList, read_frame_list
from slowfast.data.datasets.json_file import read_json
from slowfast.data.manifest import Manifest
from slowfast.data.packed_text import digest_of, packed_numbers
from slowfast.data.record import Record, Records
from slowfast.log import LOGGER

LABELS_FILE = "something-something-v2-labels.json"
SUFFIXES = (".webm", ".mp4")  # as published, and as often converted
LOOKED_AT = 32  # videos that may be missing before the kind of file is taken for the published one


class FramesOfVideos:
    """Videos of a frame list that have one label each.

    Args:
        videos: the frame list.
        rows: int64 (N,), which of its videos.
        labels: int64 (N,).
    """

    def __init__(self, videos: FrameList, rows: Tensor, labels: Tensor) -> None:
        self.videos, self.rows, self.labels = videos, rows, labels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Record:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of a list of {len(self)} videos")
        video = int(self.rows[row])
        frames = self.videos.paths(video)
        return Record(self.videos.folder(video), int(self.labels[row]), frames=frames)

    def fingerprint(self) -> dict[str, str | int]:
        chosen: dict[str, str | int] = {
            "videos": len(self),
            "classes": len(self.labels.unique()),
            "labels_sha256": digest_of(self.rows, self.labels),
        }
        return self.videos.fingerprint() | chosen


def read_ssv2(
    folder: str | Path, split: str, *, prefix: str = "", num_classes: int | None = None
) -> Records:
    """A split, from ``something-something-v2-{labels,train,validation}.json`` in ``folder``.

    Frames are taken if ``folder`` has the frame list train.csv or val.csv, whose first column is
    the id of the video; else the videos are ``prefix/<id>.webm`` (or .mp4). Test is the validation
    split, whose labels are published.

    Args:
        prefix: folder in front of each path.
        num_classes: labels must be below; None: no check.

    Raises:
        ValueError: a file is missing, or is not like that.
    """
    folder, train = Path(folder), split == "train"
    numbers = read_label_numbers(folder / LABELS_FILE, num_classes=num_classes)
    videos = _labelled(folder / f"something-something-v2-{_json_split(train)}.json", numbers)
    frame_list = folder / ("train.csv" if train else "val.csv")
    if frame_list.is_file():
        LOGGER.info("SSv2 %s: frames that %s names", split, frame_list)
        return _with_frames(videos, read_frame_list(frame_list, prefix=prefix))
    LOGGER.info("SSv2 %s: there is no %s, so that videos are read", split, frame_list)
    suffix = _suffix(prefix, videos)
    rows = ((f"{name}{suffix}", label) for name, label in videos)
    return Manifest.from_rows(rows, prefix=prefix)


def read_label_numbers(path: Path, *, num_classes: int | None = None) -> dict[str, int]:
    """Class -> number, from a JSON object whose values are numbers or their texts.

    Raises:
        ValueError: it is no such object, or a number is not below ``num_classes``.
    """
    content = _read_json(path)
    try:
        named = [(_plain(name), int(number)) for name, number in content.items()]
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f'{path}: expected {{"class": "number", ...}}, found {error}') from error
    numbers = dict(named)
    for name, number in named:
        if numbers[name] != number:
            raise ValueError(
                f"{path}: expected one number of {name!r}, which brackets do not change, found "
                f"{number} and {numbers[name]}; remove one of the two"
            )
    for name, number in numbers.items():
        if number < 0 or (num_classes is not None and number >= num_classes):
            limit = "up" if num_classes is None else f"to {num_classes - 1}"
            raise ValueError(
                f"{path}: expected numbers from 0 {limit}, found {number} for {name!r}; set "
                "MODEL.NUM_CLASSES to the number of classes, or correct the file"
            )
    return numbers


def _plain(template: str) -> str:
    """A template without its brackets, as labels have it."""
    return template.replace("[", "").replace("]", "")


def _labelled(path: Path, numbers: dict[str, int]) -> list[tuple[str, int]]:
    videos = []
    entries = _read_json(path)
    if not isinstance(entries, list):
        raise ValueError(f"{path}: expected a list of videos, found {str(entries)[:60]!r}")
    for i, entry in enumerate(entries):
        template = entry.get("template") if isinstance(entry, dict) else None
        if not isinstance(template, str) or "id" not in entry:
            raise ValueError(
                f"{path}: expected an object with 'id' and 'template' as entry {i}, found {entry!r}"
            )
        template = _plain(template)
        if template not in numbers:
            raise ValueError(
                f"{path}: the template {template!r} of video {entry['id']} is not in "
                f"{path.with_name(LABELS_FILE)}; take both files from the same release"
            )
        videos.append((str(entry["id"]), numbers[template]))
    if not videos:
        raise ValueError(f"{path}: expected a list of videos, found an empty one")
    return videos


def _with_frames(videos: Iterable[tuple[str, int]], frames: FrameList) -> FramesOfVideos:
    row_of = {frames.names[row]: row for row in range(len(frames))}
    rows, labels, missing = array("q"), array("q"), []
    for name, label in videos:
        if name in row_of:
            rows.append(row_of[name])
            labels.append(label)
        else:
            missing.append(name)
    if not rows:
        raise ValueError(
            f"{frames.source}: expected the ids of the JSON list, such as {missing[0]!r}, in the "
            f"first column, found others, such as {frames.names[0]!r}"
        )
    if missing:
        LOGGER.warning(
            "%s: %d of %d videos have no frames in it and are left out, the first is %s",
            frames.source,
            len(missing),
            len(missing) + len(rows),
            missing[0],
        )
    return FramesOfVideos(frames, packed_numbers(rows), packed_numbers(labels))


def _suffix(prefix: str, videos: list[tuple[str, int]]) -> str:
    for name, _ in videos[:LOOKED_AT]:  # the first may be one that is missing
        for suffix in SUFFIXES:
            if os.path.exists(os.path.join(prefix, name + suffix)):
                return suffix
    return SUFFIXES[0]


def _json_split(train: bool) -> str:
    return "train" if train else "validation"


def _read_json(path: Path) -> Any:
    return read_json(
        path,
        expected="a JSON file of Something-Something v2",
        advice="set DATA.PATH_TO_DATA_DIR to the folder that holds it",
    )


def ssv2_from_cfg(cfg: Any, split: str) -> Records:
    return read_ssv2(
        cfg.DATA.PATH_TO_DATA_DIR or "",
        split,
        prefix=cfg.DATA.PATH_PREFIX or "",
        num_classes=cfg.MODEL.NUM_CLASSES,
    )


def ssv2_names_from_cfg(cfg: Any) -> list[str]:
    """Templates by number, a number that has none is its own name; empty: no file gives them."""
    path = Path(cfg.DATA.PATH_TO_DATA_DIR or "") / LABELS_FILE
    numbers = read_label_numbers(path) if path.is_file() else {}
    named = {number: name for name, number in numbers.items()}
    return [named.get(number, str(number)) for number in range(cfg.MODEL.NUM_CLASSES) if named]
