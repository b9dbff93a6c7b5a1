"""Whether the pictures of an H.264 or HEVC stream can change their size on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

_SPS = {"h264": 7, "hevc": 33}  # type of the parameter set that gives the size (H.264, H.265 7.4)


def keeps_its_size(codec: str, extradata: bytes | None, packets: Iterable[Any]) -> bool:
    """True if no packet brings another sequence parameter set than the container's header has.

    False too for what can't be told: other codecs, and streams without such a header.

    Args:
        codec: FFmpeg's name of it.
        extradata: the header, avcC or hvcC (ISO/IEC 14496-15).
        packets: all of the stream, as PyAV gives them.
    """
    kind = _SPS.get(codec)
    if kind is None or not extradata or extradata[0] != 1:
        return False
    try:
        width, known = _avcc(extradata) if codec == "h264" else _hvcc(extradata, kind)
        for packet in packets:
            if packet.has_sidedata("new_extradata"):
                return False
            for unit in _units(memoryview(packet), width):
                found = unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63
                if found == kind and bytes(unit) not in known:
                    return False
    except IndexError:
        return False
    return bool(known)


def _units(data: memoryview, width: int) -> Iterator[memoryview]:
    """NAL units, each after its length in ``width`` bytes."""
    at = 0
    while at < len(data):
        begin = at + width
        at = begin + int.from_bytes(data[at:begin], "big")
        if not begin < at <= len(data):
            raise IndexError("a unit reaches over the end of its packet")
        yield data[begin:at]


def _avcc(extradata: bytes) -> tuple[int, set[bytes]]:
    """(bytes of a length, sequence parameter sets) of an avcC record."""
    units, _ = _sized(extradata, 6, extradata[5] & 31)
    return (extradata[4] & 3) + 1, set(units)


def _hvcc(extradata: bytes, kind: int) -> tuple[int, set[bytes]]:
    """The same of an hvcC record, which holds arrays of units by type."""
    known: set[bytes] = set()
    at = 23
    for _ in range(extradata[22]):
        found, count = extradata[at] & 63, int.from_bytes(extradata[at + 1 : at + 3], "big")
        units, at = _sized(extradata, at + 3, count)
        if found == kind:
            known.update(units)
    return (extradata[21] & 3) + 1, known


def _sized(data: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """``count`` units, each after its length in two bytes, and where they end."""
    units = []
    for _ in range(count):
        begin = at + 2
        at = begin + int.from_bytes(data[at:begin], "big")
        if not begin < at <= len(data):
            raise IndexError("a parameter set reaches over the end of the header")
        units.append(data[begin:at])
    return units, at
