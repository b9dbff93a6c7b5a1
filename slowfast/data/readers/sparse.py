"""Whether frames that no other is predicted from may be left out of decoding: proven per stream."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from slowfast.data.readers.fused_cut import stored_planes
from slowfast.data.readers.packets import FrameIndex
from slowfast.data.readers.stream import VideoStream
from slowfast.data.readers.video_error import VideoError

# What these standards mark as not referred to cannot be referred to: H.264 pictures with
# nal_ref_idc 0 (Sec. 7.4.1), B-pictures of MPEG-2 and MPEG-4 Part 2. Decoders never keep them.
_BY_STANDARD = ("h264", "mpeg4", "mpeg2video")
_TESTED = 32  # packets of a stream that are decoded both ways
_KEPT_ANSWERS = 4096  # kinds of streams a process remembers

_answers: OrderedDict[tuple[str, bytes], bool] = OrderedDict()


def may_skip(stream: VideoStream, index: FrameIndex) -> bool:
    """Whether leaving out unreferenced frames leaves all others as they are, bit for bit.

    The standard must say so, and it is tried: the first time a process meets a kind of stream (a
    codec with its settings, such as the parameter sets of H.264), the beginning is decoded with
    and without every second packet's frame. Interlaced frames count as unproven, since half of one
    may lie in the next packet.
    """
    if not _is_certain(stream):
        return False
    kind = stream.codec, stream.settings
    if kind not in _answers:
        try:
            answer = _agrees(stream, index)
        except VideoError:  # damage at the beginning says nothing of other files of its kind
            return False
        while len(_answers) >= _KEPT_ANSWERS:
            _answers.popitem(last=False)
        _answers[kind] = answer
    return _answers[kind]


def _is_certain(stream: VideoStream) -> bool:
    if stream.codec == "hevc":
        # Frames not referred to within their temporal layer may be from a higher one; with a
        # single layer, by the header of ISO/IEC 14496-15, Sec. 8.3.2.1, there is none.
        header = stream.settings
        return len(header) > 22 and header[0] == 1 and header[21] >> 3 & 7 == 1
    return stream.codec in _BY_STANDARD


def _agrees(stream: VideoStream, index: FrameIndex) -> bool:
    """Decode the first packets wholly and with every second frame wanted, and compare."""
    end = min(index.first + _TESTED, len(stream.packets))
    everything = range(index.first, end)
    full: dict[int, list[np.ndarray]] = {}
    for _, frame in stream.frames(index.first, begin=index.begin, wanted=everything):
        if frame.interlaced_frame or frame.format.components[0].bits != 8:
            return False
        if frame.pts is not None:
            full[frame.pts] = _copy(frame)
    wanted = everything[::2]
    found = set()
    for _, frame in stream.frames(index.first, begin=index.begin, wanted=wanted):
        planes = _copy(frame)
        if frame.pts not in full or not all(map(np.array_equal, planes, full[frame.pts])):
            return False
        found.add(index.packet_of(frame.pts))
    return {packet for packet in map(index.packet_of, full) if packet in wanted} <= found


def _copy(frame: Any) -> list[np.ndarray]:
    return [plane.copy() for plane in stored_planes(frame)]
