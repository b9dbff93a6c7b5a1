"""Classes that a data set calls by name, and the numbers they get."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slowfast.data.datasets.kinetics import read_class_names


def numbers_of_names(names: Sequence[str], num_classes: int, source: str) -> dict[str, int]:
    """Class -> label.

    Raises:
        ValueError: a name is there twice, or their count is not ``num_classes``.
    """
    numbers = {name: number for number, name in enumerate(names)}
    if len(numbers) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{source}: expected each class once, found {twice!r} twice; rename one")
    if len(names) != num_classes:
        shown = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
        raise ValueError(
            f"{source}: found {len(names)} classes ({shown}), but MODEL.NUM_CLASSES is "
            f"{num_classes}; set MODEL.NUM_CLASSES {len(names)}"
        )
    return numbers


def own_names_from_cfg(cfg: Any) -> list[str]:
    """Names of DATA.CLASS_NAMES_FILE, or of classes.txt beside the lists; empty: neither."""
    default = Path(cfg.DATA.PATH_TO_DATA_DIR or "") / "classes.txt"
    path = cfg.DATA.CLASS_NAMES_FILE or (default if default.is_file() else "")
    return read_class_names(path) if path else []
