"""Reads frames of a video file with PyAV: exactly those asked for, each decoded once."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from slowfast.data.readers.container import FilePart, check_file
from slowfast.data.readers.indices import checked_indices
from slowfast.data.readers.packets import FrameIndex, index_frames
from slowfast.data.readers.picture import Converter, DecodedPicture, colour_fault
from slowfast.data.readers.sparse import may_skip
from slowfast.data.readers.stream import VideoStream, open_container
from slowfast.data.readers.video_error import VideoError

MAX_PIXELS = 33554432  # 8K
_KEPT_BYTES = 64 << 20  # decoded frames kept of a stream that has to be counted
_FALLBACK_RATE = 25.0  # frames per second of a stream that says nothing of time
_RATE_TOLERANCE = 0.02  # of the header's frame rate, before it counts as wrong


@contextmanager
def open_video(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, part: FilePart | None = None
) -> Iterator[PyavSource]:
    """Open a video file in order to read frames by number.

    The first video stream that is not a cover picture is read, turned as it is displayed.

    Args:
        max_pixels: larger frames are refused before memory is taken for them.
        part: where in which file the video is; ``path`` only names it then.

    Raises:
        VideoError: it is no regular file, no video, not whole, or too large.
    """
    path = os.fspath(path)
    check_file(path, part=part)
    with open_container(path, max_pixels=max_pixels, part=part) as container:
        yield PyavSource(VideoStream(path, container, max_pixels=max_pixels, part=part))


class PyavSource:
    """An open video; frame ``i`` is the i-th in order of presentation. Made by `open_video`.

    Attributes:
        num_frames: frames that can be read.
        times: their presentation times in seconds, float64, increasing.
        fps: mean frame rate.
        duration: seconds from the first frame to the end of the last one.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream, self._convert = stream, Converter()
        self._stored: tuple[int, int, str] | None = None  # height, width, format of decoded frames
        self._decoded: list[Any] = []
        self._index = index_frames(stream.packets) if stream.timed else None
        if self._index is not None:
            seconds = [pts * stream.time_base for pts in self._index.pts]
        else:
            seconds = self._decoded_times()
        if not seconds:
            raise stream.error("expected frames, found none")
        self.num_frames = len(seconds)
        self.times = torch.tensor(seconds, dtype=torch.float64)
        self.fps = frame_rate(seconds, stream.rate)
        self.duration = seconds[-1] - seconds[0] + 1 / self.fps

    @property
    def height(self) -> int:
        """Of a frame as displayed, pixels; decodes the first frame."""
        return next(self.frames([0])).shape[0]

    @property
    def width(self) -> int:
        """Of a frame as displayed, pixels; decodes the first frame."""
        return next(self.frames([0])).shape[1]

    def group_of(self, frame: int) -> int:
        """The frame that decoding of ``frame`` begins with."""
        if self._index is None:
            return 0
        return self._index.packet.index(self._index.start_for(frame))

    def read(self, indices: Tensor | Sequence[int]) -> Tensor:
        """Frames of increasing indices, uint8 (F, H, W, 3) in RGB.

        Raises:
            VideoError: one of them, or one that it is predicted from, is damaged.
        """
        wanted = checked_indices(indices, self.num_frames)
        out = torch.empty(0, dtype=torch.uint8)
        for i, frame in enumerate(self.frames(wanted)):
            if i == 0:
                out = out.new_empty((len(wanted), *frame.shape))
            out[i] = frame
        return out

    def frames(self, indices: Tensor | Sequence[int]) -> Iterator[Tensor]:
        """Frames of increasing indices one by one, uint8 (H, W, 3), as they are decoded.

        A caller that scales or crops each of them never holds them all at full size. Only these
        frames are converted, and decoding ends with the last one.

        Raises:
            VideoError: one of them, or one that it is predicted from, is damaged.
        """
        for picture in self.pictures(indices):
            yield picture.rgb()

    def pictures(self, indices: Tensor | Sequence[int]) -> Iterator[DecodedPicture]:
        """The same frames, not yet converted: a caller that needs a part converts no more."""
        wanted = checked_indices(indices, self.num_frames)
        for frame in self._decode(wanted):
            fault = colour_fault(frame)
            if fault:
                raise self._stream.error(fault, advice="convert it to H.264 and yuv420p")
            yield DecodedPicture(frame, self._convert)

    def _decode(self, wanted: list[int]) -> Iterator[Any]:
        if self._index is None:
            yield from self._decode_counting(wanted)
            return
        left = deque(wanted)
        sparse = len(wanted) < self.num_frames and may_skip(self._stream, self._index)
        # What goes wrong on a short cut, such as a key frame that was none, may be right on the
        # long way: what is left is decoded wholly, and then from the beginning.
        for skip in (True, False) if sparse else (False,):
            try:
                while left:
                    first = self._index.first
                    if self._stream.indexed:
                        first = self._index.start_for(left[0])
                    yield from self._decode_from(first, left, self._index, skip=skip)
                return
            except VideoError:
                if not skip and not self._stream.indexed:
                    raise
        yield from self._decode_from(self._index.first, left, self._index, to_end=True)

    def _decode_from(
        self,
        first: int,
        left: deque[int],
        index: FrameIndex,
        *,
        skip: bool = False,
        to_end: bool = False,
    ) -> Iterator[Any]:
        """Decode from packet ``first`` on and take the frames in ``left`` off it.

        Ends early when the next one is better reached from a later key frame.

        Args:
            skip: leave out frames that are neither wanted nor referred to.
            to_end: key frames cannot be trusted: take all frames on this way.
        """
        fresh = first != index.first
        wanted = {index.packet[number] for number in left} if skip else ()
        for used, frame in self._stream.frames(first, begin=index.begin, wanted=wanted):
            self._check_shape(frame)
            if skip and frame.interlaced_frame:
                raise self._stream.error("half of a frame may be in another packet")
            if fresh and not (frame.key_frame and index.packet_of(frame.pts) == first):
                raise self._stream.error(f"packet {first} is no key frame")
            fresh = False
            number = index.number.get(frame.pts)
            if number is None or number < left[0]:
                continue
            if number > left[0]:
                break
            left.popleft()
            yield frame
            if not left:
                return
            if self._stream.indexed and not to_end and index.start_for(left[0]) > used:
                return
        raise self._stream.error(f"expected frame {left[0]} of {self.num_frames}, found none")

    def _decode_counting(self, wanted: list[int]) -> Iterator[Any]:
        """Without time stamps, a frame's number is its place in the decoder's output."""
        if self._decoded:
            yield from (self._decoded[i] for i in wanted)
            return
        left = set(wanted)
        for number, (_, frame) in enumerate(self._stream.frames(0)):
            self._check_shape(frame)
            if number in left:
                yield frame
            if number == wanted[-1]:
                return

    def _decoded_times(self) -> list[float]:
        """Times of a stream whose packets have none: its frames are decoded to be counted.

        They are kept if there is room, so that they are not decoded again.
        """
        stamps, size = [], 0
        for _, frame in self._stream.frames(0):
            self._check_shape(frame)
            stamps.append(frame.pts)
            size += sum(plane.buffer_size for plane in frame.planes)
            if size <= _KEPT_BYTES:
                self._decoded.append(frame)
        if size > _KEPT_BYTES:
            self._decoded.clear()
        if None in stamps or len(set(stamps)) < len(stamps):
            return [i / (self._stream.rate or _FALLBACK_RATE) for i in range(len(stamps))]
        return [stamp * self._stream.time_base for stamp in sorted(stamps)]

    def _check_shape(self, frame: Any) -> None:
        # "yuvj" is only another name for planes of full range.
        shape = frame.height, frame.width, frame.format.name.replace("yuvj", "yuv")
        if self._stored is None:
            self._stored = shape
        if shape != self._stored:
            height, width, kind = self._stored
            raise self._stream.error(
                f"expected frames of one size and kind, found {width}x{height} {kind} and "
                f"{shape[1]}x{shape[0]} {shape[2]}"
            )


def frame_rate(seconds: Sequence[float], header: float | None) -> float:
    """Mean frame rate: the header's if the time stamps agree, else theirs.

    The header's is exact where time stamps are rounded (Matroska: to milliseconds).
    """
    span = seconds[-1] - seconds[0]
    if len(seconds) < 2 or span <= 0:
        return header or _FALLBACK_RATE
    measured = (len(seconds) - 1) / span
    if header is not None and abs(header / measured - 1) <= _RATE_TOLERANCE:
        return header
    return measured
