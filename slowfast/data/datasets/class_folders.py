"""A folder with a folder for each class: your own videos, and the pictures of ImageNet."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from slowfast.data.datasets.kinetics import VIDEO_SUFFIXES
from slowfast.data.datasets.label_names import numbers_of_names, own_names_from_cfg
from slowfast.data.manifest import Manifest
from slowfast.data.record import NoSuchSplit
from slowfast.log import LOGGER

SPLITS = ("train", "val", "test")


def class_names_in(folder: Path) -> list[str]:
    """The classes of a folder: its folders, sorted; hidden ones are passed over.

    Raises:
        ValueError: there is no such folder, or it has no folders.
    """
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise NoSuchSplit(
            f"{folder}: expected a folder with a folder for each class, found {error}; set "
            "DATA.PATH_TO_DATA_DIR"
        ) from error
    names = sorted(entry.name for entry in entries if entry.is_dir())
    if not names:
        raise ValueError(
            f"{folder}: expected a folder for each class, found "
            f"{f'{len(entries)} files' if entries else 'nothing'}; put each file in a folder that "
            "has the name of its class"
        )
    return names


def files_in(folder: Path, suffixes: Sequence[str], others: list[str]) -> Iterator[str]:
    """Paths of the files with one of these suffixes, at any depth, relative and sorted.

    Args:
        others: takes the paths of files with another suffix; hidden ones are passed over.
    """
    for root, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(files):
            if name.startswith("."):
                continue
            if name.rpartition(".")[2].lower() in suffixes:
                yield os.path.relpath(os.path.join(root, name), folder)
            else:
                others.append(os.path.join(root, name))


def labelled_files(
    folder: Path, numbers: dict[str, int], suffixes: Sequence[str]
) -> Iterator[tuple[str, int]]:
    """(path relative to ``folder``, label) of each file, class by class.

    Files of another kind, files that are in no class and classes without a file are logged.

    Raises:
        ValueError: a folder is no known class.
    """
    names = class_names_in(folder)
    others = _loose_files(folder, suffixes)
    empty = []
    for name in names:
        if name not in numbers:
            raise ValueError(
                f"{folder / name}: expected a folder for each of the {len(numbers)} classes "
                f"({', '.join(list(numbers)[:3])} ...), found another; move it away, or add the "
                "class to the training split or to DATA.CLASS_NAMES_FILE"
            )
        file = ""
        for file in files_in(folder / name, suffixes, others):
            yield os.path.join(name, file), numbers[name]
        if not file:
            empty.append(name)
    if others:
        LOGGER.warning(
            "%s: %d files are left out, as they are in no folder of a class or do not end in %s "
            "...; the first is %s",
            folder,
            len(others),
            ", ".join(suffixes[:5]),
            others[0],
        )
    if empty:
        LOGGER.warning(
            "%s: %d of %d classes have no file: %s%s",
            folder,
            len(empty),
            len(names),
            ", ".join(empty[:5]),
            " ..." * (len(empty) > 5),
        )


def _loose_files(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """Files that are beside the folders of the classes and not in one of them."""
    return sorted(
        str(path)
        for path in folder.iterdir()
        if path.suffix[1:].lower() in suffixes and path.is_file() and path.name[0] != "."
    )


def is_split_already(folder: Path) -> bool:
    """Whether the classes are in folders train, val and test and not in ``folder`` itself."""
    return (folder / "train").is_dir()


def read_folder(
    folder: Path,
    split: str,
    *,
    numbers: dict[str, int],
    shares: Sequence[float],
    suffixes: Sequence[str] = VIDEO_SUFFIXES,
) -> Manifest:
    """The files of a split of ``folder/<split>/<class>/`` or, without splits, ``folder/<class>/``.

    Args:
        numbers: class -> label.
        shares: of train, val and test, where the folder has no splits; a class with three files
            or more has at least one in each.

    Raises:
        ValueError: there is no such folder, or no file in it.
    """
    if is_split_already(folder):
        root = folder / split
        rows = list(labelled_files(root, numbers, suffixes))
    else:
        root = folder
        rows = list(_split(labelled_files(folder, numbers, suffixes), split, shares))
        LOGGER.info(
            "%s has no folder 'train': its files are split by their names, %s of them to train, "
            "val and test (DATA.FOLDER_SPLIT); %s has %d",
            folder,
            " / ".join(f"{share:g}" for share in shares),
            split,
            len(rows),
        )
    if not rows:
        raise ValueError(
            f"{root}: expected files ({', '.join(suffixes[:5])} ...) in the folders of the "
            f"classes for {split}, found none"
        )
    return Manifest.from_rows(rows, prefix=str(root))


def _split(
    rows: Iterable[tuple[str, int]], split: str, shares: Sequence[float]
) -> Iterator[tuple[str, int]]:
    """Those of a split. The order is by a hash of the name, the same everywhere and always."""
    by_class: dict[int, list[str]] = {}
    for path, label in rows:
        by_class.setdefault(label, []).append(path)
    for label, paths in by_class.items():
        ordered = sorted(paths, key=lambda path: hashlib.sha256(os.fsencode(path)).digest())
        ends = _ends(len(ordered), shares)
        place = SPLITS.index(split)
        chosen = ordered[ends[place] : ends[place + 1]]
        yield from ((path, label) for path in sorted(chosen))


def _ends(count: int, shares: Sequence[float]) -> tuple[int, int, int, int]:
    """Where train, val and test begin and end among ``count`` files of a class."""
    total = sum(shares)
    val, test = (
        max(round(count * share / total), 1) if share and count >= 3 else 0 for share in shares[1:]
    )
    return 0, count - val - test, count - test, count


def folder_from_cfg(cfg: Any, split: str) -> Manifest:
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR or "")
    numbers = numbers_of_names(folder_names_from_cfg(cfg), cfg.MODEL.NUM_CLASSES, str(folder))
    return read_folder(folder, split, numbers=numbers, shares=cfg.DATA.FOLDER_SPLIT)


def folder_names_from_cfg(cfg: Any) -> list[str]:
    """Classes by number: those of a file of names, else the folders of the training split."""
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR or "")
    return own_names_from_cfg(cfg) or class_names_in(
        folder / "train" if is_split_already(folder) else folder
    )
