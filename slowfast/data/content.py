"""What files held when they were checked, and whether a file still holds it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slowfast.data.quarantine import path_in_lists
from slowfast.data.readers.tar_shard import find_member, is_member, split_member
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record

Verify = Callable[[Record], None]  # raises VideoError for a record that is not what it was
_BLOCK = 1 << 20
_ADVICE = "get the file again, or run slowfast check-data again if it was changed on purpose"


def manifest_file(folder: str | Path, split: str) -> Path:
    return Path(folder) / f"manifest.{split}.jsonl"


def files_of(record: Record) -> list[str]:
    """All files that a record's frames come from, in order."""
    if record.frames:
        return list(record.frames)
    if is_member(record.path):
        return [split_member(record.path)[0]]
    if os.path.isdir(record.path):
        return sorted(each.path for each in os.scandir(record.path) if each.is_file())
    return [record.path]


def size_of(record: Record) -> int:
    """Bytes of its files together; of a video in a shard, its own."""
    if is_member(record.path):
        part = find_member(record.path)
        return part.end - part.begin
    return sum(os.stat(path).st_size for path in files_of(record))


def sha256_of(record: Record) -> str:
    """Hash of these bytes, one file after the other."""
    digest = hashlib.sha256()
    if is_member(record.path):
        part = find_member(record.path)
        _hash(digest, part.file, part.begin, part.end)
    else:
        for path in files_of(record):
            _hash(digest, path, 0, sys.maxsize)
    return digest.hexdigest()


def _hash(digest: Any, path: str, begin: int, end: int) -> None:
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would hang, a device may never end
        raise VideoError(f"{path}: expected a regular file, found none", advice=_ADVICE)
    with open(path, "rb") as file:
        file.seek(begin)
        while block := file.read(min(_BLOCK, end - file.tell())):
            digest.update(block)


def trust(record: Record) -> None:
    """The check that is none."""


class ContentManifest:
    """Sizes and hashes of many files, 48 bytes each, shared by the workers of a loader.

    Args:
        keys: int64 (rows,), increasing, of the paths.
        sizes: int64 (rows,), bytes.
        digests: uint8 (rows, 32), SHA-256.
        source: the file, for messages.
        prefix, folder: where paths of the file may begin; see `quarantine.path_in_lists`.
    """

    def __init__(
        self,
        keys: Tensor,
        sizes: Tensor,
        digests: Tensor,
        *,
        source: str,
        prefix: str = "",
        folder: str = "",
    ) -> None:
        self.keys, self.sizes, self.digests, self.source = keys, sizes, digests, source
        self.prefix, self.folder = prefix, folder

    @classmethod
    def read(cls, path: str | Path, *, prefix: str = "", folder: str = "") -> ContentManifest:
        """Read what `write_manifest` wrote.

        Args:
            prefix: the folder in front of each path.
            folder: where paths may begin as well; see `quarantine.path_in_lists`.

        Raises:
            ValueError: there is no such file, or a line is none of its lines.
        """
        try:
            with Path(path).open(encoding="utf-8", errors="surrogateescape") as file:
                rows = (_row(line, f"{path}:{n}") for n, line in enumerate(file, start=1))
                return cls.of_rows(rows, prefix=prefix, folder=folder, source=str(path))
        except FileNotFoundError:
            raise ValueError(
                f"{path}: expected the manifest that DATA.VERIFY_CONTENT compares with, found "
                "nothing; write it with slowfast check-data, or set DATA.VERIFY_CONTENT ''"
            ) from None

    @classmethod
    def of_rows(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        source: str,
        prefix: str = "",
        folder: str = "",
    ) -> ContentManifest:
        """Pack rows with path, size and sha256."""
        keys, sizes, digests = array("q"), array("q"), bytearray()
        for row in rows:
            keys.append(_key(os.path.join(prefix, row["path"])))
            sizes.append(row["size"])
            digests += bytes.fromhex(row["sha256"])
        names: Any = {"source": source, "prefix": prefix, "folder": folder}
        if not keys:
            empty = torch.empty(0, dtype=torch.int64)
            return cls(empty, empty, torch.empty(0, 32, dtype=torch.uint8), **names)
        all_keys = torch.frombuffer(keys, dtype=torch.int64)
        order = all_keys.argsort()
        return cls(
            all_keys[order],
            torch.frombuffer(sizes, dtype=torch.int64)[order],
            torch.frombuffer(digests, dtype=torch.uint8).reshape(-1, 32)[order],
            **names,
        )

    def __len__(self) -> int:
        return len(self.keys)

    def check_size(self, record: Record) -> None:
        """Raise VideoError unless the file is there with its size."""
        self._check_size(record, self._find(record))

    def check_hash(self, record: Record) -> None:
        """Raise VideoError unless the file is the same, byte by byte."""
        row = self._find(record)
        self._check_size(record, row)
        wanted, found = bytes(self.digests[row].numpy()).hex(), _read(record, sha256_of)
        if found != wanted:
            raise VideoError(
                f"{record.path}: expected the content with sha256 {wanted[:12]}... of "
                f"{self.source}, found {found[:12]}...",
                advice=_ADVICE,
            )

    def _check_size(self, record: Record, row: int) -> None:
        found = _read(record, size_of)
        if found != int(self.sizes[row]):
            raise VideoError(
                f"{record.path}: expected {int(self.sizes[row])} bytes by {self.source}, "
                f"found {found}",
                advice=_ADVICE,
            )

    def _find(self, record: Record) -> int:
        # With a data set that has its files in the folder of the lists, a path begins with that.
        below = path_in_lists(record.path, prefix="", folder=self.folder)
        names = [record.path, os.path.join(self.prefix, below)]
        for name in names:
            key = _key(name)
            row = int(torch.searchsorted(self.keys, key))
            if row < len(self.keys) and int(self.keys[row]) == key:
                return row
        raise VideoError(
            f"{record.path}: expected it in {self.source}, found nothing",
            advice="run slowfast check-data again, or set DATA.VERIFY_CONTENT ''",
        )


def write_manifest(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """One JSON object a line: path, size, sha256, frames, fps, duration, width, height."""
    part, count = path.with_name(f".{path.name}.{os.getpid()}.part"), 0
    with part.open("w", encoding="utf-8", errors="surrogateescape") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    os.replace(part, path)
    return count


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        if len(bytes.fromhex(row["sha256"])) == 32 and isinstance(row["path"], str):
            return {**row, "size": int(row["size"])}
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(
        f"{where}: expected a line with path, size and sha256, got {line.strip()[:80]!r}; write "
        "the file again with slowfast check-data"
    )


def _key(path: str) -> int:
    digest = hashlib.sha256(os.fsencode(path)).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _read(record: Record, what: Callable[[Record], Any]) -> Any:
    try:
        return what(record)
    except OSError as error:
        raise VideoError(
            f"{record.path}: expected a file that can be read, found {error.strerror or error}",
            advice="check the list of videos and DATA.PATH_PREFIX",
        ) from error
