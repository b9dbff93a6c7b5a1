"""A folder of files that is whole: each of them fits the hash that its manifest gives."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from slowfast.engine.checkpoint.integrity import hash_file, sync_folder

MANIFEST = "manifest.sha256"
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\n]+)\n")


def write_manifest(folder: Path, hashes: Mapping[str, str]) -> None:
    """List the files of `folder` with their SHA-256, so that ``sha256sum -c`` reads it."""
    with (folder / MANIFEST).open("w") as file:
        file.writelines(f"{value}  {name}\n" for name, value in sorted(hashes.items()))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)


def read_manifest(folder: Path) -> dict[str, str]:
    """Hash by name; empty if any line of it is damaged."""
    path = folder / MANIFEST
    text = path.read_text("latin-1") if path.is_file() else ""
    lines = text.splitlines(keepends=True)
    found = [_LINE.fullmatch(line) for line in lines]
    return {match[2]: match[1] for match in found if match} if all(found) else {}


def damage_in(folder: Path) -> str:
    """What is wrong with the first file that is not as it was written; empty if all are."""
    listed = read_manifest(folder)
    if not listed:
        return f"has no {MANIFEST} that can be read"
    present = {each.name for each in folder.iterdir()} - {MANIFEST}
    if missing := sorted(set(listed) - present):
        return f"lacks {missing[0]}"
    if unlisted := sorted(present - set(listed)):
        return f"has {unlisted[0]}, which {MANIFEST} does not list"
    for name, value in listed.items():
        if hash_file(folder / name) != value:
            return f"has a {name} that does not fit {MANIFEST}"
    return ""
