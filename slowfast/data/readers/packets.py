"""Which packet holds which frame, and where decoding may begin: worked out before decoding."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf
from typing import NamedTuple


class PacketInfo(NamedTuple):
    """What the container says of a packet of the video stream, in decoding order.

    Attributes:
        pts: presentation time, in units of the stream's time base.
        is_key: decoding may begin with it, by the container.
        is_shown: False: decoded but never shown (before an edit list, hidden VP8 frames).
    """

    pts: int | None
    is_key: bool
    is_shown: bool


@dataclass(frozen=True)
class FrameIndex:
    """Frames of a video in presentation order.

    Attributes:
        pts: presentation times, strictly increasing.
        packet: of each frame, its packet's number in decoding order.
        first: the packet decoding begins with.
        begin: when its frame is shown.
        sync: packets where decoding may begin afresh: nothing that comes later, in either
            order, is shown before them.
    """

    pts: list[int]
    packet: list[int]
    first: int
    begin: int
    sync: list[int]
    number: dict[int, int] = field(repr=False)  # pts -> frame

    def packet_of(self, pts: int | None) -> int | None:
        """The packet of the frame shown at ``pts``; None if no frame is."""
        frame = None if pts is None else self.number.get(pts)
        return None if frame is None else self.packet[frame]

    def start_for(self, frame: int) -> int:
        """The packet to begin with in order to decode ``frame``."""
        return self.sync[bisect_right(self.sync, self.packet[frame]) - 1]


def index_frames(packets: Sequence[PacketInfo]) -> FrameIndex | None:
    """The frames of a stream; None if its packets' times don't tell them apart.

    Frames before the first key frame are left out: they cannot be decoded.
    """
    first = next((i for i, packet in enumerate(packets) if packet.is_key), 0)
    begin = packets[first].pts if packets else None
    if begin is None:
        return None
    shown: list[tuple[int, int]] = []
    for i, packet in enumerate(packets[first:], first):
        if packet.pts is None:
            return None
        if packet.is_shown and packet.pts >= begin:
            shown.append((packet.pts, i))
    shown.sort()
    pts = [time for time, _ in shown]
    number = {time: i for i, time in enumerate(pts)}
    if len(number) < len(pts):
        return None
    sync = _clean_keys(packets, first)
    return FrameIndex(pts, [i for _, i in shown], first, begin, sync, number)


def _clean_keys(packets: Sequence[PacketInfo], first: int) -> list[int]:
    """Key packets that no later packet precedes in time: open groups of pictures are not."""
    times = [packet.pts for packet in packets[first:] if packet.pts is not None]
    later = [inf, *accumulate(reversed(times), min)][-2::-1]  # the earliest of what follows each
    clean = [first + i for i, pts in enumerate(times) if pts < later[i]]
    return [first, *(i for i in clean if i > first and packets[i].is_key)]
