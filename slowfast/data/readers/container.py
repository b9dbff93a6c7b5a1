"""Checks on a file before any decoder sees it: is it a file, and is all of it there."""

from __future__ import annotations

import os
import stat
import struct
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
_UNSAID = (0, 0xFFFFFFFF)  # what a writer that could not go back leaves for the size
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
            file.seek(0)
            fault = matroska.first_fault(file) if end <= status.st_size else None
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
    if fault is not None:
        raise VideoError(f"{path}: its parts do not fit at byte {fault}", advice=_AGAIN)


def declared_end(file: BinaryIO, size: int) -> int:
    """The size that the container says it has; ``size``, the real one, if it doesn't say.

    Only the outermost structure is read, a few bytes of each part.
    """
    head = file.read(2 * _TS_PACKET)
    if head[4:8] in _MP4_FIRST:
        return _mp4_end(file, size)
    if head.startswith(_EBML):
        return matroska.segment_end(file) or size
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        length = struct.unpack("<I", head[4:8])[0]
        return size if length in _UNSAID else 8 + length
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
        if length < 8 or head[4:8] not in _MP4_PARTS:
            break  # 0: to the end of the file; anything else was appended by somebody
        end += length
    return max(end, size)
