"""Mirrors slowfast/data/readers/sparse.py: what is left out changes nothing of the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.readers import pyav, sparse, stream
from slowfast.data.readers.pyav import open_video
from slowfast.data.readers.video_error import VideoError

# name -> (how it is written, whether frames may be left out)
KINDS: dict[str, tuple[dict[str, Any], bool]] = {
    "plain.mp4": ({}, True),
    "annex_b.ts": ({"format": "mpegts"}, True),
    "matroska.mkv": ({}, True),
    "no_pyramid.mp4": ({"x264-params": "bframes=3:b-pyramid=none"}, True),
    "strict_pyramid.mp4": ({"x264-params": "bframes=3:b-pyramid=strict"}, True),
    "pyramid.mp4": ({"x264-params": "bframes=5:b-pyramid=normal:ref=4"}, True),
    "open_gop.mp4": ({"x264-params": "open-gop=1:scenecut=0:keyint=12:bframes=3"}, True),
    "temporal_direct.mp4": ({"x264-params": "bframes=3:direct=temporal"}, True),
    "weighted.mp4": ({"x264-params": "bframes=3:weightp=2:weightb=1"}, True),
    "bursts.mp4": ({"ticks": [t * t + 7 * t for t in range(40)]}, True),
    "interlaced.mp4": ({"x264-params": "interlaced=1:bframes=3"}, False),
    "hevc.mp4": ({"codec": "libx265", "x265-params": "log-level=error:pools=1:bframes=3"}, True),
    "hevc_layers.mp4": (
        {"codec": "libx265", "x265-params": "log-level=error:pools=1:temporal-layers=3:bframes=3"},
        False,
    ),
    "hevc.ts": ({"codec": "libx265", "format": "mpegts", "x265-params": "log-level=error"}, False),
    "part_2.mp4": ({"codec": "mpeg4", "bf": "2", "qscale": "3", "g": "12"}, True),
    "mpeg_2.mkv": ({"codec": "mpeg2video", "bf": "2", "qscale": "3", "g": "12"}, True),
    "vp9.webm": ({"codec": "libvpx-vp9", "lag-in-frames": "16"}, False),
    "hidden.webm": ({"codec": "libvpx", "auto-alt-ref": "1", "lag-in-frames": "16"}, False),
}


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "_answers", type(sparse._answers)())


def random_requests(frames: int, count: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randperm(frames, generator=generator)[: 1 + 3 * i].sort().values.tolist()
        for i in range(count)
    ]


@pytest.mark.parametrize("name", KINDS)
def test_frames_are_those_of_the_whole_decode(
    name: str, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    how, allowed = KINDS[name]
    with open_video(make_video(tmp_path / name, **how)) as source:
        everything = source.read(range(40))
        assert source._index is not None
        assert sparse.may_skip(source._stream, source._index) is allowed
        for request in random_requests(40, 12):
            assert torch.equal(source.read(request), everything[request]), request


def test_unreferenced_frames_are_left_out(
    make_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In "I B B P" every second wanted frame needs no B-frame between."""
    options = {"x264-params": "bframes=2:b-pyramid=none:scenecut=0:keyint=250:b-adapt=0"}
    decoded = []
    frames = stream.VideoStream.frames

    def spy(self: Any, *args: Any, **options: Any) -> Any:
        for used, frame in frames(self, *args, **options):
            decoded.append(frame.pts)
            yield used, frame

    with open_video(make_video(tmp_path / "a.mp4", **options)) as source:
        source.read([3, 36])  # the beginning is tried here
        monkeypatch.setattr(stream.VideoStream, "frames", spy)
        source.read([3, 30])
        assert len(decoded) <= 12  # of 31


def test_a_stream_that_does_not_agree_is_decoded_wholly(
    video: Path, monkeypatch: pytest.MonkeyPatch, read_numbers: Callable
) -> None:
    monkeypatch.setattr(sparse, "_agrees", lambda *_: False)
    skips = []
    decode = pyav.PyavSource._decode_from

    def spy(self: Any, *args: Any, skip: bool = False, **rest: Any) -> Any:
        skips.append(skip)
        return decode(self, *args, skip=skip, **rest)

    monkeypatch.setattr(pyav.PyavSource, "_decode_from", spy)
    with open_video(video) as source:
        assert read_numbers(source.read([5, 20])) == [5, 20]
    assert not any(skips)


def test_a_wrong_frame_is_noticed(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison sees one pixel."""
    copies = []
    copy = sparse._copy

    def spoil(frame: Any) -> Any:
        planes = copy(frame)
        copies.append(frame.pts)
        if len(copies) > 40:
            planes[1][0, 0] ^= 1
        return planes

    monkeypatch.setattr(sparse, "_copy", spoil)
    with open_video(video) as source:
        assert source._index is not None
        assert sparse._agrees(source._stream, source._index) is False


def test_what_fails_with_frames_left_out_is_decoded_wholly(
    video: Path, monkeypatch: pytest.MonkeyPatch, read_numbers: Callable
) -> None:
    decode = pyav.PyavSource._decode_from

    def fail(self: Any, *args: Any, skip: bool = False, **rest: Any) -> Any:
        if skip:
            raise VideoError("this stream is odd")
        return decode(self, *args, skip=skip, **rest)

    monkeypatch.setattr(pyav.PyavSource, "_decode_from", fail)
    with open_video(video) as source:
        assert read_numbers(source.read([5, 20])) == [5, 20]


def test_a_process_tries_a_kind_of_stream_once(
    videos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    agrees = sparse._agrees

    def spy(stream: Any, index: Any) -> bool:
        tried.append(stream.path)
        return agrees(stream, index)

    monkeypatch.setattr(sparse, "_agrees", spy)
    for path in videos[:3]:
        with open_video(path) as source:
            source.read([3, 9])
    assert tried == [str(videos[0])]
    monkeypatch.setattr(sparse, "_KEPT_ANSWERS", 1)
    sparse._answers[("h264", b"other")] = True
    with open_video(videos[0]) as source:
        source.read([3, 9])
    assert len(sparse._answers) == 2
