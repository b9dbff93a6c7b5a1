"""Rows of tables whose cells may be quoted, one line each."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import TextIO

SEPARATORS = ",;\t"


def table_rows(
    file: TextIO, shown: str, *, separator: str = ",", first_line: int = 1
) -> Iterator[tuple[str, list[str]]]:
    """(file:line, cells without spaces around them) of each line that is not blank.

    A line is a row: a quote that is not closed would else make one cell of all that follows.

    Args:
        file: open with ``newline=""``.
        shown: its name in messages.
        first_line: number of the next line of ``file``.

    Raises:
        ValueError: a quote is not closed, or something follows it in its cell.
    """
    for number, line in enumerate(file, start=first_line):
        text = line.rstrip("\r\n")
        if '"' not in text:
            cells = text.split(separator)
        else:
            try:
                cells = next(csv.reader([text], delimiter=separator, strict=True))
            except csv.Error as error:
                raise ValueError(
                    f"{shown}:{number}: expected quotes around whole cells, closed in the same "
                    f'line, found {text!r}; write "" for a quote within one'
                ) from error
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield f"{shown}:{number}", cells


def read_header(file: TextIO, shown: str) -> tuple[str, str, list[str]]:
    """The first line, what divides its columns, and their names in lower case.

    Columns are divided by what is most frequent in it: commas, semicolons or tabs.

    Args:
        file: at its beginning.
        shown: its name in messages.

    Raises:
        ValueError: the file is UTF-16.
    """
    header = file.readline().rstrip("\r\n")
    refuse_utf16(header, shown)
    separator = max(SEPARATORS, key=header.count)
    names = [name.strip().strip('"').lower() for name in header.split(separator)]
    return header, separator, names


def refuse_utf16(first_line: str, shown: str) -> None:
    """Raise for a list as Windows PowerShell writes it, whose lines would be named as malformed."""
    if "\0" in first_line:
        raise ValueError(
            f"{shown}:1: expected text in UTF-8, found UTF-16 or no text; save it as UTF-8 (in "
            "PowerShell: Out-File -Encoding utf8)"
        )
