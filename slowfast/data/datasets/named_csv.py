"""A table of videos with the names of their classes: columns ``path`` and ``label``.

With DATA.MULTI_LABEL a cell has any number of names, divided by ``|``, and a video any number of
rows.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slowfast.data.datasets.kinetics import refuse_annotations
from slowfast.data.datasets.label_names import numbers_of_names, own_names_from_cfg
from slowfast.data.datasets.label_sets import LabelSets
from slowfast.data.datasets.table_rows import read_header, table_rows
from slowfast.data.manifest import Manifest
from slowfast.data.record import NoSuchSplit, Records
from slowfast.paths import local_path

COLUMNS = ("path", "label")
BETWEEN_NAMES = "|"


def read_table(path: Path, *, several: bool = False) -> Iterator[tuple[str, str, list[str]]]:
    """(file:line, path, labels) of each row; other columns are passed over.

    The header tells what divides columns: a comma, a semicolon or a tab.

    Args:
        several: a cell may hold any number of labels; else one.

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
        header, separator, columns = read_header(file, str(path))
        refuse_annotations(header, str(path))
        if not set(COLUMNS) <= set(columns):
            raise ValueError(
                f"{path}:1: expected a header with the columns path and label, found {header!r}; "
                "for lists of 'path number' without a header set the data set to 'kinetics'"
            )
        at = [columns.index(name) for name in COLUMNS]
        for where, cells in table_rows(file, str(path), separator=separator, first_line=2):
            found = [cells[i] if i < len(cells) else "" for i in at]
            complete = all(found) or (several and bool(found[0]))
            if len(cells) > len(columns) or not complete:
                wanted = f"{len(columns)} columns" if complete else "a path and a label"
                raise ValueError(
                    f"{where}: expected {wanted}, found {separator.join(cells)!r}; quote what "
                    f"holds a {separator!r}"
                )
            names = found[1].split(BETWEEN_NAMES) if several else [found[1]]
            yield where, found[0], [name.strip() for name in names if name.strip()]


def read_named_csv(path: Path, numbers: dict[str, int], *, prefix: str = "") -> Manifest:
    """The videos of a table.

    Args:
        numbers: class -> label.
        prefix: folder in front of each path.

    Raises:
        ValueError: a class is not among ``numbers``, or the table is empty.
    """
    rows = ((video, labels[0]) for video, labels in _rows(path, numbers, several=False))
    manifest = Manifest.from_rows(rows, prefix=prefix, source=str(path))
    _check_some(manifest, path)
    return manifest


def read_named_sets(path: Path, numbers: dict[str, int], *, prefix: str = "") -> LabelSets:
    """The videos of a table whose cells have any number of names.

    Raises:
        ValueError: as `read_named_csv`.
    """
    sets = LabelSets.from_rows(
        _rows(path, numbers, several=True),
        num_classes=len(numbers),
        prefix=prefix,
        source=str(path),
    )
    _check_some(sets, path)
    return sets


def _check_some(records: Records, path: Path) -> None:
    if not len(records):
        raise ValueError(f"{path}: expected one video a line after the header, found none")


def names_in(path: Path, *, several: bool = False) -> list[str]:
    """The classes of a table, sorted; by value if all of them are numbers."""
    names = {name for _, _, labels in read_table(path, several=several) for name in labels}
    if all(name.isdecimal() for name in names):
        return sorted(names, key=int)
    return sorted(names)


def _rows(path: Path, numbers: dict[str, int], *, several: bool) -> Iterator[tuple[str, list[int]]]:
    for where, video, labels in read_table(path, several=several):
        for label in labels:
            if label not in numbers:
                raise ValueError(_unknown(where, label, numbers))
        yield video, [numbers[label] for label in labels]


def _unknown(where: str, label: str, numbers: dict[str, int]) -> str:
    near = difflib.get_close_matches(label, numbers, n=2)
    hint = f"did you mean {' or '.join(near)}? Else " if near else ""
    return (
        f"{where}: expected one of the {len(numbers)} classes of the training table, found "
        f"{label!r}; {hint}name all classes in DATA.CLASS_NAMES_FILE"
    )


def csv_from_cfg(cfg: Any, split: str) -> Records:
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR or "")
    names = csv_names_from_cfg(cfg)
    joined = [name for name in names if BETWEEN_NAMES in name]
    if joined and len(names) != cfg.MODEL.NUM_CLASSES and not cfg.DATA.MULTI_LABEL:
        raise ValueError(
            f"{folder / 'train.csv'}: found {len(names)} classes, such as {joined[0]!r}, but "
            f"MODEL.NUM_CLASSES is {cfg.MODEL.NUM_CLASSES}; if {BETWEEN_NAMES} divides several "
            "labels of a video set DATA.MULTI_LABEL True MODEL.LOSS_FUNC bce_logit MODEL.HEAD_ACT "
            f"sigmoid, else MODEL.NUM_CLASSES {len(names)}"
        )
    numbers = numbers_of_names(names, cfg.MODEL.NUM_CLASSES, str(folder / "train.csv"))
    read = read_named_sets if cfg.DATA.MULTI_LABEL else read_named_csv
    return read(folder / f"{split}.csv", numbers, prefix=cfg.DATA.PATH_PREFIX or "")


def csv_names_from_cfg(cfg: Any) -> list[str]:
    """Classes by number: those of a file of names, else those of train.csv in every split."""
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR or "")
    return own_names_from_cfg(cfg) or names_in(folder / "train.csv", several=cfg.DATA.MULTI_LABEL)
