"""Small videos whose frames say which one they are, so that a wrong frame can be told."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from torch import Tensor

BITS = 8
WIDTH, HEIGHT = 96, 64


def draw(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Upper half: the number in black and white bars. Lower left: bright, lower right: dark."""
    image = np.full((height, width, 3), 90, np.uint8)
    bar = width // BITS
    for bit in range(BITS):
        image[: height // 2, bit * bar : (bit + 1) * bar] = 230 if number >> bit & 1 else 25
    image[3 * height // 4 :, : width // 2] = 200
    # Something that moves, so that frames are predicted from each other.
    x = 3 * number % (width - 8)
    image[height // 2 : 5 * height // 8, x : x + 8] = (220, 40, 40)
    return image


def number_of(frame: Tensor) -> int:
    """Inverse of `draw`, for a decoded frame (H, W, 3)."""
    height, width = frame.shape[:2]
    bar = width // BITS
    middle = [
        frame[height // 8 : 3 * height // 8, b * bar + bar // 4 : (b + 1) * bar - bar // 4]
        for b in range(BITS)
    ]
    return sum(int(part.float().mean() > 127) << bit for bit, part in enumerate(middle))


def numbers_of(frames: Tensor) -> list[int]:
    return [number_of(frame) for frame in frames]


def write_video(
    path: Path,
    numbers: Sequence[int] = range(40),
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    rate: int = 30,
    codec: str = "libx264",
    ticks: Sequence[int] | None = None,
    format: str | None = None,
    audio: bool = False,
    **options: str,
) -> Path:
    """Encode frames with these numbers; ``ticks`` are their times in milliseconds."""
    if codec == "libx264":
        # Groups of twelve pictures with B-frames.
        options = {"preset": "veryfast", "crf": "18", "g": "12", "bf": "2", **options}
    with av.open(str(path), "w", format=format) as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        sound: Any = container.add_stream("aac", rate=16000) if audio else None
        for i, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(draw(number, *size), format="rgb24")
            frame.pts = i if ticks is None else ticks[i]
            frame.time_base = Fraction(1, rate) if ticks is None else Fraction(1, 1000)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 16000), np.int16), format="s16", layout="mono"
            )
            silence.sample_rate, silence.pts = 16000, 0
            container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


def turn(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a display matrix (a, b, c, d), in whole numbers, into an mp4 file."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mp4 of 40 frames at 30 per second."""
    return write_video(tmp_path_factory.mktemp("video") / "forty.mp4")


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twelve mp4 files of 30 frames; frame f of file i has number 20 i + f (of 256)."""
    folder = tmp_path_factory.mktemp("videos")
    return [
        write_video(folder / f"{i}.mp4", [(20 * i + f) % 256 for f in range(30)]) for i in range(12)
    ]


@pytest.fixture(scope="session")
def make_video() -> Callable[..., Path]:
    return write_video


@pytest.fixture(scope="session")
def turn_video() -> Callable[[Path, tuple[int, int, int, int]], Path]:
    return turn


@pytest.fixture(scope="session")
def read_numbers() -> Callable[[Tensor], list[int]]:
    """(F, H, W, 3) -> which frame each of them is."""
    return numbers_of


@pytest.fixture(scope="session")
def draw_number() -> Callable[..., np.ndarray]:
    """number, width, height -> a picture that shows it."""
    return draw
