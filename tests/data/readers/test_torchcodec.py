"""Mirrors slowfast/data/readers/{torchcodec,parameter_sets}.py; frames are in test_same_frames."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from torch import Tensor

from slowfast.data.readers import torchcodec
from slowfast.data.readers.parameter_sets import keeps_its_size
from slowfast.data.readers.pyav import PyavSource, open_video
from slowfast.data.readers.torchcodec import TorchcodecSource, open_torchcodec, torchcodec_fault
from slowfast.data.readers.video_error import VideoError

FOR_PYAV = {
    "interlaced.mp4",
    "deep.mp4",
    "hevc_deep.mp4",
    "intra.mp4",  # PyAV finds out whether its key frames are
    "mirrored.mp4",
    "transposed.mp4",
    "plain.flv",
    "stream.ts",
    "recorded.ts",
    "h264.avi",
    "no_container.h264",
}


class Decoder:
    """Stands for torchcodec's; frame i is an image of the value i, at its time."""

    def __init__(self, *, times: Tensor, wrong: dict[int, Any]) -> None:
        self.times, self.wrong, self.asked = times, wrong, list[int]()

    def get_frame_at(self, number: int) -> Any:
        self.asked.append(number)
        fault = self.wrong.get(number)
        if isinstance(fault, Exception):
            raise fault
        size = fault if isinstance(fault, tuple) else (64, 96, 3)
        seconds = fault if isinstance(fault, float) else self.times[number].item()
        data = torch.full(size, number, dtype=torch.uint8)
        return types.SimpleNamespace(data=data, pts_seconds=seconds)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """In place of torchcodec; what it was opened with."""
    opened: dict[str, Any] = {}

    def make(url: str, number: int, index: Any, device: str) -> Any:
        opened.update(url=url, number=number, index=index, device=device)
        return opened["decoder"]

    monkeypatch.setattr(torchcodec, "_decoder", make)
    opened["decoder"] = object()
    return opened


def test_which_files_are_for_torchcodec(odd_name: str, odd_video: Any, fake: Any) -> None:
    """H.264 and HEVC in two families of containers, and of these what both show alike."""
    video = odd_video(odd_name)
    with av.open(str(video.path)) as container:
        codec = container.streams.video[0].codec_context.name
    with open_torchcodec(str(video.path)) as source:
        expected = codec in ("h264", "hevc") and odd_name not in FOR_PYAV
        if odd_name != "all_said_keys.mp4":  # some versions of FFmpeg believe it, others do not
            assert isinstance(source, TorchcodecSource if expected else PyavSource)
        assert source.num_frames == len(video.numbers)


def test_the_decoder_is_given_our_numbers(video: Path, fake: Any) -> None:
    with open_torchcodec(str(video), device="cuda") as source, open_video(video) as plain:
        assert (source.num_frames, source.fps, source.duration) == (40, 30, plain.duration)
        assert torch.equal(source.times, plain.times)
    assert (fake["url"], fake["number"], fake["device"]) == (f"file:{video}", 0, "cuda")
    assert len(fake["index"].pts) == 40


@pytest.mark.parametrize(
    "fault", [RuntimeError("no more frames"), ValueError("x"), 0.5, (32, 48, 3)], ids=str
)
def test_what_torchcodec_has_not_is_read_by_pyav(
    fault: Any, video: Path, fake: Any, read_numbers: Callable
) -> None:
    with open_video(video) as plain:
        times = plain.times
    fake["decoder"] = decoder = Decoder(times=times, wrong={7: fault})
    with open_torchcodec(str(video)) as source:
        frames = list(source.frames([3, 7, 9]))
        assert decoder.asked == [3, 7]
        assert frames[0].unique().tolist() == [3]
        assert read_numbers(torch.stack(frames[1:])) == [7, 9]
        with pytest.raises(IndexError, match="from 0 to 39"):
            list(source.frames([40]))


def test_a_file_that_torchcodec_cannot_open_is_read_by_pyav(video: Path, fake: Any) -> None:
    fake["decoder"] = None
    with open_torchcodec(str(video)) as source:
        assert isinstance(source, PyavSource)


def test_the_checks_of_files_come_first(tmp_path: Path, video: Path, fake: Any) -> None:
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:2.0,\na.ts\n#EXT-X-ENDLIST\n")
    (tmp_path / "cut.mp4").write_bytes(video.read_bytes()[:-1000])
    for path, said, options in (
        (tmp_path / "none.mp4", "found nothing", {}),
        (tmp_path / "list.mp4", "found none that can be read", {}),
        (tmp_path / "cut.mp4", r"\(cut off\)", {}),
        (video, "MAX_PIXELS", {"max_pixels": 1000}),
    ):
        with pytest.raises(VideoError, match=said), open_torchcodec(str(path), **options):
            pass
    assert "url" not in fake


def join(path: Path, codec: str, sizes: list[tuple[int, int]], options: dict[str, str]) -> Path:
    """Streams one after the other under the first one's header."""
    with av.open(str(path), "w") as container:
        out: Any = None
        number = 0
        for width, height in sizes:
            encoder: Any = av.CodecContext.create(codec, "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.time_base, encoder.options = Fraction(1, 30), options
            packets = []
            for i in range(3):
                frame = av.VideoFrame(width, height, "yuv420p")
                for plane in frame.planes:
                    plane.update(bytes([100]) * plane.buffer_size)
                frame.pts, frame.time_base = i, Fraction(1, 30)
                packets += encoder.encode(frame)
            packets += encoder.encode(None)
            if out is None:
                out = container.add_stream(codec, rate=30, options=options)
                out.width, out.height, out.pix_fmt = width, height, "yuv420p"
            for packet in packets:
                packet.pts = packet.dts = number
                packet.time_base, packet.stream, number = Fraction(1, 30), out, number + 1
                container.mux(packet)
    return path


ENCODERS = {
    "h264": ("libx264", {"bf": "0", "tune": "zerolatency", "x264-params": "repeat-headers=1"}),
    "hevc": (
        "libx265",
        {"preset": "ultrafast", "x265-params": "repeat-headers=1:bframes=0:log-level=none:pools=1"},
    ),
}


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_size_that_changes_on_the_way_is_seen_before_decoding(
    codec: str, suffix: str, tmp_path: Path, fake: Any
) -> None:
    """torchcodec takes no limit of size: such files are PyAV's, which refuses them."""
    encoder, options = ENCODERS[codec]
    same = join(tmp_path / f"same.{suffix}", encoder, [(96, 64)] * 2, options)
    jump = join(tmp_path / f"jump.{suffix}", encoder, [(96, 64), (640, 480)], options)
    with open_torchcodec(str(same), max_pixels=320 * 240) as source:
        assert isinstance(source, TorchcodecSource)

    def read() -> None:
        with open_torchcodec(str(jump), max_pixels=320 * 240) as source:
            assert isinstance(source, PyavSource)
            list(source.frames(range(source.num_frames)))

    with pytest.raises(VideoError, match=r"can't be decoded|frames of at most"):
        read()


class Packet(bytes):
    new_header = False

    def has_sidedata(self, kind: str) -> bool:
        return self.new_header and kind == "new_extradata"


def test_parameter_sets_of_h264() -> None:
    first, other = b"\x67\x64\0\x1f", b"\x67\x64\0\x32"
    header = b"\1\x64\0\x1f\xff\xe1\0\4" + first + b"\1\0\2\x68\xee"
    picture = b"\0\0\0\2\x65\x88"
    plain = Packet(picture * 2)
    repeated = Packet(b"\0\0\0\4" + first + picture)
    changed = Packet(b"\0\0\0\4" + other + picture)
    broken = Packet(b"\0\0\1\0" + picture)
    renewed = Packet(picture)
    renewed.new_header = True
    assert keeps_its_size("h264", header, [plain, repeated])
    assert not keeps_its_size("h264", header, [plain, changed])
    assert not keeps_its_size("h264", header, [broken])
    assert not keeps_its_size("h264", header, [Packet(b"\0\0\0\0")])
    assert not keeps_its_size("h264", header, [renewed])
    assert not keeps_its_size("h264", header[:6], [plain])  # cut off
    assert not keeps_its_size("h264", b"\0\0\0\1" + first, [plain])  # no avcC
    assert not keeps_its_size("h264", None, [plain])
    assert not keeps_its_size("vp9", header, [plain])


# ---- whether it works here ------------------------------------------------------------------


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], str]]:
    """Class in place of VideoDecoder, or None -> what `torchcodec_fault` says."""

    def find(decoder: Any) -> str:
        module = None if decoder is None else types.SimpleNamespace(VideoDecoder=decoder)
        monkeypatch.setitem(sys.modules, "torchcodec.decoders", module)
        torchcodec_fault.cache_clear()
        return torchcodec_fault()

    yield find
    torchcodec_fault.cache_clear()


def test_why_torchcodec_does_not_work_is_one_line(fault: Callable[[Any], str]) -> None:
    def no_libraries(*args: Any, **options: Any) -> None:
        raise RuntimeError("\n Could not load libtorchcodec. Likely causes:\n 1. FFmpeg ...")

    def other(*args: Any, **options: Any) -> None:
        raise RuntimeError("something else\nand more")

    def older(path: str, device: str) -> Any:
        """Knows nothing of custom_frame_mappings."""
        return object()

    def wrong(*args: Any, **options: Any) -> Any:
        return Decoder(times=torch.arange(6) / 30, wrong={})

    assert fault(None).startswith("it is not installed (")
    assert fault(no_libraries) == "the shared libraries of FFmpeg are not there, or do not fit"
    assert fault(other) == "something else"
    assert fault(older) == "it can't open a test video"
    assert fault(wrong) == "frame 1 of a test video comes out wrong"
