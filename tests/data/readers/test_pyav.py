"""Mirrors slowfast/data/readers/{pyav,stream,picture}.py: the right frames, or an error."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
import torch

from slowfast.data.readers import pyav, stream
from slowfast.data.readers.pyav import frame_rate, open_video
from slowfast.data.readers.video_error import VideoError

FORTY = list(range(40))
SUBSETS = ([0], [39], [12], [11, 12, 13], [3, 17, 18, 36], [0, 39], [5, 25, 30])

# name -> how it is written; each is a trap for a reader that counts or seeks naively
KINDS: dict[str, dict[str, Any]] = {
    "b_frames.mp4": {"bf": "3", "audio": True},
    "open_gop.mp4": {"x264-params": "open-gop=1:scenecut=0:keyint=12:bframes=3"},
    "one_gop.mp4": {"g": "1000"},
    "fragmented.mp4": {"movflags": "frag_keyframe+empty_moov"},
    "plain.mkv": {},
    "hidden_frames.webm": {"codec": "libvpx", "auto-alt-ref": "1", "lag-in-frames": "16"},
    "vp9.webm": {"codec": "libvpx-vp9", "lag-in-frames": "16"},
    "stream.ts": {"format": "mpegts"},
    "program.mpg": {"codec": "mpeg2video", "bf": "2", "qscale": "3", "g": "12"},
    "b_frames.avi": {"codec": "mpeg4", "bf": "2", "qscale": "3"},
    "h264.avi": {},
    "no_times.h264": {"format": "h264"},
    "bursts.mp4": {"ticks": [t * t + 7 * t for t in range(40)]},
    "late.mkv": {"ticks": [10_000 + 40 * t for t in range(40)]},
}


@pytest.mark.parametrize("name", KINDS)
def test_frames_are_those_asked_for(
    name: str, make_video: Callable[..., Path], tmp_path: Path, read_numbers: Callable
) -> None:
    path = make_video(tmp_path / name, **KINDS[name])
    with open_video(path) as source:
        assert source.num_frames == 40
        assert (source.height, source.width) == (64, 96)
        everything = source.read(range(40))
        assert read_numbers(everything) == FORTY
        assert source.times.diff().min() > 0
        for subset in SUBSETS:
            frames = source.read(torch.tensor(subset))
            # The very bytes of the whole decode, wherever decoding began.
            assert torch.equal(frames, everything[subset]), subset


@pytest.mark.parametrize("name", ["bursts.mp4", "late.mkv"])
def test_times_are_those_written(
    name: str, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    ticks = KINDS[name]["ticks"]
    with open_video(make_video(tmp_path / name, ticks=ticks)) as source:
        wanted = torch.tensor(ticks, dtype=torch.float64) / 1000
        torch.testing.assert_close(source.times, wanted, rtol=0, atol=1e-3)
        span = (ticks[-1] - ticks[0]) / 1000
        assert source.fps == pytest.approx(39 / span, rel=0.03)
        assert source.duration == pytest.approx(span + 1 / source.fps, abs=1e-3)


def test_frame_rate_of_the_header_wins_unless_the_times_disagree() -> None:
    rounded = [round(i * 1001 / 30) / 1000 for i in range(100)]  # Matroska: whole milliseconds
    assert frame_rate(rounded, 30000 / 1001) == 30000 / 1001
    assert frame_rate([0.0, 0.1, 0.2], 1000.0) == pytest.approx(10)
    assert frame_rate([0.0, 0.1, 0.2], None) == pytest.approx(10)
    assert frame_rate([3.0], 24.0) == 24


def test_frames_before_an_edit_list_are_not_shown(
    video: Path, tmp_path: Path, read_numbers: Callable
) -> None:
    """Cut without re-encoding: ten frames are in the file, but the edit list leaves them out."""
    cut = tmp_path / "cut.mp4"
    keep_negative = {"avoid_negative_ts": "disabled"}
    with av.open(str(video)) as old, av.open(str(cut), "w", options=keep_negative) as new:
        copy = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                ten = int(Fraction(10, 30) / packet.time_base)
                packet.pts, packet.dts = packet.pts - ten, packet.dts - ten
                packet.stream = copy
                new.mux(packet)
    with open_video(cut) as source:
        assert source.num_frames == 30
        assert source.times[0] == 0
        assert read_numbers(source.read([0, 1, 7, 29])) == [10, 11, 17, 39]


def test_b_frames_that_share_a_packet_are_in_order(
    make_video: Callable[..., Path], tmp_path: Path, read_numbers: Callable
) -> None:
    """ "Packed bitstream", as in old AVI data sets: the decoder's time stamps are out of order."""
    path = pack_b_frames(
        make_video(tmp_path / "b.avi", codec="mpeg4", bf="1", qscale="3", g="12"),
        tmp_path / "packed.avi",
    )
    with av.open(str(path)) as container:
        stamps = [frame.pts for frame in container.decode(video=0)]
    assert stamps != sorted(stamps)  # the trap is there
    with open_video(path) as source:
        assert source.num_frames == 40
        assert read_numbers(source.read([0, 1, 2, 3, 20, 39])) == [0, 1, 2, 3, 20, 39]


def pack_b_frames(source: Path, target: Path) -> Path:
    """Put each B-frame into the packet before it, and an empty picture into its place."""
    picture = b"\0\0\1\xb6"
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        copy = new.add_stream_from_template(old.streams.video[0])
        packets = [(bytes(p), p.is_keyframe) for p in old.demux(video=0) if p.size]
        packed: list[tuple[bytes, bool]] = []
        for data, is_key in packets:
            if data[data.index(picture) + 4] >> 6 == 2:  # a B-frame
                packed[-1] = (packed[-1][0] + data, packed[-1][1])
                data, is_key = picture + b"\x51\xcf", False
            packed.append((data, is_key))
        head, is_key = packed[0]
        at = head.index(picture)
        packed[0] = (head[:at] + b"\0\0\1\xb2DivX503b1393p\0" + head[at:], is_key)
        for i, (data, is_key) in enumerate(packed):
            packet = av.Packet(data)
            packet.pts = packet.dts = i
            packet.time_base, packet.is_keyframe = Fraction(1, 30), is_key
            packet.stream = copy
            new.mux(packet)
    return target


# Display matrices (a, b, c, d): where the bright corner, lower left as stored, is displayed.
TURNS = {
    "none": ((1, 0, 0, 1), "bottom left"),
    "90 clockwise": ((0, 1, -1, 0), "top left"),
    "180": ((-1, 0, 0, -1), "top right"),
    "90 counter-clockwise": ((0, -1, 1, 0), "bottom right"),
    "mirrored": ((-1, 0, 0, 1), "bottom right"),
}


@pytest.mark.parametrize("name", TURNS)
def test_frames_are_turned_as_displayed(
    name: str, make_video: Callable[..., Path], turn_video: Callable, tmp_path: Path
) -> None:
    matrix, corner = TURNS[name]
    with open_video(turn_video(make_video(tmp_path / "turned.mp4", range(3)), matrix)) as source:
        upright = matrix[0] != 0
        assert (source.height, source.width) == ((64, 96) if upright else (96, 64))
        image = source.read([0])[0].float().mean(2)
    corners = {
        "top left": image[:8, :8],
        "top right": image[:8, -8:],
        "bottom left": image[-8:, :8],
        "bottom right": image[-8:, -8:],
    }
    # The bars of frame 0 are dark, so nothing else is bright.
    assert max(corners, key=lambda place: corners[place].mean().item()) == corner


def test_decoding_begins_at_the_key_frame_and_skips_unwanted_groups(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    frames = stream.VideoStream.frames

    def spy(self: Any, first: int, **options: Any) -> Any:
        begun.append(first)
        return frames(self, first, **options)

    monkeypatch.setattr(stream.VideoStream, "frames", spy)
    with open_video(video) as source:
        source.read([25, 39])
        assert begun == [24, 36]
        begun.clear()
        source.read([11, 12])  # neighbours: a fresh start would gain nothing
        assert begun == [0]


def test_a_key_frame_that_is_none_is_found_out(
    make_video: Callable[..., Path], tmp_path: Path, read_numbers: Callable
) -> None:
    """Without its table of key frames an mp4 claims that every frame is one."""
    path = make_video(tmp_path / "lying.mp4")
    path.write_bytes(path.read_bytes().replace(b"stss", b"free"))
    with open_video(path) as source:
        assert read_numbers(source.read([7, 20, 30])) == [7, 20, 30]


def test_long_videos_are_read_again_instead_of_kept(
    video: Path,
    make_video: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read_numbers: Callable,
) -> None:
    avi = make_video(tmp_path / "a.avi", codec="mpeg4", bf="2", qscale="3")
    monkeypatch.setattr(stream, "KEPT_BYTES", 500)
    monkeypatch.setattr(pyav, "_KEPT_BYTES", 500)
    for path in (video, avi):
        with open_video(path) as source:
            assert read_numbers(source.read([3, 30])) == [3, 30]


def test_indices_must_rise_and_exist(video: Path) -> None:
    with open_video(video) as source:
        for wrong in ([], [3, 3], [4, 2], [-1], [40]):
            with pytest.raises(IndexError, match="from 0 to 39"):
                source.read(wrong)


# ---- what is refused ------------------------------------------------------------------------


def refusal(path: Path, **options: Any) -> str:
    """The message of the error that reading all of a file raises."""
    with pytest.raises(VideoError) as caught, open_video(path, **options) as source:
        source.read(range(source.num_frames))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    assert "found nothing" in refusal(tmp_path / "missing.mp4")
    assert "found a folder" in refusal(tmp_path)
    (tmp_path / "empty.mp4").touch()
    assert "found 0 bytes" in refusal(tmp_path / "empty.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    done = threading.Event()

    def read_pipe() -> None:
        assert "found a named pipe" in refusal(tmp_path / "pipe.mp4")
        done.set()

    threading.Thread(target=read_pipe, daemon=True).start()
    assert done.wait(20)  # a reader that opens a pipe without a writer waits for ever
    with pytest.raises(VideoError, match="null byte"), open_video("a\0b.mp4"):
        pass


@pytest.mark.parametrize(
    "content",
    [
        b"a.mp4 3\n" * 100,
        b"<!DOCTYPE html><title>404</title>",
        bytes(5000),
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nforty.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile forty.ts\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        b"m=video 47392 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ],
)
def test_text_and_playlists_are_no_videos(
    content: bytes, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    """Even though the file that a playlist names is there."""
    make_video(tmp_path / "forty.ts", format="mpegts")
    path = tmp_path / "list.mp4"
    path.write_bytes(content)
    assert "expected a video file, found none that can be read" in refusal(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        sound: Any = container.add_stream("aac", rate=16000)
        silence = av.AudioFrame(format="s16", layout="mono", samples=8000)
        silence.planes[0].update(bytes(16000))
        silence.sample_rate, silence.pts = 16000, 0
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    assert "expected a video stream, found none" in refusal(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_a_file_that_is_cut_off_is_refused(
    name: str, share: float, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_video(tmp_path / name, format="mpegts" if name == "a.ts" else None)
    data = path.read_bytes()
    end = int(len(data) * share)
    path.write_bytes(data[: end - (end % 188 == 0)])
    assert "(cut off)" in refusal(path)


def test_damage_is_reported_and_not_shown(make_video: Callable[..., Path], tmp_path: Path) -> None:
    path = make_video(tmp_path / "hole.mp4")
    data = bytearray(path.read_bytes())
    start, size = data.index(b"mdat"), data.index(b"moov") - data.index(b"mdat")
    hole = slice(start + size // 2, start + 3 * size // 4)
    data[hole] = bytes(len(data[hole]))
    path.write_bytes(data)
    assert "can't be decoded" in refusal(path)
    with open_video(path) as source:
        assert source.read([0, 5]).shape == (2, 64, 96, 3)  # before the damage


def test_packets_lost_on_the_way_are_noticed(
    make_video: Callable[..., Path], tmp_path: Path
) -> None:
    """A transport stream counts its packets; without one of 188 bytes the count has a gap."""
    path = make_video(tmp_path / "lost.ts", format="mpegts")
    data = path.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    of_video = [i for i, packet in enumerate(packets) if packet[1] & 31 == 1 and packet[2] == 0]
    del packets[of_video[len(of_video) // 2]]
    path.write_bytes(b"".join(packets))
    assert "a packet is cut off or lost" in refusal(path)


def png_video(path: Path, sizes: list[tuple[int, int]]) -> Path:
    """A file whose header has the first size, whatever its pictures have."""
    with av.open(str(path), "w") as container:
        out: Any = container.add_stream("png", rate=30)
        out.width, out.height, out.pix_fmt = *sizes[0], "rgb24"
        for i, (width, height) in enumerate(sizes):
            encoder: Any = av.CodecContext.create("png", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "rgb24"
            encoder.time_base = Fraction(1, 30)
            picture = av.VideoFrame(width, height, "rgb24")
            picture.planes[0].update(bytes(picture.planes[0].buffer_size))
            (packet,) = [*encoder.encode(picture), *encoder.encode(None)]
            packet.pts = packet.dts = i
            packet.time_base, packet.stream = Fraction(1, 30), out
            container.mux(packet)
    return path


def test_large_frames_are_refused_by_the_header_and_in_the_stream(tmp_path: Path) -> None:
    large = png_video(tmp_path / "large.mov", [(320, 240)] * 2)
    assert "MAX_PIXELS" in refusal(large, max_pixels=320 * 240 - 1)
    with open_video(large, max_pixels=320 * 240) as source:
        assert source.read([0, 1]).shape == (2, 240, 320, 3)
    hidden = png_video(tmp_path / "hidden.mov", [(96, 64), (96, 64), (640, 480)])
    assert "MAX_PIXELS" in refusal(hidden, max_pixels=96 * 64)
    assert "one size and kind, found 96x64 rgb24 and 640x480 rgb24" in refusal(hidden)


def test_odd_names_are_plain_files(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_numbers: Callable
) -> None:
    """FFmpeg would read "12:30.mp4" as a protocol and "concat:" as an order."""
    monkeypatch.chdir(tmp_path)
    for name in ("12:30.mp4", "concat:a.mp4", "%03d 视频.mp4", "no_suffix"):
        Path(name).write_bytes(video.read_bytes())
        with open_video(name) as source:
            assert read_numbers(source.read([4])) == [4]


def test_the_first_of_two_videos_is_read(
    make_video: Callable[..., Path], tmp_path: Path, read_numbers: Callable
) -> None:
    first = make_video(tmp_path / "a.mp4", range(5))
    second = make_video(tmp_path / "b.mp4", range(50, 55), size=(192, 128))
    both = tmp_path / "both.mkv"
    with (
        av.open(str(first)) as a,
        av.open(str(second)) as b,
        av.open(str(both), "w") as new,
    ):
        copies = [new.add_stream_from_template(old.streams.video[0]) for old in (a, b)]
        for old, copy in zip((a, b), copies, strict=True):
            for packet in old.demux(video=0):
                if packet.size:
                    packet.stream = copy
                    new.mux(packet)
    with open_video(both) as source:
        frames = source.read([0, 4])
    assert frames.shape == (2, 64, 96, 3)
    assert read_numbers(frames) == [0, 4]
