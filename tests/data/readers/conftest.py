"""Valid files of all kinds, each a trap for some reader; every frame shows its number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from torch import Tensor

COUNT = 30  # frames of most files
X264 = {"preset": "veryfast", "crf": "16", "g": "12", "bf": "2"}
# x265 and SVT-AV1 print to the terminal, and start threads, unless they are told not to.
X265 = "log-level=none:pools=none:frame-threads=1:keyint=12"
SVT = {"preset": "12", "crf": "20", "g": "12", "svtav1-params": "lp=1"}
BURSTS = tuple(t * t + 7 * t for t in range(COUNT))
# Display matrices (a, b, c, d): turned by 90 and 180 degrees, mirrored, mirrored and turned.
QUARTER, HALF, MIRROR, TRANSPOSE = (0, 1, -1, 0), (-1, 0, 0, -1), (-1, 0, 0, 1), (0, 1, 1, 0)


@dataclass(frozen=True)
class Kind:
    """How a file is written; ``change`` then makes another of it."""

    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (96, 64)
    pix_fmt: str = "yuv420p"
    numbers: Sequence[int] = tuple(range(COUNT))
    ticks: Sequence[int] | None = None  # milliseconds
    format: str | None = None
    sound: bool = False  # a sound track, before the pictures
    writer: dict[str, str] = field(default_factory=dict)  # options of the container
    change: Callable[[Path], Path] | None = None
    shown: Sequence[int] | None = None  # numbers to be seen, if not all


def x264(**options: str) -> dict[str, str]:
    return {**X264, **{key.replace("_", "-"): value for key, value in options.items()}}


def turned(matrix: tuple[int, int, int, int]) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        data = bytearray(path.read_bytes())
        at = data.index(b"tkhd") + 44
        a, b, c, d = (value << 16 for value in matrix)
        for i, value in enumerate((a, b, 0, c, d, 0, 0, 0, 1 << 30)):
            data[at + 4 * i : at + 4 * i + 4] = value.to_bytes(4, "big", signed=True)
        path.write_bytes(data)
        return path

    return write


def remux(path: Path, edit: Callable[[Any, Any], None], **writer: str) -> Path:
    """Copy the packets into a new file of the same name, each after ``edit(packet, stream)``."""
    source = path.rename(path.with_name("before_" + path.name))
    with av.open(str(source)) as old, av.open(str(path), "w", options=writer) as new:
        copy = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = copy
                edit(packet, copy)
                new.mux(packet)
    return path


def start_at_frame_ten(path: Path) -> Path:
    """An edit list leaves out ten frames that are in the file and predicted from."""

    def shift(packet: Any, _: Any) -> None:
        ten = int(Fraction(10, 30) / packet.time_base)
        packet.pts, packet.dts = packet.pts - ten, packet.dts - ten

    return remux(path, shift, avoid_negative_ts="disabled")


def hide_key_frames(path: Path) -> Path:
    """Without its table of key frames an mp4 claims that every frame is one."""
    path.write_bytes(path.read_bytes().replace(b"stss", b"free"))
    return path


def begin_between_key_frames(path: Path) -> Path:
    """The first packets are lost, as in a recording of a broadcast."""
    source = path.rename(path.with_name("before_" + path.name))
    packets = [source.read_bytes()[at : at + 188] for at in range(0, source.stat().st_size, 188)]
    of_video = [i for i, p in enumerate(packets) if p[1] & 31 == 1 and p[2] == 0 and p[1] & 64]
    path.write_bytes(b"".join(packets[: of_video[0]] + packets[of_video[5] :]))
    return path


KINDS: dict[str, Kind] = {
    "b_frames.mp4": Kind(),
    "no_b_frames.mp4": Kind(options=x264(bf="0")),
    "pyramid.mkv": Kind(options=x264(bf="7", x264_params="b-pyramid=normal:b-adapt=0")),
    "open_gop.mp4": Kind(options=x264(x264_params="open-gop=1:scenecut=0:keyint=12:bframes=3")),
    "one_gop.mp4": Kind(options=x264(g="1000", keyint_min="1000")),
    "long_gop.mkv": Kind(options=x264(g="250"), numbers=tuple(range(120))),
    "intra.mp4": Kind(options=x264(g="1", bf="0")),
    "short_gops.mp4": Kind(options=x264(g="3")),
    "interlaced.mp4": Kind(options=x264(x264_params="interlaced=1:tff=1"), size=(96, 96)),
    "deep.mp4": Kind(pix_fmt="yuv420p10le"),
    "half_chroma.mp4": Kind(pix_fmt="yuv422p"),
    "full_chroma.mkv": Kind(pix_fmt="yuv444p", size=(97, 65)),
    "full_range.mp4": Kind(pix_fmt="yuvj420p"),
    "gray.mp4": Kind(pix_fmt="gray"),
    "bt709.mp4": Kind(options=x264(x264_params="colormatrix=bt709:colorprim=bt709")),
    "cropped.mp4": Kind(size=(106, 70)),
    "single.mp4": Kind(numbers=(7,)),
    "two_frames.mkv": Kind(numbers=(200, 3)),
    "fragmented.mp4": Kind(writer={"movflags": "frag_keyframe+empty_moov"}),
    "header_first.mp4": Kind(writer={"movflags": "faststart"}),
    "plain.mov": Kind(),
    "plain.mkv": Kind(),
    "plain.flv": Kind(),
    "stream.ts": Kind(format="mpegts"),
    "recorded.ts": Kind(
        format="mpegts", change=begin_between_key_frames, shown=tuple(range(12, COUNT))
    ),
    "h264.avi": Kind(),
    "no_container.h264": Kind(format="h264"),
    "bursts.mp4": Kind(ticks=BURSTS),
    "bursts.mkv": Kind(ticks=BURSTS),
    "late.mkv": Kind(ticks=tuple(10_000 + 40 * t for t in range(COUNT))),
    "late.mp4": Kind(ticks=tuple(10_000 + 40 * t for t in range(COUNT))),
    "edit_list.mp4": Kind(change=start_at_frame_ten, shown=tuple(range(10, COUNT))),
    "quarter_turn.mp4": Kind(change=turned(QUARTER)),
    "half_turn.mov": Kind(change=turned(HALF)),
    "mirrored.mp4": Kind(change=turned(MIRROR)),
    "transposed.mp4": Kind(change=turned(TRANSPOSE)),
    "sound_first.mp4": Kind(sound=True),
    "имя 名前 %03d #1.mp4": Kind(),
    "headers_within.mkv": Kind(options=x264(x264_params="repeat-headers=1")),
    "all_said_keys.mp4": Kind(change=hide_key_frames),
    "hevc.mp4": Kind("libx265", {"preset": "ultrafast", "x265-params": X265}),
    "hevc_open_gop.mkv": Kind(
        "libx265", {"preset": "ultrafast", "x265-params": f"{X265}:open-gop=1:bframes=3"}
    ),
    "hevc_deep.mp4": Kind(
        "libx265", {"preset": "ultrafast", "x265-params": X265}, pix_fmt="yuv420p10le"
    ),
    "vp8_hidden.webm": Kind("libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16", "b": "2M"}),
    "vp9_hidden.webm": Kind("libvpx-vp9", {"lag-in-frames": "16", "cpu-used": "8", "b": "2M"}),
    "vp9_odd_size.mkv": Kind("libvpx-vp9", {"cpu-used": "8", "b": "2M"}, size=(97, 65)),
    "av1.mp4": Kind("libsvtav1", SVT),
    "av1.webm": Kind("libsvtav1", SVT, size=(128, 80)),
    "b_frames.avi": Kind("mpeg4", {"bf": "2", "qscale": "3"}),
    "mpeg4.mp4": Kind("mpeg4", {"bf": "2", "qscale": "3"}),
    "program.mpg": Kind("mpeg2video", {"bf": "2", "qscale": "3", "g": "12"}),
    "mpeg1.mpg": Kind("mpeg1video", {"bf": "2", "qscale": "3", "g": "12"}),
    "motion_jpeg.mov": Kind("mjpeg", {"qscale": "3"}, pix_fmt="yuvj422p"),
    "lossless.mkv": Kind("ffv1", size=(97, 65), pix_fmt="bgr0"),
    "prores.mov": Kind("prores_ks", pix_fmt="yuv422p10le"),
    "windows_media.asf": Kind("wmv2", {"qscale": "3"}),
    "old_flash.flv": Kind("flv", {"qscale": "3"}),
    "pictures.gif": Kind("gif", pix_fmt="rgb8", ticks=tuple(40 * t for t in range(COUNT))),
}

# Takes the turn of displayed frames back; and whether they lie on their side.
UNDO: dict[str, tuple[Callable[[Tensor], Tensor], bool]] = {
    "quarter_turn.mp4": (lambda frames: frames.rot90(1, (1, 2)), True),
    "half_turn.mov": (lambda frames: frames.rot90(2, (1, 2)), False),
    "mirrored.mp4": (lambda frames: frames.flip(2), False),
    "transposed.mp4": (lambda frames: frames.transpose(1, 2), True),
}


def write(kind: Kind, path: Path, draw: Callable[..., np.ndarray]) -> Path:
    options = kind.options or (X264 if kind.codec == "libx264" else {})
    step = Fraction(1, 30) if kind.ticks is None else Fraction(1, 1000)
    with av.open(str(path), "w", format=kind.format, options=kind.writer) as container:
        sound: Any = container.add_stream("aac", rate=16000) if kind.sound else None
        stream: Any = container.add_stream(kind.codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = *kind.size, kind.pix_fmt
        stream.codec_context.thread_count = 1
        if kind.ticks is not None:
            stream.codec_context.time_base = step
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 16000), np.int16), format="s16", layout="mono"
            )
            silence.sample_rate, silence.pts = 16000, 0
            container.mux(sound.encode(silence))
        for i, number in enumerate(kind.numbers):
            picture = av.VideoFrame.from_ndarray(draw(number, *kind.size), format="rgb24")
            frame = picture.reformat(format=kind.pix_fmt)
            frame.pts, frame.time_base = i if kind.ticks is None else kind.ticks[i], step
            container.mux(stream.encode(frame))
        for each in (sound, stream):
            if each is not None:
                container.mux(each.encode(None))
    return kind.change(path) if kind.change else path


@dataclass(frozen=True)
class OddVideo:
    path: Path
    numbers: list[int]  # what its frames show
    size: tuple[int, int]  # width and height as displayed, pixels
    as_stored: Callable[[Tensor], Tensor]  # displayed frames (F, H, W, 3) -> as they were drawn


@pytest.fixture(scope="session")
def odd_video(tmp_path_factory: pytest.TempPathFactory, draw_number: Any) -> Any:
    """Name of a kind -> its file, written at the first call."""
    made: dict[str, OddVideo] = {}

    def get(name: str) -> OddVideo:
        if name not in made:
            kind = KINDS[name]
            path = write(kind, tmp_path_factory.mktemp("odd") / name, draw_number)
            back, on_side = UNDO.get(name, (Tensor.clone, False))
            size = kind.size[::-1] if on_side else kind.size
            made[name] = OddVideo(path, list(kind.shown or kind.numbers), size, back)
        return made[name]

    return get


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "odd_name" in metafunc.fixturenames:
        made = [name for name, kind in KINDS.items() if kind.codec in av.codecs_available]
        metafunc.parametrize("odd_name", made)
