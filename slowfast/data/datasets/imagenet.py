"""ImageNet (1409.0575): pictures in a folder for each class, or listed in JSON files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slowfast.data.datasets.class_folders import class_names_in, labelled_files
from slowfast.data.datasets.json_file import read_json
from slowfast.data.datasets.label_names import numbers_of_names, own_names_from_cfg
from slowfast.data.manifest import Manifest

PICTURE_SUFFIXES = ("jpeg", "jpg", "png", "bmp", "webp")


def read_json_list(path: Path, *, num_classes: int, prefix: str = "") -> Manifest:
    """A list of objects ``{"im_path": "n01440764/a.JPEG", "class": 0}``.

    Args:
        num_classes: classes are from 0 to below this.
        prefix: folder in front of each path.

    Raises:
        ValueError: it is not JSON, or an entry is not like that.
    """
    entries = read_json(path, expected="a JSON list of pictures")
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path}: expected a list of pictures, found {str(entries)[:60]!r}")
    return Manifest.from_rows(_entries(entries, path, num_classes), prefix=prefix, source=str(path))


def _entries(entries: list[Any], path: Path, num_classes: int) -> Iterator[tuple[str, int]]:
    for i, entry in enumerate(entries):
        found = entry.get("class") if isinstance(entry, dict) else None
        if type(found) is not int or not isinstance(entry.get("im_path"), str):
            raise ValueError(
                f'{path}: expected {{"im_path": "...", "class": 0}} as entry {i}, found {entry!r}'
            )
        if not 0 <= found < num_classes:
            raise ValueError(
                f"{path}: expected a class from 0 to {num_classes - 1} in entry {i}, found "
                f"{found}; set MODEL.NUM_CLASSES, or correct the list"
            )
        yield entry["im_path"], found


def imagenet_from_cfg(cfg: Any, split: str) -> Manifest:
    """``<split>.json`` of PATH_TO_PRELOAD_IMDB or PATH_TO_DATA_DIR, else folders of classes.

    ImageNet's test labels are not published: where there is no test split, it is the val split.
    """
    data, classes = cfg.DATA, cfg.MODEL.NUM_CLASSES
    for name in (split, "val") if split == "test" else (split,):
        for folder in filter(None, (data.PATH_TO_PRELOAD_IMDB, data.PATH_TO_DATA_DIR)):
            path = Path(folder) / f"{name}.json"
            if path.is_file():
                return read_json_list(path, num_classes=classes, prefix=data.PATH_PREFIX or "")
    root = Path(data.PATH_TO_DATA_DIR or "")
    folder = root / ("val" if split == "test" and not (root / "test").is_dir() else split)
    numbers = numbers_of_names(imagenet_names_from_cfg(cfg), classes, str(folder))
    manifest = Manifest.from_rows(
        labelled_files(folder, numbers, PICTURE_SUFFIXES), prefix=str(folder)
    )
    if not len(manifest):
        raise ValueError(
            f"{folder}: expected pictures ({', '.join(PICTURE_SUFFIXES)}) in the folders of the "
            "classes, found none"
        )
    return manifest


def imagenet_names_from_cfg(cfg: Any) -> list[str]:
    """Classes by number: the folders of the training split, or of the val split, sorted."""
    root = Path(cfg.DATA.PATH_TO_DATA_DIR or "")
    if names := own_names_from_cfg(cfg):
        return names
    for split in ("train", "val"):
        if (root / split).is_dir():
            return class_names_in(root / split)
    if any((root / f"{split}.json").is_file() for split in ("train", "val", "test")):
        return []
    return [] if cfg.DATA.PATH_TO_PRELOAD_IMDB else class_names_in(root / "train")
