"""Label maps: names and numbers of the classes of boxes, as in AVA's .pbtxt files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from slowfast.paths import local_path

_TEXT = r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'"""
_COMMENT = re.compile(rf"({_TEXT})|#[^\n]*")
_BLOCK = re.compile(rf"\{{((?:{_TEXT}|[^{{}}\"'])*)\}}")
_FIELD = re.compile(rf"(\w+)\s*:\s*({_TEXT}|[^\s{{}}\"',]+)")

_MOST = 2**31 - 1  # what a .pbtxt's int32 holds


def read_label_map(path: str | Path) -> dict[int, str]:
    """Number -> name of each class, from blocks such as ``item { name: "run" id: 1 }``.

    A block holds ``name`` and ``id`` or ``label_id``; what else it holds is passed over. Numbers
    begin with 1 and may have gaps, for classes that are not evaluated.

    Raises:
        ValueError: there is no such file, or a block has no name or no number.
    """
    try:
        text = Path(local_path(str(path))).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: expected a label map (.pbtxt), found {error}; set AVA.LABEL_MAP_FILE and "
            "AVA.ANNOTATION_DIR"
        ) from error
    text = _COMMENT.sub(lambda found: found[1] or "", text)
    classes: dict[int, str] = {}
    end = 0
    for block in _BLOCK.finditer(text):
        where = f"{path}:{text.count(chr(10), 0, block.start()) + 1}"
        _check_between(text[end : block.start()], where)
        end = block.end()
        fields: dict[str, str] = dict(_FIELD.findall(block[1]))
        name, number = fields.get("name", ""), fields.get("id", fields.get("label_id", ""))
        if name[:1] not in ('"', "'") or not number.isdecimal() or not 0 < int(number) <= _MOST:
            raise ValueError(
                f"{where}: expected a name in quotes and an id from 1 to {_MOST}, found "
                f"{' '.join(block[1].split())!r}"
            )
        value = int(number)
        if value in classes:
            raise ValueError(f"{where}: number {value} is also {classes[value]!r}; change one")
        classes[value] = re.sub(r"\\(.)", r"\1", name[1:-1])
    _check_between(text[end:], f"{path}:{text.count(chr(10), 0, end) + 1}")
    if not classes:
        raise ValueError(
            f'{path}: expected blocks such as item {{ name: "run" id: 1 }}, found none'
        )
    return classes


def _check_between(text: str, where: str) -> None:
    """Raise for what stands between two blocks, if it is more than the word before the next one."""
    if re.fullmatch(r"\s*\w*\s*:?\s*", text) is None:
        raise ValueError(
            f'{where}: expected blocks such as item {{ name: "run" id: 1 }}, found '
            f"{' '.join(text.split())[:60]!r}"
        )


def write_label_map(path: Path, classes: Mapping[int, str]) -> None:
    """Write what `read_label_map` reads."""
    blocks = []
    for number, name in classes.items():
        quoted = re.sub(r'(["\\])', r"\\\1", " ".join(name.split()))
        blocks.append(f'item {{\n  name: "{quoted}"\n  id: {number}\n}}\n')
    path.write_text("".join(blocks), encoding="utf-8")
