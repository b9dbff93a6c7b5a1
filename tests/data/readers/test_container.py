"""Mirrors slowfast/data/readers/container.py: where a file ends by its own account."""

from __future__ import annotations

import io
import struct

import pytest

from slowfast.data.readers.container import declared_end, first_fault


def box(name: bytes, size: int, *, declared: int | None = None) -> bytes:
    return struct.pack(">I4s", size if declared is None else declared, name) + bytes(size - 8)


LARGE = struct.pack(">I4sQ", 1, b"mdat", 400) + bytes(384)  # a 64-bit size
CASES = {
    "mp4": (box(b"ftyp", 24) + box(b"moov", 100), 124),
    "mp4, 64-bit size": (box(b"ftyp", 24) + LARGE, 424),
    "mp4, last box to the end": (box(b"ftyp", 24) + box(b"mdat", 50, declared=0), 74),
    "mp4, padded": (box(b"ftyp", 24) + b"\0" * 5, 29),
    "mp4, a tag appended": (box(b"ftyp", 24) + box(b"moov", 40) + b"TAG" + b"x" * 125, 192),
    "mp4, noise appended": (box(b"ftyp", 24) + b"\x7f\xff\xff\xff\x01\x02\x03\x04 noise", 38),
    "mp4, cut": (box(b"ftyp", 24) + box(b"mdat", 50, declared=5000), 5024),
    "avi": (b"RIFF" + struct.pack("<I", 92) + b"AVI " + bytes(88), 100),
    "avi, cut": (b"RIFF" + struct.pack("<I", 992) + b"AVI " + bytes(88), 1000),
    "avi, written to a pipe": (b"RIFF" + b"\xff" * 4 + b"AVI " + bytes(88), 100),
    "matroska": (b"\x1a\x45\xdf\xa3\x81\0" + b"\x18\x53\x80\x67\x8a" + bytes(10), 21),
    "matroska, cut": (b"\x1a\x45\xdf\xa3\x81\0" + b"\x18\x53\x80\x67\x40\xff" + bytes(10), 267),
    "matroska, live": (b"\x1a\x45\xdf\xa3\x81\0" + b"\x18\x53\x80\x67\xff" + bytes(10), 21),
    "transport stream": ((b"G" + bytes(187)) * 3, 564),
    "transport stream, cut": ((b"G" + bytes(187)) * 3 + b"G", 752),
    "anything else": (b"hello", 5),
}


@pytest.mark.parametrize("name", CASES)
def test_declared_end(name: str) -> None:
    data, end = CASES[name]
    assert declared_end(io.BytesIO(data), len(data)) == end


def test_parts_that_a_demuxer_would_lose_are_noticed() -> None:
    head, fragment = box(b"ftyp", 24) + box(b"moov", 100), box(b"moof", 40) + box(b"mdat", 60)
    for data, fault in (
        (head + fragment + fragment, None),
        (head + fragment + b"TAG" + b"x" * 125, None),
        (head + fragment + bytes(90), None),
        (head + fragment + bytes(30) + fragment, 224),
        (head + box(b"mdat", 50, declared=0), None),
        (b"RIFF" + bytes(60) + fragment, None),
    ):
        assert first_fault(io.BytesIO(data), len(data)) == fault
        inside = io.BytesIO(b"another file" + data)
        assert first_fault(inside, len(data), begin=12) == fault
