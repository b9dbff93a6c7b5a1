"""Label maps: names and numbers of the classes of boxes, as in AVA's .pbtxt files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from slowfast.paths import local_path

_BLOCK = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"""\bname\s*:\s*("[^"]*"|'[^']*')""")
_NUMBER = re.compile(r"\b(?:id|label_id)\s*:\s*(\d+)")


def read_label_map(path: str | Path) -> dict[int, str]:
    """Number -> name of each class, from blocks such as ``item { name: "run" id: 1 }``.

    A block holds ``name`` and ``id`` or ``label_id``; what else it holds is passed over. Numbers
    begin with 1 and may have gaps, for classes that are not evaluated.

    Raises:
        ValueError: there is no such file, or a block has no name or no number.
    """
    try:
        text = Path(local_path(str(path))).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(
            f"{path}: expected a label map (.pbtxt), found {error}; set AVA.LABEL_MAP_FILE and "
            "AVA.ANNOTATION_DIR"
        ) from error
    classes: dict[int, str] = {}
    for block in _BLOCK.finditer(text):
        where = f"{path}:{text.count(chr(10), 0, block.start()) + 1}"
        name, number = _NAME.search(block[1]), _NUMBER.search(block[1])
        if name is None or number is None:
            raise ValueError(
                f"{where}: expected a name and an id, found {' '.join(block[1].split())!r}"
            )
        value = int(number[1])
        if value in classes:
            raise ValueError(f"{where}: number {value} is also {classes[value]!r}; change one")
        classes[value] = name[1][1:-1]
    if not classes:
        raise ValueError(
            f'{path}: expected blocks such as item {{ name: "run" id: 1 }}, found none'
        )
    return classes


def write_label_map(path: Path, classes: Mapping[int, str]) -> None:
    """Write what `read_label_map` reads."""
    blocks = []
    for number, name in classes.items():
        quote = "'" if '"' in name else '"'
        blocks.append(f"item {{\n  name: {quote}{name}{quote}\n  id: {number}\n}}\n")
    path.write_text("".join(blocks), encoding="utf-8")
