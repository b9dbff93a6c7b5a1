"""Reads frames with torchcodec, by the numbers that PyAV gives them; PyAV reads what it can't."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from slowfast.data.readers.container import FilePart, check_file
from slowfast.data.readers.indices import checked_indices
from slowfast.data.readers.packets import FrameIndex, index_frames
from slowfast.data.readers.parameter_sets import keeps_its_size
from slowfast.data.readers.picture import display_turn
from slowfast.data.readers.pyav import MAX_PIXELS, PyavSource, open_video
from slowfast.data.readers.stream import VideoStream, open_container
from slowfast.data.readers.video_error import VideoError

# Both convert these to the same bytes; of deeper ones they make different edges of colours.
_FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")
_TOLERANCE = 1e-6  # seconds, of a frame's time: both compute it from the same whole number
_LEVELS = 3  # of 255 that two decoders' colours may differ by
_FAILURES = (RuntimeError, ValueError, IndexError, TypeError)  # of any version of torchcodec
_TEST_SIZE, _TEST_FRAMES = (256, 192), 6


@contextmanager
def open_torchcodec(
    path: str,
    *,
    max_pixels: int = MAX_PIXELS,
    part: FilePart | None = None,
    device: str = "cpu",
) -> Iterator[TorchcodecSource | PyavSource]:
    """Open a video file in order to read frames by number, as `open_video` does.

    Files are checked in the same way, and their frames are counted by the times of their packets.
    torchcodec decodes H.264 and HEVC of 8 bits in MP4 and Matroska; anything else is PyAV's,
    with interlaced and mirrored videos, which torchcodec shows otherwise, and those that may
    change their size on the way, as it takes no limit of size.

    Args:
        max_pixels, part: as in `open_video`.
        device: "cuda" decodes there. Frames come to the CPU.

    Raises:
        VideoError: it is no regular file, no video, not whole, or too large.
    """
    check_file(path, part=part)
    with open_container(path, max_pixels=max_pixels, part=part) as container:
        stream = VideoStream(path, container, max_pixels=max_pixels, part=part)
        source = PyavSource(stream)
        index = index_frames(stream.packets) if stream.timed else None
        video = container.streams.video[stream.number]
        decoder = None
        if index is not None and _suits(stream, video.codec_context):
            url = part.url if part else f"file:{path}"
            decoder = _decoder(url, video.index, index, device)
        yield source if decoder is None else TorchcodecSource(decoder, source)


class TorchcodecSource:
    """An open video. Made by `open_torchcodec`.

    Attributes:
        num_frames, times, fps, duration: as of a `PyavSource`.
    """

    def __init__(self, decoder: Any, pyav: PyavSource) -> None:
        self._decoder, self._pyav = decoder, pyav
        self.num_frames, self.fps = pyav.num_frames, pyav.fps
        self.times, self.duration = pyav.times, pyav.duration

    def frames(self, indices: Tensor | Sequence[int]) -> Iterator[Tensor]:
        """Frames of increasing indices one by one, uint8 (H, W, 3), as they are decoded.

        What torchcodec can't decode, or shows at another time than the file says, PyAV reads: it
        tells damage from a wrong key frame.

        Raises:
            VideoError: one of them, or one that it is predicted from, is damaged.
        """
        wanted = checked_indices(indices, self.num_frames)
        first: torch.Size | None = None
        for done, number in enumerate(wanted):
            frame = self.read(number)
            if frame is None or (first is not None and frame.shape != first):
                yield from self._pyav.frames(wanted[done:])
                return
            first = frame.shape
            yield frame

    def read(self, number: int) -> Tensor | None:
        """One frame; None if torchcodec does not have it, or another one in its place."""
        try:
            frame = self._decoder.get_frame_at(number)
        except _FAILURES:
            return None
        if abs(frame.pts_seconds - self.times[number].item()) > _TOLERANCE:
            return None
        return frame.data.cpu().contiguous()


@cache
def torchcodec_fault(device: str = "cpu") -> str:
    """Why torchcodec can't be used here, found out by decoding a small video; "" if it can."""
    try:
        from torchcodec.decoders import VideoDecoder
    except ImportError as error:
        return f"it is not installed ({error}); pip install torchcodec"
    with tempfile.TemporaryDirectory() as folder:
        path = _test_video(Path(folder) / "test.mp4")
        try:
            VideoDecoder(path, device=device)
        except _FAILURES as error:  # among others, all ways in which libraries are not there
            text = (str(error).strip() or repr(error)).splitlines()[0]
            if "libtorchcodec" in text:
                text = "the shared libraries of FFmpeg are not there, or do not fit"
            return text
        with open_video(path) as source, open_torchcodec(path, device=device) as other:
            if isinstance(other, PyavSource):
                return "it can't open a test video"
            for number, expected in zip((1, 4), source.frames([1, 4]), strict=True):
                found = other.read(number)
                if found is None or _difference(expected, found) > _LEVELS:
                    return f"frame {number} of a test video comes out wrong"
    return ""


def _suits(stream: VideoStream, codec: Any) -> bool:
    return (
        stream.indexed
        and codec.pix_fmt in _FORMATS
        # Where every packet is said to be a key frame, PyAV finds out whether it is.
        and not (len(stream.packets) > 1 and all(packet.is_key for packet in stream.packets))
        and keeps_its_size(codec.name, codec.extradata, stream.compressed())
        and _is_plain(stream)
    )


def _decoder(url: str, number: int, index: FrameIndex, device: str) -> Any:
    """A VideoDecoder; None if it can't open the file."""
    from torchcodec.decoders import VideoDecoder

    sync, pts = set(index.sync), index.pts
    after = [*pts[1:], 2 * pts[-1] - pts[-2] if len(pts) > 1 else pts[-1] + 1]
    frames = [
        {"pts": begin, "duration": end - begin, "key_frame": int(packet in sync)}
        for begin, end, packet in zip(pts, after, index.packet, strict=True)
    ]
    try:
        return VideoDecoder(
            url,
            stream_index=number,
            dimension_order="NHWC",
            num_ffmpeg_threads=1,
            device=device,
            # Our numbers instead of a scan of its own, which counts otherwise where frames are
            # hidden or come before an edit list.
            custom_frame_mappings=json.dumps({"frames": frames}),
        )
    except _FAILURES:
        return None


def _is_plain(stream: VideoStream) -> bool:
    """Whether the first frame is neither interlaced nor mirrored; turned it may be."""
    try:
        _, frame = next(stream.frames(0))
    except (VideoError, StopIteration):
        return False  # what is wrong is said when frames are read
    transpose, mirror_x, mirror_y = display_turn(frame)
    return not frame.interlaced_frame and transpose == (mirror_x != mirror_y)


def _difference(a: Tensor, b: Tensor) -> int:
    return 255 if a.shape != b.shape else int((a.int() - b.int()).abs().max())


def _test_video(path: Path) -> str:
    """A few frames of a moving gradient, noted to be turned by 90 degrees."""
    width, height = _TEST_SIZE
    rows, columns = np.mgrid[:height, :width]
    with av.open(str(path), "w") as container:
        encoder = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        stream: Any = container.add_stream(encoder, rate=30, options={"g": "3", "bf": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.set_display_rotation(90)
        for i in range(_TEST_FRAMES):
            image = np.stack([(columns + 20 * i) % 256, rows, (rows + columns) // 2], -1)
            frame = av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)
