"""A table of videos with the names of their classes: columns ``path`` and ``label``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slowfast.data.datasets.label_names import numbers_of_names, own_names_from_cfg
from slowfast.data.datasets.table_rows import refuse_utf16, table_rows
from slowfast.data.manifest import Manifest
from slowfast.data.record import NoSuchSplit
from slowfast.paths import local_path

COLUMNS = ("path", "label")
SEPARATORS = ",;\t"


def read_table(path: Path) -> Iterator[tuple[str, str, str]]:
    """(file:line, path, label) of each row; other columns are passed over.

    The header tells what divides columns: a comma, a semicolon or a tab.

    Raises:
        ValueError: there is no such file, its header lacks a column, or a row a value.
    """
    file_path = Path(local_path(str(path)))
    if not file_path.is_file():
        raise NoSuchSplit(
            f"{path}: expected a table with the header 'path,label', found nothing; set "
            "DATA.PATH_TO_DATA_DIR to the folder of train.csv, val.csv and test.csv"
        )
    with file_path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        header = file.readline().rstrip("\r\n")
        refuse_utf16(header, str(path))
        separator = max(SEPARATORS, key=header.count)
        columns = [name.strip().strip('"').lower() for name in header.split(separator)]
        if not set(COLUMNS) <= set(columns):
            raise ValueError(
                f"{path}:1: expected a header with the columns path and label, found {header!r}; "
                "for lists of 'path number' without a header set the data set to 'kinetics'"
            )
        at = [columns.index(name) for name in COLUMNS]
        for where, cells in table_rows(file, str(path), separator=separator, first_line=2):
            found = [cells[i] if i < len(cells) else "" for i in at]
            if len(cells) > len(columns) or not all(found):
                wanted = "a path and a label" if not all(found) else f"{len(columns)} columns"
                raise ValueError(
                    f"{where}: expected {wanted}, found {separator.join(cells)!r}; quote what "
                    f"holds a {separator!r}"
                )
            yield where, found[0], found[1]


def read_named_csv(path: Path, numbers: dict[str, int], *, prefix: str = "") -> Manifest:
    """The videos of a table.

    Args:
        numbers: class -> label.
        prefix: folder in front of each path.

    Raises:
        ValueError: a class is not among ``numbers``, or the table is empty.
    """
    manifest = Manifest.from_rows(_rows(path, numbers), prefix=prefix, source=str(path))
    if not len(manifest):
        raise ValueError(f"{path}: expected one video a line after the header, found none")
    return manifest


def names_in(path: Path) -> list[str]:
    """The classes of a table, sorted; by value if all of them are numbers."""
    names = {label for _, _, label in read_table(path)}
    if all(name.isdecimal() for name in names):
        return sorted(names, key=int)
    return sorted(names)


def _rows(path: Path, numbers: dict[str, int]) -> Iterator[tuple[str, int]]:
    for where, video, label in read_table(path):
        if label not in numbers:
            near = difflib.get_close_matches(label, numbers, n=2)
            hint = f"did you mean {' or '.join(near)}? Else " if near else ""
            raise ValueError(
                f"{where}: expected one of the {len(numbers)} classes of the training table, found "
                f"{label!r}; {hint}name all classes in DATA.CLASS_NAMES_FILE"
            )
        yield video, numbers[label]


def csv_from_cfg(cfg: Any, split: str) -> Manifest:
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR or "")
    names = csv_names_from_cfg(cfg)
    numbers = numbers_of_names(names, cfg.MODEL.NUM_CLASSES, str(folder / "train.csv"))
    return read_named_csv(folder / f"{split}.csv", numbers, prefix=cfg.DATA.PATH_PREFIX or "")


def csv_names_from_cfg(cfg: Any) -> list[str]:
    """Classes by number: those of a file of names, else those of train.csv in every split."""
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR or "")
    return own_names_from_cfg(cfg) or names_in(folder / "train.csv")
