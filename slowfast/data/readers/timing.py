"""Whether the times of a stream's packets can be true: damage there shortens videos in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

_SLACK = 10.0  # seconds that a frame may wait for its turn, on top of the stream's length
_SHORT = 0.1  # seconds that may be missing at the end


class PacketTime(NamedTuple):
    """Times of a packet in units of the stream's time base; None: not said."""

    pts: int | None
    dts: int | None
    duration: int


def declared_seconds(tags: Mapping[str, str]) -> float | None:
    """What Matroska's tags say of a stream's length: ``DURATION`` is ``00:00:10.500000000``."""
    hours, _, rest = tags.get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def fault_in_times(
    packets: Sequence[PacketTime], time_base: float, *, declared: float | None
) -> str:
    """What is wrong with the times of a stream; nothing if they can be true.

    Args:
        declared: where the stream ends by its own account, seconds from the file's beginning.
    """
    known = [(p.pts, p.dts) for p in packets if p.pts is not None and p.dts is not None]
    if known:
        span = (max(dts for _, dts in known) - min(dts for _, dts in known)) * time_base
        wait = max(pts - dts for pts, dts in known) * time_base
        # Frames are sent a few frames before they are shown, never a video's length before.
        if wait > span + _SLACK:
            return f"a frame would be shown {wait:.0f} s after it was sent: its times are damaged"
    shown = sorted(p.pts for p in packets if p.pts is not None)
    if declared is None or len(shown) < 2:
        return ""
    end = max(p.pts + p.duration for p in packets if p.pts is not None) * time_base
    gap = max(b - a for a, b in pairwise(shown)) * time_base
    if declared - end > max(_SHORT, 2 * gap):
        return f"expected {declared:.2f} s of video by its own tags, found {end:.2f} s"
    return ""
