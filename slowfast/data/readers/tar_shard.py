"""Videos inside of a tar shard, ``shard.tar#name.mp4``: found by an index, read in place."""

from __future__ import annotations

import mmap
import os
from functools import lru_cache
from hashlib import blake2b

from slowfast.data.readers.container import FilePart, open_regular
from slowfast.data.readers.tar_headers import BLOCK, is_header_of, members_of, plain_name
from slowfast.data.readers.video_error import VideoError

SUFFIX = ".idx"  # of the index, after the name of the shard
MARK = ".tar#"  # in the path of a video, between the shard and the name in it
_MAGIC = b"slowfast tar 1\n\0"
_DIGEST = 16  # bytes of a name's hash; an index keeps these, sorted, so that it needs no memory
_HEAD, _ROW = len(_MAGIC) + 16, _DIGEST + 16
_CACHED = 256  # indexes of shards without a file, of about 32 bytes a video
_NO_INDEX = "delete it and the shard is looked through instead, or write it again"
_ADVICE = "check the list of videos and DATA.PATH_PREFIX"


def is_member(path: str) -> bool:
    """Whether a path names a video inside of a shard."""
    return MARK in path


def find_member(path: str) -> FilePart:
    """Where in which file the bytes of ``shard.tar#name`` are.

    The index is ``shard.tar.idx``; without one the shard is looked through once a process. An
    index is not believed: the header in the shard has to agree.

    Raises:
        VideoError: there is no such shard or video, or the index is another shard's.
    """
    shard, name = split_member(path)
    with open_regular(shard, name=path, expected="a tar file") as file:
        status = os.fstat(file.fileno())
        size = status.st_size
        if os.path.lexists(shard + SUFFIX):
            found = _find_in_file(shard, name, size)
        else:
            found = _find(_scanned(shard, size, status.st_mtime_ns), name)
        if found is None:
            raise VideoError(f"{path}: expected a video in {shard}, found none", advice=_ADVICE)
        begin, length = found
        inside = begin % BLOCK == 0 and begin >= BLOCK and begin + length <= size
        if inside:
            file.seek(begin - BLOCK)
        if not inside or not is_header_of(file.read(BLOCK), name, length):
            raise _misfit(shard, f"no video {name} at byte {begin}")
    if length == 0:
        raise VideoError(f"{path}: expected a video file, found 0 bytes", advice=_ADVICE)
    return FilePart(shard, begin, begin + length)


def split_member(path: str) -> tuple[str, str]:
    """The shard's path and the name in it."""
    shard, _, name = path.partition(MARK)
    return shard + MARK[:-1], plain_name(name)


def make_index(members: dict[str, tuple[int, int]], size: int) -> bytes:
    """The content of an index: a table that is searched where it lies.

    Args:
        members: name -> where its bytes begin, and how many there are.
        size: bytes of the shard.
    """
    rows = sorted(_digest(name) + _number(at) + _number(n) for name, (at, n) in members.items())
    return _MAGIC + _number(size) + _number(len(rows)) + b"".join(rows)


def _find_in_file(shard: str, name: str, size: int) -> tuple[int, int] | None:
    """(begin, bytes) by the index file; None if there is no such video in it."""
    try:
        with (
            open_regular(shard + SUFFIX, expected="the index of a shard") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as table,
        ):
            count = max(0, len(table) - _HEAD) // _ROW
            head = _MAGIC + _number(size) + _number(count)
            if table[:_HEAD] != head or len(table) != _HEAD + count * _ROW:
                raise _misfit(shard, f"one of another file or a damaged one ({len(table)} bytes)")
            return _find(table, name)
    except VideoError as error:
        raise VideoError(error.fault, advice=_NO_INDEX) from error


def _find(table: bytes | mmap.mmap, name: str) -> tuple[int, int] | None:
    """Binary search for a name's hash."""
    wanted = _digest(name)
    low, high = 0, (len(table) - _HEAD) // _ROW
    while low < high:
        middle = (low + high) // 2
        at = _HEAD + middle * _ROW
        digest = table[at : at + _DIGEST]
        if digest == wanted:
            begin, length = table[at + _DIGEST : at + _DIGEST + 8], table[at + _ROW - 8 : at + _ROW]
            return int.from_bytes(begin, "little"), int.from_bytes(length, "little")
        low, high = (middle + 1, high) if digest < wanted else (low, middle)
    return None


@lru_cache(maxsize=_CACHED)
def _scanned(shard: str, size: int, changed: int) -> bytes:
    """The index of a shard that has none; ``changed`` tells a new file of the same name."""
    return make_index(members_of(shard), size)


def _misfit(shard: str, found: str) -> VideoError:
    return VideoError(
        f"{shard}{SUFFIX}: expected the index of {shard}, found {found}",
        advice=_NO_INDEX,
    )


def _digest(name: str) -> bytes:
    return blake2b(os.fsencode(name), digest_size=_DIGEST).digest()


def _number(value: int) -> bytes:
    return value.to_bytes(8, "little")
