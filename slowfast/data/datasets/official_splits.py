"""UCF101 (1212.0402) and HMDB51 by the split files that come with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slowfast.data.datasets.kinetics import kinetics_from_cfg
from slowfast.data.manifest import Manifest
from slowfast.data.record import NoSuchSplit

_NUMBERED = re.compile(r"(.*?)\s+(\d+)")
_HMDB_TRAIN, _HMDB_TEST, _HMDB_UNUSED = "1", "2", "0"


def read_ucf101(folder: Path, split: str, *, number: int = 1, prefix: str = "") -> Manifest:
    """``trainlist0N.txt`` for training, ``testlist0N.txt`` for validation and test.

    Labels are the numbers of ``classInd.txt`` (``1 ApplyEyeMakeup``) less one; the class of a
    video is its folder.

    Raises:
        ValueError: a file is missing, or a line is not like that.
    """
    numbers = {name: label for label, name in enumerate(ucf101_names(folder))}
    name = "trainlist" if split == "train" else "testlist"
    path = folder / f"{name}{number:02d}.txt"
    rows = []
    for where, line in _lines(path):
        numbered = _NUMBERED.fullmatch(line)  # lists of training repeat the number of the class
        video, repeated = numbered.groups() if numbered else (line, "")
        label = numbers.get(video.rpartition("/")[0].rpartition("/")[2])
        if label is None:
            raise ValueError(
                f"{where}: expected 'Class/video.avi' with a class of classInd.txt, found {line!r}"
            )
        if repeated and int(repeated) != label + 1:
            raise ValueError(
                f"{where}: expected the number {label + 1} that its class has in classInd.txt, "
                f"found {line!r}; take both files from the same release"
            )
        rows.append((video, label))
    return Manifest.from_rows(_some(rows, str(path)), prefix=prefix, source=str(path))


def ucf101_names(folder: Path) -> list[str]:
    """The classes of ``classInd.txt`` by number."""
    names: dict[int, str] = {}
    for where, line in _lines(folder / "classInd.txt"):
        number, _, name = line.partition(" ")
        if not number.isdecimal() or not name.strip():
            raise ValueError(f"{where}: expected '1 ApplyEyeMakeup', found {line!r}")
        names[int(number)] = name.strip()
    if sorted(names) != list(range(1, len(names) + 1)):
        raise ValueError(f"{folder / 'classInd.txt'}: expected the numbers 1 to {len(names)}")
    return [names[number] for number in sorted(names)]


def read_hmdb51(folder: Path, split: str, *, number: int = 1, prefix: str = "") -> Manifest:
    """``<class>_test_splitN.txt``: ``video.avi 1`` trains, 2 tests (and validates), 0 neither.

    Labels are the places of the classes in the order of the alphabet, and a video is
    ``<class>/video.avi``.

    Raises:
        ValueError: there are no such files, or a line is not like that.
    """
    wanted = _HMDB_TRAIN if split == "train" else _HMDB_TEST
    rows = []
    for label, name in enumerate(hmdb51_names(folder, number=number)):
        for where, line in _lines(folder / f"{name}_test_split{number}.txt"):
            video, _, use = line.rpartition(" ")
            if use not in (_HMDB_TRAIN, _HMDB_TEST, _HMDB_UNUSED) or not video:
                raise ValueError(f"{where}: expected 'video.avi' and 0, 1 or 2, found {line!r}")
            if use == wanted:
                rows.append((f"{name}/{video.strip()}", label))
    source = str(folder / f"*_test_split{number}.txt")
    return Manifest.from_rows(_some(rows, source), prefix=prefix)


def hmdb51_names(folder: Path, *, number: int = 1) -> list[str]:
    """The classes by number."""
    ending = f"_test_split{number}.txt"
    names = sorted(path.name.removesuffix(ending) for path in folder.glob(f"*{ending}"))
    if not names:
        raise ValueError(
            f"{folder}: expected the split files <class>{ending} or {{train,val,test}}.csv, found "
            "neither; set DATA.PATH_TO_DATA_DIR to their folder"
        )
    return names


def _some(rows: list[tuple[str, int]], source: str) -> list[tuple[str, int]]:
    if not rows:
        raise ValueError(f"{source}: expected videos of the split, found none; complete the files")
    return rows


def _check_classes(names: list[str], num_classes: int, folder: Path) -> None:
    if len(names) > num_classes:
        raise ValueError(
            f"{folder}: found {len(names)} classes, but MODEL.NUM_CLASSES is {num_classes}; set "
            f"MODEL.NUM_CLASSES {len(names)}"
        )


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """(file:line, text) of each line that is not blank."""
    if not path.is_file():
        raise NoSuchSplit(
            f"{path}: expected a split file of the data set, or train.csv, val.csv and test.csv "
            "in its place, found neither; set DATA.PATH_TO_DATA_DIR to their folder"
        )
    # File names are bytes: whatever encoding they are in, they must come out as they went in.
    text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{path}:{number}", line.strip()


def ucf101_from_cfg(cfg: Any, split: str) -> Manifest:
    """Lists in the format of Kinetics if there are any, else the official split files."""
    if _lists_are_there_from_cfg(cfg, split):
        return kinetics_from_cfg(cfg, split)
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR or "")
    _check_classes(ucf101_names(folder), cfg.MODEL.NUM_CLASSES, folder)
    return read_ucf101(
        folder,
        split,
        number=cfg.DATA.OFFICIAL_SPLIT,
        prefix=cfg.DATA.PATH_PREFIX or "",
    )


def hmdb51_from_cfg(cfg: Any, split: str) -> Manifest:
    """Lists in the format of Kinetics if there are any, else the official split files."""
    if _lists_are_there_from_cfg(cfg, split):
        return kinetics_from_cfg(cfg, split)
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR or "")
    names = hmdb51_names(folder, number=cfg.DATA.OFFICIAL_SPLIT)
    _check_classes(names, cfg.MODEL.NUM_CLASSES, folder)
    return read_hmdb51(
        folder,
        split,
        number=cfg.DATA.OFFICIAL_SPLIT,
        prefix=cfg.DATA.PATH_PREFIX or "",
    )


def ucf101_names_from_cfg(cfg: Any) -> list[str]:
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR or "")
    return ucf101_names(folder) if (folder / "classInd.txt").is_file() else []


def hmdb51_names_from_cfg(cfg: Any) -> list[str]:
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR or "")
    number = cfg.DATA.OFFICIAL_SPLIT
    has_files = any(folder.glob(f"*_test_split{number}.txt"))
    return hmdb51_names(folder, number=number) if has_files else []


def _lists_are_there_from_cfg(cfg: Any, split: str) -> bool:
    return (Path(cfg.DATA.PATH_TO_DATA_DIR or "") / f"{split}.csv").is_file()
