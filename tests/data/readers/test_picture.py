"""Mirrors slowfast/data/readers/{picture,fused_cut}.py and yuv.py: windows are the plain ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from slowfast.data.pixels import RgbStore, YuvStore
from slowfast.data.readers.fused_cut import RgbCut
from slowfast.data.readers.picture import RgbPicture, pictures_of
from slowfast.data.readers.pyav import open_video
from slowfast.data.readers.video_error import VideoError
from slowfast.data.transforms.spatial import RandomAreaCrop, RandomShortSideCrop
from slowfast.data.window import Window
from slowfast.data.yuv import YuvFrames

TURNS = {
    "none": (1, 0, 0, 1),
    "90": (0, 1, -1, 0),
    "180": (-1, 0, 0, -1),
    "270": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
}
IN_ORDER = {"bf": "0"}  # packets come in the order in which they are shown


def smooth(size: tuple[int, int], number: int) -> np.ndarray:
    """A picture without sharp edges, different everywhere and in each colour."""
    y, x = np.mgrid[: size[1], : size[0]].astype(float)
    waves = [
        128 + 90 * np.sin(x / 17 + 0.4 * number) * np.cos(y / 23),
        128 + 90 * np.cos(x / 29 - y / 19 + 0.2 * number),
        40 + 170 * (x / size[0]) * (y / size[1]),
    ]
    return np.stack(waves, axis=-1).clip(0, 255).astype(np.uint8)


def write_smooth(
    path: Path,
    *,
    size: tuple[int, int] = (128, 96),
    format: str = "yuv420p",
    tags: dict[str, int] | None = None,
    options: dict[str, str] | None = None,
    frames: int = 3,
) -> Path:
    with av.open(str(path), "w") as container:
        options = {"crf": "12", "preset": "veryfast", **(options or {})}
        stream: Any = container.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, format
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(smooth(size, i), format="rgb24")
            frame = frame.reformat(format=format)
            frame.pts, frame.time_base = i, Fraction(1, 30)
            for name, value in (tags or {}).items():
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def windows(height: int, width: int, *, size: int = 48) -> Iterator[Window]:
    """Enlarged, nearly as it is, reduced; anywhere; both ways around."""
    rules = (
        RandomShortSideCrop(110, 130, size),
        RandomShortSideCrop(96, 97, size),
        RandomShortSideCrop(50, 60, size),
        RandomAreaCrop((0.1, 1.0), (0.75, 1.33), size),
    )
    for seed, rule in enumerate(rules * 3):
        yield Window.of(rule(height, width, torch.Generator().manual_seed(seed)))


def stored(store: Any, picture: Any, window: Window) -> Tensor:
    store.add(picture, window)
    frames = store.finish()
    return frames.rgb() if isinstance(frames, YuvFrames) else frames


def assert_close(path: Path, *, mean: float, largest: float) -> None:
    """RGB and YUV windows are near the plain one: convert all, scale in float, cut."""
    with open_video(path) as source:
        for picture in source.pictures([0, 2]):
            whole = picture.rgb()
            assert tuple(whole.shape[:2]) == (picture.height, picture.width)
            for window in windows(picture.height, picture.width):
                wanted = window.cut(whole[None].float())
                for make in (RgbStore, YuvStore):
                    off = (stored(make(1), picture, window).float() - wanted).abs()
                    assert off.mean() < mean, (make.__name__, window)
                    assert off.max() < largest, (make.__name__, window)


@pytest.mark.parametrize("turn", TURNS)
def test_windows_are_the_plain_ones_however_the_video_is_turned(
    turn: str, turn_video: Callable, tmp_path: Path
) -> None:
    path = turn_video(write_smooth(tmp_path / "a.mp4"), TURNS[turn])
    assert_close(path, mean=1.6, largest=9)


@pytest.mark.parametrize("colorspace", [1, 5, 9])
@pytest.mark.parametrize("color_range", [1, 2])
def test_colours_follow_what_the_file_says_of_them(
    colorspace: int, color_range: int, tmp_path: Path
) -> None:
    """BT.709, BT.601 and BT.2020, of limited and of full range: up to 40 levels apart."""
    tags = {"colorspace": colorspace, "color_range": color_range}
    path = write_smooth(tmp_path / "a.mp4", tags=tags)
    with open_video(path) as source:
        (frame,) = source._decode([0])
        assert (frame.colorspace, frame.color_range) == (colorspace, color_range)
    assert_close(path, mean=1.6, largest=9)


def joined(path: Path, *parts: Path) -> Path:
    """Transport streams one after the other, their times too."""
    with av.open(str(path), "w") as container:
        out: Any = None
        number = 0
        for part in parts:
            with av.open(str(part)) as source:
                out = out or container.add_stream_from_template(source.streams.video[0])
                for packet in (p for p in source.demux(video=0) if p.size):
                    packet.pts = packet.dts = number
                    number += 1
                    packet.time_base, packet.stream = Fraction(1, 30), out
                    container.mux(packet)
    return path


def test_colours_may_change_on_the_way(tmp_path: Path) -> None:
    """A video joined of a part of limited and one of full range: 30 levels apart."""
    parts = [
        write_smooth(
            tmp_path / f"{number}.ts",
            tags={"colorspace": 5, "color_range": number},
            options=IN_ORDER,
        )
        for number in (1, 2)
    ]
    path = joined(tmp_path / "a.ts", *parts)
    with open_video(path) as source:
        kinds = [int(frame.color_range) for frame in source._decode(list(range(6)))]
    assert kinds == [1, 1, 1, 2, 2, 2]
    window = Window((0, 0, 96, 128), (110, 147), 10, 20, 64, 64)
    for make in (RgbStore, YuvStore):
        store, wanted = make(6), []
        with open_video(path) as source:
            for picture in source.pictures(range(6)):
                store.add(picture, window)
                wanted.append(window.cut(picture.rgb()[None].float())[0])
        frames = store.finish()
        frames = frames.rgb() if isinstance(frames, YuvFrames) else frames
        off = (frames.float() - torch.stack(wanted)).abs().mean((1, 2, 3))
        assert off.max() < 1.6, make.__name__


def test_a_frame_has_its_colours_whatever_was_read_before(tmp_path: Path) -> None:
    """A decoder remembers the matrix of the second part, and the first one names none."""
    # Longer than what FFmpeg decodes of a file when it opens it.
    how: dict[str, Any] = {"options": IN_ORDER, "frames": 20}
    plain = write_smooth(tmp_path / "a.ts", **how)
    tagged = write_smooth(tmp_path / "b.ts", tags={"colorspace": 1}, **how)
    with open_video(plain) as source:
        wanted = source.read([1])
    with open_video(joined(tmp_path / "c.ts", plain, tagged)) as source:
        for indices in ([1], [1, 25], [1]):
            assert torch.equal(source.read(indices)[:1], wanted)


def test_the_layout_of_frames_may_not_change_on_the_way(tmp_path: Path) -> None:
    parts = [
        write_smooth(tmp_path / f"{number}.ts", format=name, options=IN_ORDER)
        for number, name in enumerate(("yuv420p", "yuv422p"))
    ]
    path = joined(tmp_path / "a.ts", *parts)
    with open_video(path) as source, pytest.raises(VideoError) as error:
        list(source.pictures(range(6)))
    expected = "one size and kind, found 128x96 yuv420p and 128x96 yuv422p"
    assert f"{path}: expected frames of {expected}" in str(error.value)


def test_rgb_windows_are_neither_moved_nor_brighter(tmp_path: Path) -> None:
    """FFmpeg converts odd numbers of rows 1.4 levels brighter, of columns with colours moved."""
    with open_video(write_smooth(tmp_path / "a.mp4")) as source:
        for picture in source.pictures([1]):
            for seed in range(24):
                rule = RandomShortSideCrop(97, 130, 64, flip=False)
                window = Window.of(rule(96, 128, torch.Generator().manual_seed(seed)))
                wanted = window.cut(picture.rgb()[None].float())[0]
                off = picture.cut(window).float() - wanted
                assert off.mean((0, 1)).abs().max() < 0.5, window
                slope = (wanted[:, 2:] - wanted[:, :-2]) / 2
                moved = (off[:, 1:-1] * slope).sum() / (slope * slope).sum()
                assert moved.abs() < 0.2, window  # pixels


def test_colours_that_cannot_be_converted_are_named(tmp_path: Path) -> None:
    path = write_smooth(tmp_path / "a.mp4", tags={"colorspace": 8})
    with open_video(path) as source, pytest.raises(VideoError) as error:
        source.read([0])
    expected = "expected colours of BT.601, BT.709 or BT.2020, found YCgCo; convert it to H.264"
    assert f"{path}: {expected}" in str(error.value)


def test_bt_2020_of_constant_luminance_is_read_as_the_other_one(tmp_path: Path) -> None:
    both = [
        write_smooth(tmp_path / f"{number}.mp4", tags={"colorspace": number}) for number in (9, 10)
    ]
    assert_close(both[1], mean=1.6, largest=9)
    frames = []
    for path in both:
        with open_video(path) as source:
            frames.append(source.read([1]))
    assert torch.equal(*frames)


def test_other_formats_take_the_plain_way(tmp_path: Path) -> None:
    path = write_smooth(tmp_path / "a.mp4", format="yuv444p")
    with open_video(path) as source:
        for picture in source.pictures([1]):
            for window in windows(96, 128):
                assert picture.yuv(window) is None
                assert torch.equal(picture.cut(window), window.cut(picture.rgb()[None])[0])
                assert torch.equal(stored(YuvStore(1), picture, window)[0], picture.cut(window))


def test_windows_that_begin_on_pixels_are_exact(tmp_path: Path) -> None:
    """Reduced and unscaled windows differ from the plain way in nothing where they fit."""
    exact = [
        Window((0, 0, 96, 128), (48, 64), 0, 0, 48, 64),
        Window((0, 0, 96, 128), (48, 64), 5, 7, 40, 40, flip=True),
        Window((0, 0, 96, 128), (96, 128), 13, 21, 48, 48),
    ]
    with open_video(write_smooth(tmp_path / "a.mp4")) as source:
        for picture in source.pictures([1]):
            for window in exact:
                assert torch.equal(picture.cut(window), window.cut(picture.rgb()[None])[0])


def test_a_window_that_fits_no_pixel_takes_the_plain_way(tmp_path: Path) -> None:
    """97 rows for 96, kept from row 48.5 on: no row begins on a source pixel within reach."""
    with open_video(write_smooth(tmp_path / "a.mp4")) as source:
        for picture in source.pictures([1]):
            window = Window((0, 0, 96, 128), (97, 129), 48, 64, 40, 40)
            (frame,) = source._decode([1])
            assert RgbCut.of(frame, window.rows, window.columns) is None
            assert torch.equal(picture.cut(window), window.cut(picture.rgb()[None])[0])


def test_yuv_sends_no_more_than_rgb(tmp_path: Path) -> None:
    """Source pixels of frames that are made much smaller would be more bytes than the result."""
    with open_video(write_smooth(tmp_path / "a.mp4", size=(512, 384))) as source:
        for picture in source.pictures([1]):
            for window in windows(384, 512):
                store = YuvStore(1)
                store.add(picture, window)
                assert store.finish().nbytes <= 48 * 48 * 3 * 1.3


def test_any_source_has_pictures() -> None:
    class Frames:
        def frames(self, indices: Any) -> Iterator[Tensor]:
            for i in indices:
                yield torch.full((32, 40, 3), i, dtype=torch.uint8)

    window = Window((0, 0, 32, 40), (32, 40), 2, 4, 20, 20)
    for number, picture in zip((3, 5), pictures_of(Frames(), [3, 5]), strict=True):
        assert isinstance(picture, RgbPicture)
        assert (picture.height, picture.width) == (32, 40)
        assert torch.equal(picture.cut(window), torch.full((20, 20, 3), number).byte())
        assert torch.equal(stored(YuvStore(1), picture, window)[0], picture.cut(window))
