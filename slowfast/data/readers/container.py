"""Checks on a file before any decoder sees it: is it a file, and is all of it there."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from slowfast.data.readers.video_error import VideoError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_MP4_FIRST = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot"}
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
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
    if end > size:
        raise VideoError(
            f"{path}: expected {end} bytes by its own headers, found {size} (cut off)",
            advice=_AGAIN,
        )


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
        return _matroska_end(head) or size
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return 8 + struct.unpack("<I", head[4:8])[0]
    if head[:1] == head[_TS_PACKET : _TS_PACKET + 1] == b"G":
        return -(-size // _TS_PACKET) * _TS_PACKET
    return size


def _mp4_end(file: BinaryIO, size: int, begin: int) -> int:
    """End of the last top-level box."""
    end = 0
    while end < size:
        file.seek(begin + end)
        head = file.read(min(size - end, 16))
        if len(head) < 8:
            break  # a few bytes of padding
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:], "big")
        if length < 8:  # 0: to the end of the file; anything else is no box
            break
        end += length
    return max(end, size)


def _matroska_end(head: bytes) -> int | None:
    """End of the first segment; None if it was written live and does not say."""
    header, start = _vint(head, len(_EBML))
    if header is None or head[start + header : start + header + 4] != _SEGMENT:
        return None
    length, start = _vint(head, start + header + len(_SEGMENT))
    return None if length is None else start + length


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """An EBML variable-length number and where it ends; None for "unknown"."""
    if at >= len(data) or data[at] == 0:
        return None, at
    width = 9 - data[at].bit_length()
    raw = int.from_bytes(data[at : at + width], "big")
    value = raw & ((1 << 7 * width) - 1)
    unknown = value == (1 << 7 * width) - 1
    return (None if unknown else value), at + width
