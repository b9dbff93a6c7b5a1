"""Decodes a video from beginning to end and says what it is; the work of ``check-data``."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

import torch
from torch import Tensor

from slowfast.data.content import sha256_of, size_of
from slowfast.data.picture_series import fault_in_series
from slowfast.data.readers.picture_files import is_picture, list_pictures
from slowfast.data.readers.pyav import MAX_PIXELS
from slowfast.data.readers.source import OpenSource, Source, open_source
from slowfast.data.readers.stream import open_container
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record

POINTS = 8  # frames, spread over the video, that tell what it shows


@dataclass(frozen=True)
class Facts:
    """What a video is.

    Attributes:
        fault: why it cannot be used; the rest is then worth nothing, but for ``size``.
        size: bytes.
        sha256: of its bytes.
        frames: that can be decoded.
        fps: frames per second.
        declared: seconds that its header says it has; None if it says nothing.
        width, height: pixels as displayed.
        pictures: hash of `POINTS` decoded frames: the same in a copy that was only packed anew.
        look: 64 bits for each of these frames, in hexadecimal: similar in a copy that was encoded
            anew or scaled.
        oddity: of the names of its pictures, if it is a folder of them.
    """

    fault: str = ""
    size: int = 0
    sha256: str = ""
    frames: int = 0
    fps: float = 0.0
    declared: float | None = None
    width: int = 0
    height: int = 0
    pictures: str = ""
    look: str = ""
    oddity: str = ""

    @property
    def duration(self) -> float:
        """Seconds that its frames last."""
        return self.frames / self.fps if self.fps else 0.0


def inspect(record: Record, *, open_source: OpenSource = open_source) -> Facts:
    """Decode all of it once."""
    try:
        size, sha256 = size_of(record), sha256_of(record)
    except (OSError, VideoError):
        size, sha256 = 0, ""  # what is wrong with it is for the reader to say
    try:
        with open_source(record) as source:
            shape, pictures, look = _look_through(source)
            frames, fps = source.num_frames, source.fps
        declared = None if record.frames else _declared_duration(record.path)
        folder = not record.frames and os.path.isdir(record.path)
        oddity = fault_in_series(list_pictures(record.path)) if folder else ""
    except VideoError as error:
        return Facts(error.fault, size=size, sha256=sha256)
    return Facts(
        size=size,
        sha256=sha256,
        frames=frames,
        fps=fps,
        declared=declared,
        width=shape[1],
        height=shape[0],
        pictures=pictures,
        look=look,
        oddity=oddity,
    )


def _look_through(source: Source) -> tuple[tuple[int, int], str, str]:
    """((height, width), hash of some frames, how they look)."""
    count = source.num_frames
    points = {i * (count - 1) // (POINTS - 1) for i in range(POINTS)}
    digest, looks, shape = hashlib.sha256(), [], (0, 0)
    for number, frame in enumerate(source.frames(range(count))):
        if number in points:
            shape = frame.shape[0], frame.shape[1]
            digest.update(frame.contiguous().numpy().tobytes())
            looks.append(brightness_steps(frame))
    return shape, digest.hexdigest(), "".join(f"{bits:016x}" for bits in looks)


def brightness_steps(frame: Tensor) -> int:
    """64 bits of a frame (H, W, 3): of 8 x 9 tiles, which are brighter than their left neighbour.

    Scaling and compression change few of them. 0: a frame without anything on it.
    """
    grey = frame.float().mean(2)[None, None]
    tiles = torch.nn.functional.adaptive_avg_pool2d(grey, (8, 9))[0, 0]
    # A step of less than one level is noise, and would be different in a copy.
    brighter = (tiles[:, 1:] - tiles[:, :-1] > 1).flatten().tolist()
    return sum(1 << place for place, bit in enumerate(brighter) if bit)


def _declared_duration(path: str) -> float | None:
    """By the header of the video stream, else of the file."""
    if not os.path.isfile(path) or is_picture(path):
        return None
    with open_container(path, max_pixels=MAX_PIXELS) as container:
        stream = next(iter(container.streams.video))
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        begin = max(container.start_time or 0, 0)
        return (container.duration - begin) / 1e6 if container.duration else None
