"""Writes shards, and indexes of shards that others wrote."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

from slowfast.data.readers.tar_headers import members_of, plain_name
from slowfast.data.readers.tar_shard import MARK, SUFFIX, make_index


def write_shard(path: Path, members: Iterable[tuple[str, Path]]) -> None:
    """Pack files under the given names into a tar file, with its index beside it.

    The same files make the same bytes. Both files come into place whole; a shard that is there
    is replaced, and never has another one's index.

    Raises:
        ValueError: a name can't be one of a shard, or comes twice.
        OSError: a file can't be read whole, or the shard can't be written.
    """
    path = Path(path)
    if not path.name.endswith(MARK[:-1]):
        raise ValueError(f"{path}: expected the name of a shard to end in .tar; rename it")
    part = path.with_name(path.name + ".part")
    try:
        with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
            seen: set[str] = set()
            for name, file in members:
                _check_name(path, name, seen)
                info = tarfile.TarInfo(name)
                info.size = Path(file).stat().st_size
                with open(file, "rb") as content:
                    tar.addfile(info, content)
        _to_disk(part)
        index = make_index(members_of(os.fspath(part)), part.stat().st_size)
        _index_of(path).unlink(missing_ok=True)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    _replace(_index_of(path), index)


def write_index(tar: Path) -> Path:
    """Look through a tar file and write its index beside it; returns the index.

    Raises:
        VideoError: it is no uncompressed tar file, or it is damaged.
    """
    content = make_index(members_of(os.fspath(tar)), Path(tar).stat().st_size)
    _replace(_index_of(tar), content)
    return _index_of(tar)


def _index_of(path: Path) -> Path:
    return Path(os.fspath(path) + SUFFIX)


def _check_name(shard: Path, name: str, seen: set[str]) -> None:
    inside = name and not name.startswith("/") and ".." not in Path(name).parts and "\0" not in name
    if not inside or plain_name(name) != name:
        raise ValueError(
            f"{shard}: expected a name like 'class/clip.mp4' in the shard, got {name!r}; rename it"
        )
    if name in seen:
        raise ValueError(f"{shard}: expected each name once, got {name!r} twice; rename one")
    seen.add(name)


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        _to_disk(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
