"""Lists of boxes in AVA's format, row by row as columns: millions of them, for evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slowfast.data.datasets.box_lines import ANNOTATED, box_lines, number_in
from slowfast.paths import local_path

DETECTED = "video,second,x1,y1,x2,y2,action,score"

_Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class BoxRows:
    """The rows of a list that have an action, in their order.

    Attributes:
        names: of videos, in the order of their first row.
        video: int64 (N,), which of them.
        second: float64 (N,).
        corners: float64 (N, 4), x1 y1 x2 y2 as they are in the list.
        label: int64 (N,), actions from 1.
        score: float64 (N,); 1 in annotated lists.
    """

    names: tuple[str, ...]
    video: NDArray[np.int64]
    second: _Numbers
    corners: _Numbers
    label: NDArray[np.int64]
    score: _Numbers

    def __len__(self) -> int:
        return len(self.label)


NO_ROWS = BoxRows(
    (), np.empty(0, np.int64), np.empty(0), np.empty((0, 4)), np.empty(0, np.int64), np.empty(0)
)


def read_box_rows(path: str | Path, *, detected: bool) -> BoxRows:
    """Read a list of annotated or of detected boxes.

    Rows without an action, or with action -1, are boxes of persons and left out; so are rows
    without both, of seconds in which nobody is.

    Raises:
        ValueError: there is no such file, a line is not like that, or the corners of an annotated
            box are not in order.
    """
    file = Path(local_path(str(path)))
    if not file.is_file():
        expected = DETECTED if detected else ANNOTATED
        raise ValueError(f"{path}: expected a list of '{expected}', found no such file")
    columns = _columns_at_once(file, detected=detected)
    if columns is None:
        columns = _columns_by_row(file, shown=str(path), detected=detected)
    videos, numbers = columns
    label = numbers[:, 5]
    chosen = label != -1
    names, video = _numbered(videos[chosen])
    numbers = numbers[chosen]
    return BoxRows(
        names,
        video,
        np.ascontiguousarray(numbers[:, 0]),
        np.ascontiguousarray(numbers[:, 1:5]),
        numbers[:, 5].astype(np.int64),
        np.ascontiguousarray(numbers[:, 6]) if detected else np.ones(len(numbers)),
    )


def _columns_at_once(file: Path, *, detected: bool) -> tuple[NDArray[np.bytes_], _Numbers] | None:
    """Videos and numbers of all lines, read by NumPy; None if there is anything odd in them."""
    with file.open("rb") as lines:
        width = max(map(len, lines), default=0)
    if not width:
        return None
    numbers = 7 if detected else 6
    kind = np.dtype([("video", f"S{width}"), ("numbers", np.float64, (numbers,))])
    try:
        # Latin-1 gives each byte back as it was.
        with file.open(encoding="latin-1") as lines:
            rows = np.loadtxt(
                lines, kind, comments=None, delimiter=",", quotechar='"', ndmin=1,
                usecols=range(numbers + 1),
            )  # fmt: skip
    except ValueError:
        return None
    found = rows["numbers"]
    label = found[:, 5]
    usual = np.isfinite(found).all() and ((label >= 1) | (label == -1)).all()
    usual = usual and (label == np.floor(label)).all() and (rows["video"] != b"").all()
    usual = usual and (detected or (found[:, 1:3] <= found[:, 3:5]).all())
    return (rows["video"], found) if usual else None


def _columns_by_row(
    file: Path, *, shown: str, detected: bool
) -> tuple[NDArray[np.bytes_], _Numbers]:
    """The same, a line at a time, with an error that names the line."""
    videos: list[bytes] = []
    numbers: list[list[float]] = []
    expected = DETECTED if detected else ANNOTATED
    number = f"a number in '{expected}'"
    columns = (8 if detected else 7, 8)
    for where, cells in box_lines(file, shown, columns=columns, expected=expected):
        if not any(cells[2:6]) and cells[6] in ("", "-1"):
            number_in(cells[1], where, number)
            continue
        row = [number_in(cell, where, number) for cell in (*cells[1:6], cells[6] or "-1")]
        if row[5] != -1 and (row[5] < 1 or row[5] % 1):
            raise ValueError(
                f"{where}: expected an action from 1, nothing or -1, found {cells[6]!r}"
            )
        if not detected and not (row[1] <= row[3] and row[2] <= row[4]):
            raise ValueError(
                f"{where}: expected x1,y1,x2,y2, the smaller ones first, found "
                f"{','.join(cells[2:6])!r}"
            )
        videos.append(cells[0].encode(errors="surrogateescape"))
        numbers.append([*row, number_in(cells[7], where, number)] if detected else row)
    table = np.array(numbers, np.float64).reshape(len(numbers), 7 if detected else 6)
    return np.array(videos, np.bytes_), table


def _numbered(videos: NDArray[np.bytes_]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names in order of appearance, and the number of each row's."""
    # Rows of a video follow each other, mostly: a name is looked at where it changes.
    begins = np.flatnonzero(np.concatenate(([True], videos[1:] != videos[:-1])))[: len(videos)]
    number_of: dict[str, int] = {}
    heads = np.empty(len(begins), np.int64)
    for i, video in enumerate(videos[begins].tolist()):
        name = video.decode("utf-8-sig", errors="surrogateescape").strip()
        heads[i] = number_of.setdefault(name, len(number_of))
    return tuple(number_of), np.repeat(heads, np.diff(begins, append=len(videos)))
