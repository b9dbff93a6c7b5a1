"""Checks on a file before any decoder sees it: is it a file, and is all of it there."""

from __future__ import annotations

import os
import stat
import struct
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


def check_file(path: str) -> None:
    """Refuse what is not a regular, readable, whole file.

    A pipe would hang in open, whatever the time limit; a file cut off by a failed download
    decodes without complaint and is short.

    Raises:
        VideoError: with what was found instead.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            kind = next((name for test, name in _KINDS if test(status.st_mode)), "a special file")
            raise VideoError(f"{path}: expected a video file, found {kind}", advice=_CHECK)
        if status.st_size == 0:
            raise VideoError(f"{path}: expected a video file, found 0 bytes", advice=_AGAIN)
        with open(path, "rb") as file:
            end = declared_end(file, status.st_size)
    except FileNotFoundError:
        raise VideoError(f"{path}: expected a video file, found nothing", advice=_CHECK) from None
    except PermissionError:
        raise VideoError(
            f"{path}: expected a file that may be read, found no permission",
            advice="change its mode",
        ) from None
    except VideoError:
        raise
    except (OSError, ValueError) as error:  # too many links, a null byte in the name, ...
        raise VideoError(f"{path}: expected a video file, found {error}", advice=_CHECK) from error
    if end > status.st_size:
        raise VideoError(
            f"{path}: expected {end} bytes by its own headers, found {status.st_size} (cut off)",
            advice=_AGAIN,
        )


def declared_end(file: BinaryIO, size: int) -> int:
    """The size that the container says it has; ``size``, the real one, if it doesn't say.

    Only the outermost structure is read, a few bytes of each part.
    """
    head = file.read(2 * _TS_PACKET)
    if head[4:8] in _MP4_FIRST:
        return _mp4_end(file, size)
    if head.startswith(_EBML):
        return _matroska_end(head) or size
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return 8 + struct.unpack("<I", head[4:8])[0]
    if head[:1] == head[_TS_PACKET : _TS_PACKET + 1] == b"G":
        return -(-size // _TS_PACKET) * _TS_PACKET
    return size


def _mp4_end(file: BinaryIO, size: int) -> int:
    """End of the last top-level box."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(16)
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
