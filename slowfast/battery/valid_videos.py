"""Writes valid videos of every odd kind, whose frames say which one they are."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

BITS = 10  # of a frame's number
_CLEAR = 30  # levels that a bar must be away from grey


def draw(number: int, *, width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """Upper half: the number as bars, dark for 0 and bright for 1. Below: noise that moves."""
    random = np.random.default_rng([seed, number])
    shade = (np.arange(width) * 3 + 5 * number) % 200 + 20
    image = np.repeat(shade[None, :, None], height, 0).repeat(3, 2).astype(np.int16)
    image += random.integers(-5, 6, image.shape, dtype=np.int16)
    bar = width // BITS
    for bit in range(BITS):
        image[: height // 2, bit * bar : (bit + 1) * bar] = 225 if number >> bit & 1 else 30
    return image.clip(0, 255).astype(np.uint8)


def number_of(frame: Any) -> int | None:
    """Inverse of `draw` for an RGB frame (H, W, 3); None if the bars cannot be told."""
    image = np.asarray(frame, dtype=np.float32)
    height, width = image.shape[:2]
    bar, number = width // BITS, 0
    for bit in range(BITS):
        left = bit * bar + bar // 4
        middle = image[height // 8 : max(3 * height // 8, height // 8 + 1), left : left + bar // 2]
        level = float(middle.mean()) - 127.5
        if abs(level) < _CLEAR:
            return None
        number |= int(level > 0) << bit
    return number


@dataclass(frozen=True)
class Kind:
    """How a file is written.

    Attributes:
        frames: how many.
        size: width and height, pixels.
        times: of the frames, milliseconds; empty: at a constant rate.
        options: of the encoder; ``muxing``: of the container.
        live: written to where nothing can be gone back to.
        edit: changes the finished bytes.
        turned: frames are displayed upside down.
    """

    codec: str = "libx264"
    frames: int = 40
    size: tuple[int, int] = (160, 96)
    rate: Fraction = Fraction(30)
    pixels: str = "yuv420p"
    times: Sequence[int] = ()
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    muxing: dict[str, str] = field(default_factory=dict)
    sound: bool = False
    live: bool = False
    aspect: Fraction | None = None
    edit: Callable[[bytearray], None] | None = None
    turned: bool = False


_B = {"g": "12", "bf": "3"}
_BURSTS = [t * t + 7 * t + (3000 if t > 20 else 0) for t in range(40)]


def _half_turn(data: bytearray) -> None:
    at = data.index(b"tkhd") + 44  # the matrix of ISO/IEC 14496-12, Sec. 8.3.2, version 0
    data[at : at + 36] = struct.pack(">9i", -1 << 16, 0, 0, 0, -1 << 16, 0, 0, 0, 1 << 30)


def _no_key_table(data: bytearray) -> None:
    at = data.index(b"stss")
    data[at : at + 4] = b"free"


def _appended(data: bytearray) -> None:
    data += b"TAG" + bytes(range(1, 126))


_VP9: dict[str, Any] = {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}
_X265: dict[str, Any] = {
    "codec": "libx265",
    "options": {"preset": "ultrafast", "x265-params": "log-level=none"},
}
_AV1: dict[str, Any] = {"codec": "libsvtav1", "options": {"preset": "12"}}
KINDS: dict[str, Kind] = {
    "plain.mp4": Kind(sound=True),
    "b_frames.mp4": Kind(options={**_B, "b-pyramid": "normal"}),
    "many_references.mp4": Kind(options={"g": "40", "bf": "8", "refs": "6"}),
    "open_gop.mp4": Kind(options={"x264-params": "open-gop=1:scenecut=0:keyint=12:bframes=3"}),
    "one_gop.mp4": Kind(frames=300, options={"g": "100000", "sc_threshold": "0"}),
    "index_first.mp4": Kind(muxing={"movflags": "+faststart"}),
    "fragments.mp4": Kind(options=_B, muxing={"movflags": "+frag_keyframe+empty_moov"}),
    "no_key_table.mp4": Kind(options=_B, edit=_no_key_table),
    "appended.mp4": Kind(edit=_appended),
    "turned.mp4": Kind(edit=_half_turn, turned=True),
    "plain.mov": Kind(options=_B),
    "plain.mkv": Kind(options=_B),
    "live.mkv": Kind(options=_B, format="matroska", live=True),
    "late.mkv": Kind(times=[10_000 + 40 * t for t in range(40)]),
    "plain.ts": Kind(options=_B, sound=True),
    "plain.flv": Kind(),
    "h264.avi": Kind(options=_B),
    "no_times.h264": Kind(options=_B, format="h264"),
    "bursts.mp4": Kind(times=_BURSTS, options=_B),
    "bursts.mkv": Kind(times=_BURSTS, options=_B),
    "ntsc.mp4": Kind(rate=Fraction(30000, 1001)),
    "one_a_second.mp4": Kind(rate=Fraction(1), frames=12),
    "fast.mp4": Kind(rate=Fraction(240)),
    "one_frame.mp4": Kind(frames=1),
    "two_frames.mp4": Kind(frames=2),
    "wide.mp4": Kind(size=(1600, 16)),
    "tall.mp4": Kind(size=(80, 1200)),
    "long_pixels.mp4": Kind(aspect=Fraction(2, 1)),
    "ten_bits.mp4": Kind(pixels="yuv420p10le"),
    "gray.mp4": Kind(pixels="gray"),
    "full_colour.mp4": Kind(pixels="yuv444p"),
    "full_range.mp4": Kind(pixels="yuvj420p"),
    "interlaced.mp4": Kind(options={"x264-params": "tff=1:interlaced=1"}),
    "hevc.mp4": Kind(**_X265),
    "hevc.mkv": Kind(**_X265, pixels="yuv420p10le"),
    "vp8_hidden.webm": Kind("libvpx", options={"auto-alt-ref": "1", "lag-in-frames": "16"}),
    "vp9.webm": Kind(**_VP9),
    "odd_size.webm": Kind(**_VP9, size=(161, 121)),
    "alpha.webm": Kind(**_VP9, pixels="yuva420p"),
    "av1.mp4": Kind(**_AV1),
    "av1.mkv": Kind(**_AV1),
    "mpeg4.avi": Kind("mpeg4", options={"qscale": "3", "g": "12", "bf": "2"}),
    "piped.avi": Kind("mpeg4", options={"qscale": "3"}, format="avi", live=True),
    "mpeg4.mp4": Kind("mpeg4", options={"qscale": "3"}),
    "mpeg2.mpg": Kind("mpeg2video", options={"qscale": "3", "g": "12", "bf": "2"}),
    "mpeg2.ts": Kind("mpeg2video", options={"qscale": "3", "g": "12", "bf": "2"}),
    "pictures.avi": Kind("mjpeg", pixels="yuvj420p"),
    "pictures.mov": Kind("png", pixels="rgb24"),
    "lossless.mkv": Kind("ffv1", pixels="yuv444p", size=(97, 61)),
    "windows.wmv": Kind("wmv2", format="asf", options={"qscale": "3"}),
    "wrong_name.avi": Kind(format="mp4"),
    "no_name": Kind(format="matroska"),
    "größe 视频, 1:2.mp4": Kind(),
}  # fmt: skip


@dataclass(frozen=True)
class Valid:
    """A file that must be read right."""

    path: Path
    frames: int
    size: tuple[int, int]
    turned: bool


def write_valid(folder: Path, *, seed: int, names: Sequence[str] = ()) -> Iterator[Valid]:
    """Write the files of `KINDS`, or those named; kinds whose encoder is missing are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or KINDS:
        kind = KINDS[name]
        if kind.codec not in av.codec.codecs_available:
            continue
        write_kind(folder / name, kind, seed=seed)
        yield Valid(folder / name, kind.frames, kind.size, kind.turned)


def write_kind(path: Path, kind: Kind, *, seed: int) -> None:
    """Write one file; the same seed makes the same pictures."""
    os.environ.setdefault("SVT_LOG", "0")  # else AV1 writes pages to the console
    target: Any = _Pipe() if kind.live else str(path)
    options = {"fflags": "+bitexact", **kind.muxing}
    encoding = {"threads": "1", **kind.options}
    if kind.codec == "libx264":
        encoding = {"preset": "veryfast", "crf": "20", **encoding}
    with av.open(target, "w", format=kind.format, options=options) as container:
        stream: Any = container.add_stream(kind.codec, rate=kind.rate, options=encoding)
        stream.width, stream.height, stream.pix_fmt = *kind.size, kind.pixels
        unit = Fraction(1, 1000) if kind.times else 1 / kind.rate
        stream.codec_context.time_base = unit
        if kind.aspect:
            stream.codec_context.sample_aspect_ratio = kind.aspect
        sound: Any = container.add_stream("aac", rate=16000) if kind.sound else None
        for i in range(kind.frames):
            image = draw(i, width=kind.size[0], height=kind.size[1], seed=seed)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=kind.pixels)
            frame.pts, frame.time_base = (kind.times[i] if kind.times else i), unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            silence = np.zeros((1, 16000), np.int16)
            piece = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
            piece.sample_rate, piece.pts = 16000, 0
            container.mux(sound.encode(piece))
            container.mux(sound.encode(None))
    data = bytearray(target.data if kind.live else path.read_bytes())
    if kind.edit is not None:
        kind.edit(data)
    path.write_bytes(data)


class _Pipe(io.RawIOBase):
    """Takes bytes as a pipe does: what is written is gone."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, piece: Any) -> int:
        self.data += piece
        return len(piece)
