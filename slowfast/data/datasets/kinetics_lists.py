"""Lists of Kinetics-400, 600 and 700 from the tables they are published as, and the videos."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slowfast.data.datasets.kinetics import is_video_name, read_class_names
from slowfast.data.datasets.label_names import numbers_of_names
from slowfast.data.datasets.table_rows import read_header, table_rows

COLUMNS = ("youtube_id", "time_start", "time_end", "split")
LABEL = "label"  # the table of a test split may be without
SPLITS = {"train": "train", "val": "val", "validate": "val", "validation": "val", "test": "test"}
MISSING = "missing.csv"
CLASSES = "classes.txt"


@dataclass(frozen=True)
class Annotation:
    """A row of a table.

    Attributes:
        name: of its video file, without folder and ending.
        label: of the class; empty where it is not published.
        split: train, val or test.
        line: as ``missing.csv`` gets it.
    """

    name: str
    label: str
    split: str
    line: str


@dataclass
class Listed:
    """What was made of the rows of one split."""

    split: str
    lines: list[str] = field(default_factory=list)
    missing: list[Annotation] = field(default_factory=list)


@dataclass(frozen=True)
class KineticsLists:
    """What was written.

    Attributes:
        splits: those that the tables have.
        classes: by number.
        unknown: video files that no row names.
        test_is_val: the tables have no test split, and test.csv is that of validation.
        repeated: video files that several rows name with other classes or splits.
    """

    splits: list[Listed]
    classes: list[str]
    unknown: int
    test_is_val: bool
    repeated: list[str]


def make_kinetics_lists(
    tables: Sequence[Path], videos: Path, out: Path, *, class_names: Path | None = None
) -> KineticsLists:
    """Write ``train.csv``, ``val.csv``, ``test.csv``, ``classes.txt`` and ``missing.csv``.

    Args:
        tables: with the columns label, youtube_id, time_start, time_end and split.
        videos: folder of ``<youtube_id>_<start, 6 digits>_<end, 6 digits>.mp4``, at any depth.
        out: folder to write to; paths in the lists are relative to ``videos``.
        class_names: their order, as published weights have it; else that of the alphabet.

    Raises:
        ValueError: a table is not like that, a class has no number, or a split has no video.
    """
    rows = [row for table in tables for row in read_annotations(table)]
    if not rows:
        raise ValueError(f"{tables[0]}: expected a row a video below the header, found none")
    classes = read_class_names(class_names) if class_names else _classes_of(rows)
    numbers = numbers_of_names(classes, len(classes), str(class_names))
    if strange := sorted({row.label for row in rows if row.label} - numbers.keys()):
        raise ValueError(
            f"{class_names}: expected all classes of the tables, found no {strange[0]!r} "
            f"({len(strange)} are missing); give the names of the same release"
        )
    files = _files_by_name(videos)
    splits = {row.split: Listed(row.split) for row in rows}
    named_by: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        path = _file_of(row, files)
        if path is None:
            splits[row.split].missing.append(row)
        elif (row.split, row.label) not in named_by.setdefault(path, set()):  # else listed already
            named_by[path].add((row.split, row.label))
            label = f" {numbers[row.label]}" if row.label else ""
            splits[row.split].lines.append(f"{path}{label}\n")
    for each in splits.values():
        if not each.lines:
            raise ValueError(
                f"{videos}: expected videos of {each.split} such as {each.missing[0].name}.mp4, "
                f"found none of {len(each.missing)}; set --videos to the folder that holds them, "
                "at any depth, or leave out that table"
            )
    test_is_val = "test" not in splits and "val" in splits
    _write(out, splits, classes, test_is_val=test_is_val)
    named = {row.name for row in rows}
    unknown = sum(len(paths) for name, paths in files.items() if name not in named)
    repeated = [path for path, rows_of in named_by.items() if len(rows_of) > 1]
    return KineticsLists(list(splits.values()), classes, unknown, test_is_val, repeated)


def read_annotations(table: Path) -> Iterator[Annotation]:
    """The rows of a table.

    Raises:
        ValueError: there is no such table, or a row is not like that.
    """
    if not table.is_file():
        raise ValueError(f"{table}: expected a table of Kinetics, found nothing; check the path")
    with table.open(encoding="utf-8-sig", newline="") as file:
        header, separator, columns = read_header(file, str(table))
        if not set(COLUMNS) <= set(columns):
            raise ValueError(
                f"{table}:1: expected a header with the columns {','.join((LABEL, *COLUMNS))}, "
                f"found {header[:120]!r}; take the .csv that the data set is published as"
            )
        for where, cells in table_rows(file, str(table), separator=separator, first_line=2):
            if len(cells) != len(columns):
                raise ValueError(
                    f"{where}: expected {len(columns)} columns, found {separator.join(cells)!r}; "
                    f"quote what holds a {separator!r}"
                )
            yield _annotation(where, dict(zip(columns, cells, strict=True)))


def _annotation(where: str, row: dict[str, str]) -> Annotation:
    try:
        start, end = (int(float(row[name])) for name in ("time_start", "time_end"))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{where}: expected seconds in time_start and time_end, found {row['time_start']!r} "
            f"and {row['time_end']!r}; correct the row"
        ) from None
    if row["split"] not in SPLITS:
        raise ValueError(
            f"{where}: expected a split of {', '.join(SPLITS)}, found {row['split']!r}; correct it"
        )
    label, video = row.get(LABEL, ""), row["youtube_id"]
    if not label and SPLITS[row["split"]] != "test":
        raise ValueError(f"{where}: expected a label of {video!r}, found none; correct the row")
    quoted = f'"{label}"' if "," in label else label
    line = f"{quoted},{video},{start},{end},{row['split']}\n"
    return Annotation(f"{video}_{start:06d}_{end:06d}", label, SPLITS[row["split"]], line)


def _classes_of(rows: Sequence[Annotation]) -> list[str]:
    return sorted({row.label for row in rows if row.label})


def _files_by_name(videos: Path) -> dict[str, list[str]]:
    """Name without ending -> paths relative to the folder, sorted."""
    found: dict[str, list[str]] = {}
    for root, folders, files in os.walk(videos, followlinks=True):
        folders.sort()
        for name in sorted(files):
            if is_video_name(name) and not name.startswith("."):
                path = os.path.relpath(os.path.join(root, name), videos)
                found.setdefault(os.path.splitext(name)[0], []).append(path)
    return found


def _file_of(row: Annotation, files: dict[str, list[str]]) -> str | None:
    """Of files of one name, as clips of two classes or splits have, the one of this class."""

    def fits(path: str) -> tuple[bool, bool]:
        folders = Path(path).parts[:-1]
        of_class = row.label in folders or row.label.replace(" ", "_") in folders
        return of_class, row.split in (SPLITS.get(folder) for folder in folders)

    return max(files.get(row.name, []), key=fits, default=None)


def _write(out: Path, splits: dict[str, Listed], classes: list[str], *, test_is_val: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    lists = {f"{name}.csv": each.lines for name, each in splits.items()}
    if test_is_val:
        lists["test.csv"] = lists["val.csv"]
    missing = [row.line for each in splits.values() for row in each.missing]
    lists[MISSING] = [f"{','.join((LABEL, *COLUMNS))}\n", *missing]
    lists[CLASSES] = [f"{name}\n" for name in classes]
    for name, lines in lists.items():
        content = "".join(lines).encode("utf-8", "surrogateescape")
        (out / name).write_bytes(content)
