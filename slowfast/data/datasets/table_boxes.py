"""Boxes of a table of one's own: a header, a row a box, in pixels or in shares of the frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from slowfast.data.datasets.annotated_boxes import (
    SHARES,
    AnnotatedBox,
    Corners,
    Reading,
    video_name,
)
from slowfast.data.datasets.table_rows import read_header, table_rows
from slowfast.paths import local_path

EXPECTED = (
    "a header with video, second or frame, x1,y1,x2,y2 (or x,y,width,height) and action, such as "
    "video,second,x1,y1,x2,y2,action"
)
_VIDEO = ("video", "video_id", "video_name", "clip", "file", "filename", "file_name", "path")
_SECOND = ("second", "seconds", "time", "timestamp", "sec", "t")
_FRAME = ("frame", "frame_id", "frame_index", "frame_number", "frame_num")
_ACTION = ("action", "actions", "label", "labels", "class", "class_name", "category", "behavior",
           "behaviour", "activity")  # fmt: skip
_CORNERS = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
    ("xtl", "ytl", "xbr", "ybr"),
)
_SIZES = (
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("left", "top", "width", "height"),
    ("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
)
_LARGEST_SHARE = 1.5  # corners that are larger are pixels


@dataclass(frozen=True)
class _Columns:
    """Where in a row things are; ``time`` is of a frame's number if ``counted``."""

    video: int
    time: int
    counted: bool
    corners: tuple[int, ...]
    sized: bool
    action: int


def read_table_boxes(path: Path, *, first_frame: int | None = None) -> Reading:
    """The boxes of all rows; several actions of one are divided by ``|``, or stand in rows each.

    Args:
        first_frame: number of the first frame, where frames are numbered; None: 0.

    Raises:
        ValueError: there is no such file, its header lacks a column, or a row a value.
    """
    try:
        with Path(local_path(str(path))).open(encoding="utf-8-sig", newline="") as file:
            header, separator, names = read_header(file, str(path))
            columns = _columns_of(names, f"{path}:1", header)
            rows = table_rows(file, str(path), separator=separator, first_line=2)
            boxes = [
                _box_of(_as_wide(cells, names, where, separator), columns, where, first_frame or 0)
                for where, cells in rows
            ]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected {EXPECTED}, found {error}") from error
    used = {columns.video, columns.time, columns.action, *columns.corners}
    notes = [f"{path}: corners are taken as {_unit(boxes)}"]
    if columns.counted:
        notes.append(f"{path}: frames are numbered from {first_frame or 0} (--first-frame)")
    if others := [name for i, name in enumerate(names) if i not in used]:
        notes.append(f"{path}: columns that are passed over: {', '.join(others)}")
    return Reading(list(_measured(boxes)), notes=notes)


def _columns_of(names: list[str], where: str, header: str) -> _Columns:
    def place(known: tuple[str, ...]) -> int:
        return next((names.index(each) for each in known if each in names), -1)

    corners = next((each for each in (*_CORNERS, *_SIZES) if set(each) <= set(names)), ())
    second, frame = place(_SECOND), place(_FRAME)
    wanted = {
        f"video ({', '.join(_VIDEO[:4])})": place(_VIDEO) >= 0,
        "second or frame": max(second, frame) >= 0,
        "corners (x1,y1,x2,y2 or x,y,width,height)": bool(corners),
        f"action ({', '.join(_ACTION[:4])})": place(_ACTION) >= 0,
    }
    if lacking := [name for name, there in wanted.items() if not there]:
        raise ValueError(
            f"{where}: expected {EXPECTED}; found {header!r}, which lacks {'; '.join(lacking)}. A "
            "list in AVA's own format needs no import"
        )
    return _Columns(
        place(_VIDEO),
        frame if second < 0 else second,
        second < 0,
        tuple(map(names.index, corners)),
        corners in _SIZES,
        place(_ACTION),
    )


def _as_wide(cells: list[str], names: list[str], where: str, separator: str) -> list[str]:
    """The cells, if none of them is beyond the header: a part of an action would be lost."""
    if any(cells[len(names) :]):
        raise ValueError(
            f"{where}: expected {len(names)} columns as in the header, found {len(cells)}: "
            f"{separator.join(cells)!r}; put quotes around what holds a {separator!r}, and divide "
            "several actions by |"
        )
    return cells


def _box_of(cells: list[str], columns: _Columns, where: str, first_frame: int) -> AnnotatedBox:
    def cell(place: int) -> str:
        return cells[place] if place < len(cells) else ""

    if not cell(columns.video):
        raise ValueError(f"{where}: expected a video, found {','.join(cells)!r}")
    time = _number(cell(columns.time), where, "a frame" if columns.counted else "a second")
    a, b, c, d = (_number(cell(place), where, "a corner") for place in columns.corners)
    if columns.sized:
        c, d = a + c, b + d
    if columns.counted and (time % 1 or time < first_frame):
        raise ValueError(
            f"{where}: expected a whole number of a frame from {first_frame}, found "
            f"{cell(columns.time)!r}; if it is a time, call the column second"
        )
    parts = (part.strip() for part in cell(columns.action).split("|"))
    actions = tuple(dict.fromkeys(part for part in parts if part))
    return AnnotatedBox(
        video_name(cell(columns.video)),
        int(time) - first_frame if columns.counted else None,
        (a, b, c, d),
        None,
        actions,
        where,
        second=None if columns.counted else time,
    )


def _number(cell: str, where: str, what: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{where}: expected {what}, found {cell!r} for a number")
    return number


def _unit(boxes: list[AnnotatedBox]) -> str:
    return "pixels of the video" if _in_pixels(boxes) else "shares of the frame, 0 to 1"


def _in_pixels(boxes: list[AnnotatedBox]) -> bool:
    return any(max(map(abs, box.corners)) > _LARGEST_SHARE for box in boxes)


def _measured(boxes: list[AnnotatedBox]) -> Iterator[AnnotatedBox]:
    """The same, with the size that corners are measured in; a file has one unit."""
    pixels = _in_pixels(boxes)
    example = next((box for box in boxes if max(map(abs, box.corners)) > _LARGEST_SHARE), None)
    for box in boxes:
        if pixels and example is not None and _is_like_shares(box.corners):
            raise ValueError(
                f"{box.where}: expected corners in pixels, as in {example.where}, found "
                f"{','.join(f'{value:g}' for value in box.corners)}, which look like shares of the "
                "frame; use one of both in a file"
            )
        yield replace(box, size=None if pixels else SHARES)


def _is_like_shares(corners: Corners) -> bool:
    x1, y1, x2, y2 = corners
    return max(x2, y2) <= _LARGEST_SHARE and x2 > x1 and y2 > y1
