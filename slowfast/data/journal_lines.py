"""A file of JSON objects, one a line, that survives whatever ends the process that writes it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def append_entry(file: Path, entry: Mapping[str, Any]) -> None:
    """Add a line; half a one that a killed process left is ended first."""
    line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab+") as out:
        if out.tell():
            out.seek(-1, os.SEEK_END)
            line = line if out.read(1) == b"\n" else b"\n" + line
        out.write(line)


def entries_of(file: Path) -> Iterator[dict[str, Any]]:
    """The objects in it; lines that are none, such as half ones, are passed over."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        for line in lines:
            with suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict):
                    yield entry
