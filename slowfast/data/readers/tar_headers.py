"""The headers of an uncompressed tar file: which members it has, and where their bytes are."""

from __future__ import annotations

import os
import tarfile
from typing import BinaryIO

from slowfast.data.readers.container import open_regular
from slowfast.data.readers.video_error import VideoError

BLOCK = 512  # bytes; headers and contents begin at multiples of it
_LONGEST = 1 << 20  # bytes of an extended header: names and numbers need far less
_WITHOUT_CONTENT = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)
_SHORT_NAME = 100  # bytes; longer ones have a header of their own, and are cut off in the next
_ADVICE = "get it again, or pack it anew without compression (tar --format=pax -cf)"


def members_of(shard: str) -> dict[str, tuple[int, int]]:
    """Name -> (where its bytes begin, how many) of each regular file in a tar file.

    Nothing but headers is read, so that lying sizes cost nothing; links are left out.

    Raises:
        VideoError: it is no tar file, it is compressed, damaged or cut off, or two have one name.
    """
    members: dict[str, tuple[int, int]] = {}
    with open_regular(shard, expected="a tar file") as file:
        size = os.fstat(file.fileno()).st_size
        at, extended = 0, dict[str, str]()
        while (info := _header(file, at, shard)) is not None:
            begin = at + BLOCK
            length = _size_of(info, extended)
            if length < 0 or begin + length > size:
                raise VideoError(
                    f"{shard}: expected {length} bytes from byte {begin} on by its headers, "
                    f"found a file of {size} (cut off)",
                    advice=_ADVICE,
                )
            at = begin + -(-length // BLOCK) * BLOCK
            if info.type in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
                extended.update(_extended(file, info, begin, shard))
                continue
            if info.type == tarfile.GNUTYPE_LONGLINK:
                continue
            if info.type in tarfile.REGULAR_TYPES and info.type != tarfile.GNUTYPE_SPARSE:
                name = plain_name(extended.get("path", info.name))
                if name in members:
                    raise VideoError(
                        f"{shard}: expected each name once, found {name} twice", advice=_ADVICE
                    )
                members[name] = begin, length
            extended = {}
    return members


def is_header_of(block: bytes, name: str, length: int) -> bool:
    """Whether a block is the header of a file of this name and length."""
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    cut = len(os.fsencode(name)) >= _SHORT_NAME or not name.isascii()
    beyond = length >= 8**11  # such sizes are in a header of their own
    return (
        info.type in tarfile.REGULAR_TYPES
        and (beyond or info.size == length)
        and (cut or plain_name(info.name) == name)
    )


def plain_name(name: str) -> str:
    """Without the "./" that packing a whole folder leaves in front."""
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def _header(file: BinaryIO, at: int, shard: str) -> tarfile.TarInfo | None:
    """The header at a byte; None at the end."""
    file.seek(at)
    block = file.read(BLOCK)
    if not block.strip(b"\0"):
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        raise VideoError(
            f"{shard}: expected an uncompressed tar file, found no header at byte {at} ({error})",
            advice=_ADVICE,
        ) from error
    if info.type == tarfile.GNUTYPE_SPARSE:
        raise VideoError(
            f"{shard}: expected whole files, found {info.name} with holes left out",
            advice="pack it without --sparse",
        )
    return info


def _size_of(info: tarfile.TarInfo, extended: dict[str, str]) -> int:
    if info.type in _WITHOUT_CONTENT:
        return 0
    if info.type in tarfile.REGULAR_TYPES and extended.get("size", "").isdecimal():
        return int(extended["size"])
    return info.size


def _extended(file: BinaryIO, info: tarfile.TarInfo, begin: int, shard: str) -> dict[str, str]:
    """What an extended header says of the next file: "path" and "size" (POSIX.1-2001, pax)."""
    if info.size > _LONGEST:
        raise VideoError(
            f"{shard}: expected a header of at most {_LONGEST} bytes, found one of {info.size} at "
            f"byte {begin - BLOCK}",
            advice=_ADVICE,
        )
    file.seek(begin)
    data = file.read(info.size)
    if info.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": os.fsdecode(data.split(b"\0", 1)[0])}
    values: dict[str, str] = {}
    while data:
        length, space, _ = data.partition(b" ")
        if not space or not length.isdigit() or not len(length) < int(length) <= len(data):
            raise VideoError(
                f"{shard}: expected 'length key=value' in the header at byte {begin}, found "
                f"{data[:20]!r}",
                advice=_ADVICE,
            )
        key, _, value = data[len(length) + 1 : int(length)].rstrip(b"\n").partition(b"=")
        data = data[int(length) :]
        values[key.decode("ascii", "replace")] = os.fsdecode(value)
    if any(key.startswith("GNU.sparse") for key in values):
        raise VideoError(
            f"{shard}: expected whole files, found {values.get('GNU.sparse.name')} with holes left "
            "out",
            advice="pack it without --sparse",
        )
    return {key: values[key] for key in ("path", "size") if key in values}
