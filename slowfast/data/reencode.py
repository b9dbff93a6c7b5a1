"""Writes copies of videos that decode fast: small H.264 with short groups of pictures, or JPEGs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from slowfast.data.content import sha256_of, size_of
from slowfast.data.readers.source import Source, open_source
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record

POINTS = 8  # frames of which original and copy are compared
_EVEN_RATE = 0.25  # of a frame's time that a frame of a constant rate may come early or late
_TICKS = 90000  # a second, for frames that do not come at a constant rate


@dataclass(frozen=True)
class Encoding:
    """How copies are written.

    Attributes:
        short_side: pixels; smaller videos keep their size.
        gop: frames from one key frame to the next, at most.
        crf: quality of x264, 0 (exact) to 51.
        preset: of x264: what is slower is smaller.
        pictures: a folder of JPEG files instead of a video.
        jpeg_quality: 1 to 95.
        least_psnr: dB between original and copy below which the copy is a failure.
    """

    short_side: int = 256
    gop: int = 32
    crf: int = 20
    preset: str = "fast"
    pictures: bool = False
    jpeg_quality: int = 90
    least_psnr: float = 25.0


@dataclass(frozen=True)
class Copy:
    """What was written; ``psnr`` (dB) is that of the worst of the compared frames."""

    frames: int
    fps: float
    width: int
    height: int
    size: int
    sha256: str
    psnr: float


def write_copy(record: Record, target: Path, encoding: Encoding) -> Copy:
    """Write a video's copy to ``target``, which is there only if it was written whole and checked.

    Frames are as many and as long as in the original, turned as it is displayed; sound is left out.

    Raises:
        VideoError: the original cannot be read, or the copy is not like it.
        OSError: ``target`` cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")  # of a run that was killed: written anew
    try:
        with open_source(record) as source:
            points = {i * (source.num_frames - 1) // (POINTS - 1) for i in range(POINTS)}
            frames = _Scaled(source, encoding.short_side, points)
            (_write_pictures if encoding.pictures else _write_video)(part, frames, encoding)
            fps = source.fps
        psnr = _compare(record, part, frames, encoding)
        written = Record(str(part))
        copy = Copy(
            frames.count,
            fps,
            frames.width,
            frames.height,
            size_of(written),
            sha256_of(written),
            round(psnr, 2),
        )
        _put_in_place(part, target)
    finally:
        _remove(part)
    return copy


class _Scaled:
    """The frames of a source, scaled, as PyAV frames; those at ``points`` are kept to compare."""

    def __init__(self, source: Source, short_side: int, points: set[int]) -> None:
        self.source, self.short_side, self.points = source, short_side, points
        self.kept: dict[int, Tensor] = {}
        self.count = self.width = self.height = 0

    def __iter__(self) -> Iterator[Any]:
        for number, frame in enumerate(self.source.frames(range(self.source.num_frames))):
            if number == 0:
                self.height, self.width = copy_size(frame.shape[0], frame.shape[1], self.short_side)
            picture = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame.numpy()), format="rgb24"
            )
            if frame.shape[:2] != (self.height, self.width):
                picture = picture.reformat(self.width, self.height, interpolation="AREA")
            if number in self.points:
                self.kept[number] = torch.from_numpy(picture.to_ndarray(format="rgb24"))
            self.count += 1
            yield picture


def copy_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Height and width of a copy: never larger than the original, and even as H.264 needs them."""
    scale = min(1.0, short_side / min(height, width))
    return max(2, 2 * round(height * scale / 2)), max(2, 2 * round(width * scale / 2))


def frame_times(source: Source) -> tuple[list[int], Fraction]:
    """(time of each frame in units, the unit in seconds), from 0 on."""
    rate = Fraction(source.fps).limit_denominator(1001)
    times = getattr(source, "times", None)
    if times is None:
        return list(range(source.num_frames)), 1 / rate
    seconds = [time - float(times[0]) for time in times.tolist()]
    if all(abs(time * rate - i) <= _EVEN_RATE for i, time in enumerate(seconds)):
        return list(range(len(seconds))), 1 / rate
    ticks: list[int] = []
    for time in seconds:
        ticks.append(max(round(time * _TICKS), ticks[-1] + 1 if ticks else 0))
    return ticks, Fraction(1, _TICKS)


def _write_video(part: Path, frames: _Scaled, encoding: Encoding) -> None:
    ticks, unit = frame_times(frames.source)
    options = {
        "crf": str(encoding.crf),
        "g": str(encoding.gop),
        "preset": encoding.preset,
        "tune": "fastdecode",
        # The same bytes each time: x264's macroblock tree differs between runs with AVX-512.
        "x264-params": "mbtree=0",
        "threads": "1",
    }
    flags = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(part), "w", format="mp4", options=flags) as container:
        stream: Any = None
        for number, frame in enumerate(frames):
            if stream is None:
                rate = Fraction(frames.source.fps).limit_denominator(1001)
                stream = container.add_stream("libx264", rate=rate, options=options)
                stream.width, stream.height = frames.width, frames.height
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = unit
            frame.pts, frame.time_base = ticks[number], unit
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))


def _write_pictures(part: Path, frames: _Scaled, encoding: Encoding) -> None:
    _remove(part)
    part.mkdir()
    for number, frame in enumerate(frames, start=1):
        image = Image.fromarray(frame.to_ndarray(format="rgb24"))
        image.save(part / f"{number:06d}.jpg", quality=encoding.jpeg_quality, subsampling=0)


def _compare(record: Record, part: Path, frames: _Scaled, encoding: Encoding) -> float:
    """PSNR of the worst of the kept frames, in dB.

    Raises:
        VideoError: the copy has other frames.
    """
    worst = float("inf")
    with open_source(Record(str(part))) as copy:
        if copy.num_frames != frames.count:
            raise VideoError(
                f"{record.path}: its copy has {copy.num_frames} frames instead of {frames.count}"
            )
        for number, frame in enumerate(copy.frames(range(copy.num_frames))):
            if number in frames.kept:
                error = (frame.float() - frames.kept[number].float()).square().mean().item()
                worst = min(worst, 10 * np.log10(255**2 / max(error, 1e-2)))
    if worst < encoding.least_psnr:
        raise VideoError(
            f"{record.path}: its copy differs by {worst:.1f} dB, less than the least of "
            f"{encoding.least_psnr:g}",
            advice="lower --crf or --least-psnr",
        )
    return float(worst)


def _put_in_place(part: Path, target: Path) -> None:
    _remove(target)
    if part.is_file():
        with part.open("rb+") as file:
            os.fsync(file.fileno())
    os.replace(part, target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            path.unlink()
