"""Lines of lists in AVA's format, whoever reads them: cells, headers, and what is malformed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from slowfast.data.datasets.table_rows import refuse_utf16, table_rows
from slowfast.log import LOGGER

ANNOTATED = "video,second,x1,y1,x2,y2,action[,person]"


def box_lines(
    file: Path, shown: str, *, columns: tuple[int, int], expected: str
) -> Iterator[tuple[str, list[str]]]:
    """(file:line, cells) of each line that is neither blank nor a header.

    Args:
        shown: the name of ``file`` in messages.
        columns: the least and the greatest number of them.
        expected: what a line is like.

    Raises:
        ValueError: a line has another number of columns, or no video.
    """
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        first = True
        for where, cells in table_rows(lines, shown):
            if first:
                refuse_utf16(",".join(cells), shown)
            if not columns[0] <= len(cells) <= columns[1] or not cells[0]:
                raise ValueError(
                    f"{where}: expected '{expected}', found {','.join(cells)!r} with {len(cells)} "
                    "columns"
                )
            if first and is_header(cells):
                LOGGER.warning("%s: taken for a header, not a box: %s", where, ",".join(cells))
            else:
                yield where, cells
            first = False


def is_header(cells: list[str]) -> bool:
    """Whether the first line of a list names its columns: no cell after the video is a number."""
    return all(cell[:1].isalpha() and _number(cell) is None for cell in cells[1:])


def number_in(cell: str, where: str, expected: str) -> float:
    """The number that a cell holds.

    Raises:
        ValueError: it holds none, or one that is not finite.
    """
    number = _number(cell)
    if number is None or not math.isfinite(number):
        raise ValueError(f"{where}: expected {expected}, found {cell!r}")
    return number


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
