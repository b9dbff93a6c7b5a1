"""Whether a Matroska or WebM file is of one piece: its elements must fill each other exactly.

A demuxer that meets damage looks for the next place that makes sense and goes on. What lay between
is lost without a word, so the walk is made here, over the headers alone.
"""

from __future__ import annotations

from typing import BinaryIO

EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
# IDs of RFC 9559, Sec. 5.1, by where they may be; Void and CRC-32 may be anywhere.
_ANYWHERE = {0xEC, 0xBF}
_IN_SEGMENT = _ANYWHERE | {
    *(0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, CLUSTER),  # seek head, info, tracks, cues
    *(0x1254C367, 0x1043A770, 0x1941A469),  # tags, chapters, attachments
}
_IN_CLUSTER = _ANYWHERE | {0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0x5854, 0xAF}
_HEADER = 12  # bytes of the longest one: four of ID, eight of size


def segment_end(file: BinaryIO, begin: int = 0) -> int | None:
    """Where the first segment ends; None if it was written live and does not say.

    Args:
        begin: where in ``file`` the video begins; what is returned is counted from there.
    """
    segment = _segment(file, begin)
    return segment and segment[1] - begin


def first_fault(file: BinaryIO, begin: int = 0) -> int | None:
    """The byte where the elements of the first segment no longer fit; None if they all do.

    Files written live, whose parts do not say how long they are, are not judged.

    Args:
        begin: as of `segment_end`.
    """
    segment = _segment(file, begin)
    if segment is None:
        return None
    fault = _fault_in_segment(file, *segment)
    return None if fault is None else fault - begin


def _fault_in_segment(file: BinaryIO, at: int, end: int) -> int | None:
    while at < end:
        element = _element(file, at)
        if element is None or element[0] not in _IN_SEGMENT:
            return at
        if element[2] is None:
            return None
        if element[2] > end:
            return at
        if element[0] == CLUSTER:
            fault = _fault_in_cluster(file, element[1], element[2])
            if fault is not None:
                return fault
        at = element[2]
    return None


def _segment(file: BinaryIO, begin: int) -> tuple[int, int] | None:
    """Where the content of the first segment begins and ends."""
    header = _element(file, begin)
    if header is None or header[0] != EBML or header[2] is None:
        return None
    segment = _element(file, header[2])
    if segment is None or segment[0] != SEGMENT or segment[2] is None:
        return None
    return segment[1], segment[2]


def _fault_in_cluster(file: BinaryIO, at: int, end: int) -> int | None:
    while at < end:
        element = _element(file, at)
        if element is None or element[0] not in _IN_CLUSTER:
            return at
        if element[2] is None or element[2] > end:
            return at
        at = element[2]
    return None


def _element(file: BinaryIO, at: int) -> tuple[int, int, int | None] | None:
    """(ID, where its content begins, where it ends or None for "unknown"); None: it is none."""
    file.seek(at)
    head = file.read(_HEADER)
    if not head or not head[0]:
        return None
    id_length = 9 - head[0].bit_length()
    if id_length > 4 or len(head) <= id_length or not head[id_length]:
        return None
    length = 9 - head[id_length].bit_length()
    begin = id_length + length
    if len(head) < begin:
        return None
    most = (1 << 7 * length) - 1
    size = int.from_bytes(head[id_length:begin], "big") & most
    stop = None if size == most else at + begin + size
    return int.from_bytes(head[:id_length], "big"), at + begin, stop
