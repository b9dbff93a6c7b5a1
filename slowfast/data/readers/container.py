"""Checks on a file before any decoder sees it: is it a file, and is all of it there."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from slowfast.data.readers import matroska
from slowfast.data.readers.video_error import VideoError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_MP4_FIRST = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot"}
_MP4_PARTS = _MP4_FIRST | {b"uuid", b"meta", b"mfra", b"sidx", b"ssix", b"prft", b"emsg", b"udta"}
_EBML = matroska.EBML.to_bytes(4, "big")
_LOOKED_THROUGH = 64 << 20  # bytes after what is no part, for parts that a demuxer would not find
_UNSAID = (0, 0xFFFFFFFF)  # what a writer that could not go back leaves for the size
_TS_PACKET = 188  # bytes; each begins with 0x47
_AGAIN = "get it again, or leave such videos out (DATA.ON_BAD_SAMPLE)"
_CHECK = "check the list of videos and DATA.PATH_PREFIX"


@dataclass(frozen=True)
class FilePart:
    """A video that lies uncompressed inside of another file: its bytes ``begin`` to ``end``."""

    file: str
    begin: int
    end: int

    @property
    def url(self) -> str:
        """For FFmpeg, which then reads nothing outside of these bytes."""
        return f"subfile,,start,{self.begin},end,{self.end},,:file:{self.file}"


def check_file(path: str, *, part: FilePart | None = None) -> None:
    """Refuse what is not a regular, readable, whole file, or such a part of one.

    A pipe would hang in open, whatever the time limit; a file cut off by a failed download
    decodes without complaint and is short.

    Raises:
        VideoError: with what was found instead; it names ``path``.
    """
    with open_regular(part.file if part else path, name=path) as file:
        begin, stop = (part.begin, part.end) if part else (0, os.fstat(file.fileno()).st_size)
        size = stop - begin
        end = declared_end(file, size, begin=begin)
        fault = first_fault(file, size, begin=begin) if end <= size else None
    if end > size:
        raise VideoError(
            f"{path}: expected {end} bytes by its own headers, found {size} (cut off)",
            advice=_AGAIN,
        )
    if fault is not None:
        raise VideoError(f"{path}: its parts do not fit at byte {fault}", advice=_AGAIN)


@contextmanager
def open_regular(
    path: str, *, name: str = "", expected: str = "a video file"
) -> Iterator[BinaryIO]:
    """A regular file with something in it, opened to read bytes.

    Args:
        name: of the file in messages, if it is not ``path``.
        expected: what it should be, in messages.

    Raises:
        VideoError: with what was found instead.
    """
    name = name or path
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            kind = next((text for test, text in _KINDS if test(status.st_mode)), "a special file")
            raise VideoError(f"{name}: expected {expected}, found {kind}", advice=_CHECK)
        if status.st_size == 0:
            raise VideoError(f"{name}: expected {expected}, found 0 bytes", advice=_AGAIN)
        with open(path, "rb") as file:
            yield file
    except FileNotFoundError:
        raise VideoError(f"{name}: expected {expected}, found nothing", advice=_CHECK) from None
    except PermissionError:
        raise VideoError(
            f"{name}: expected a file that may be read, found no permission",
            advice="change its mode",
        ) from None
    except VideoError:
        raise
    except (OSError, ValueError) as error:  # too many links, a null byte in the name, ...
        raise VideoError(f"{name}: expected {expected}, found {error}", advice=_CHECK) from error


def declared_end(file: BinaryIO, size: int, *, begin: int = 0) -> int:
    """The size that the container says it has; ``size``, the real one, if it doesn't say.

    Only the outermost structure is read, a few bytes of each part.

    Args:
        begin: where the container begins in the file.
    """
    file.seek(begin)
    head = file.read(min(size, 2 * _TS_PACKET))
    if head[4:8] in _MP4_FIRST:
        return _mp4_end(file, size, begin)
    if head.startswith(_EBML):
        return matroska.segment_end(file, begin) or size
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        length = struct.unpack("<I", head[4:8])[0]
        return size if length in _UNSAID else 8 + length
    if head[:1] == head[_TS_PACKET : _TS_PACKET + 1] == b"G":
        return -(-size // _TS_PACKET) * _TS_PACKET
    return size


def first_fault(file: BinaryIO, size: int, *, begin: int = 0) -> int | None:
    """The byte where the parts of an MP4 or Matroska file no longer fit; None if all of them do."""
    file.seek(begin)
    if file.read(8)[4:] not in _MP4_FIRST:
        return matroska.first_fault(file, begin)
    end = _mp4_end(file, size, begin, known=True)
    file.seek(begin + end)
    rest = file.read(min(size - end, _LOOKED_THROUGH))
    return end if any(name in rest for name in (b"moof", b"moov", b"mdat")) else None


def _mp4_end(file: BinaryIO, size: int, begin: int, *, known: bool = False) -> int:
    """End of the last top-level box, at least ``size`` unless only ``known`` ones count."""
    end = 0
    while end < size:
        file.seek(begin + end)
        head = file.read(min(size - end, 16))
        if len(head) < 8:
            break  # a few bytes of padding
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:], "big")
        if head[4:8] not in _MP4_PARTS:
            break  # appended by somebody, or damage
        if length < 8:  # 0: to the end of the file
            return size
        end += length
    return end if known else max(end, size)
