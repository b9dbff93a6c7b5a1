"""Mirrors slowfast/data/readers/picture_files.py."""

from __future__ import annotations

import os
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from slowfast.data.readers.picture_files import list_pictures, read_picture
from slowfast.data.readers.source import open_source
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record

LIMIT = 1 << 25


@pytest.fixture
def folder(tmp_path: Path, draw_number: Any) -> Path:
    """Twelve pictures whose names sort otherwise as text, among what else lies in folders."""
    for i in range(12):
        Image.fromarray(draw_number(i)).save(tmp_path / f"frame{i + 1}.png")
    (tmp_path / "._frame1.png").write_bytes(b"what a file manager left")
    (tmp_path / "Thumbs.db").write_bytes(b"too")
    return tmp_path


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(VideoError) as caught, open_source(Record(str(path)), **options) as source:
        list(source.frames(range(source.num_frames)))
    message = str(caught.value)
    assert message.startswith(f"{path}")
    assert "\n" not in message
    return message


def test_a_folder_is_read_by_the_numbers_in_its_names(folder: Path, read_numbers: Any) -> None:
    with open_source(Record(str(folder))) as source:
        assert (source.num_frames, source.fps) == (12, 30.0)
        assert read_numbers(torch.stack(list(source.frames(range(12))))) == list(range(12))
        assert read_numbers(torch.stack(list(source.frames(torch.tensor([1, 10]))))) == [1, 10]
        with pytest.raises(IndexError, match="from 0 to 11"):
            list(source.frames([12]))


def test_the_record_says_which_pictures_and_how_fast(folder: Path, read_numbers: Any) -> None:
    files = tuple(str(folder / f"frame{i}.png") for i in (3, 1, 2))
    with open_source(Record("a name", frames=files, fps=12.0)) as source:
        assert (source.num_frames, source.fps) == (3, 12.0)
        assert read_numbers(torch.stack(list(source.frames([0, 1, 2])))) == [2, 0, 1]
    with open_source(Record(str(folder)), picture_fps=24.0) as source:
        assert source.fps == 24


def test_a_single_picture_is_a_video_of_one_frame(folder: Path, read_numbers: Any) -> None:
    (folder / "frame6.png").rename(folder / "ONE.PNG")
    with open_source(Record(str(folder / "ONE.PNG"))) as source:
        assert source.num_frames == 1
        assert read_numbers(torch.stack(list(source.frames([0])))) == [5]


def test_names_are_counted_where_they_have_numbers(tmp_path: Path) -> None:
    names = ["a2.jpg", "a10.jpg", "a10b.jpg", "b1_9.JPEG", "b1_10.webp", "c.bmp", "00000123.png"]
    for name in names:
        (tmp_path / name).touch()
    found = [os.path.basename(path) for path in list_pictures(str(tmp_path))]
    expected = ["a2.jpg", "a10.jpg", "a10b.jpg", "b1_9.JPEG", "b1_10.webp", "c.bmp"]
    assert [name for name in found if name != "00000123.png"] == expected


@pytest.mark.parametrize(("one", "other"), [("1.jpg", "1.png"), ("1.jpg", "01.jpg")])
def test_two_pictures_of_one_frame_are_refused(one: str, other: str, tmp_path: Path) -> None:
    (tmp_path / one).touch()
    (tmp_path / other).touch()
    assert "expected one picture a frame, found" in refusal(tmp_path)


# ---- what pictures are made of --------------------------------------------------------------

RAMP = np.linspace(0, 255, 48).astype(np.uint8).reshape(6, 8)


def test_gray_and_deep_pictures_become_rgb(tmp_path: Path) -> None:
    wide = RAMP.astype(np.uint16) * 257
    pictures = {
        "gray.png": Image.fromarray(RAMP),
        "deep.png": Image.fromarray(wide),
        "alpha.png": Image.fromarray(np.stack([RAMP, RAMP // 2], -1), "LA"),
        "bits.png": Image.fromarray(RAMP).convert("1"),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
    (tmp_path / "deep_rgb.png").write_bytes(png(8, 6, 16, 2, np.repeat(wide, 3)))
    for name in ("gray.png", "deep.png", "alpha.png", "deep_rgb.png"):
        found = read_picture(str(tmp_path / name), max_pixels=LIMIT)
        assert found.shape == (6, 8, 3)
        assert found.dtype == torch.uint8
        assert torch.equal(found, torch.from_numpy(RAMP)[..., None].expand(6, 8, 3)), name
    bits = read_picture(str(tmp_path / "bits.png"), max_pixels=LIMIT)
    assert set(bits.unique().tolist()) == {0, 255}


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, depth: int, colour: int, values: np.ndarray) -> bytes:
    rows = values.astype(">u2").tobytes()
    size = len(rows) // height
    lines = b"".join(b"\0" + rows[i * size : (i + 1) * size] for i in range(height))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    )


def test_colours_below_transparency_count(tmp_path: Path) -> None:
    red = np.zeros((4, 4, 4), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red, "RGBA").save(tmp_path / "clear.png")
    palette = Image.fromarray(red[..., :3]).quantize(2)
    palette.save(tmp_path / "palette.png", transparency=0)
    for name in ("clear.png", "palette.png"):
        found = read_picture(str(tmp_path / name), max_pixels=LIMIT)
        assert found[0, 0].tolist() == [200, 0, 0]


def test_pictures_of_print_are_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "print.jpg", quality=95)
    red, green, blue = read_picture(str(tmp_path / "print.jpg"), max_pixels=LIMIT)[8, 8].tolist()
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (1, 1)), (6, (0, 1))])
def test_pictures_are_turned_as_displayed(
    orientation: int, corner: tuple[int, int], tmp_path: Path
) -> None:
    """EXIF 6: the upper left corner, as stored, is displayed at the upper right."""
    image = np.zeros((32, 48, 3), np.uint8)
    image[:8, :8] = 255
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(image).save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = read_picture(str(tmp_path / "a.jpg"), max_pixels=LIMIT)
    assert found.shape == ((48, 32, 3) if orientation == 6 else (32, 48, 3))
    bottom, right = corner
    assert found[-4 if bottom else 4, -4 if right else 4].min() > 200


# ---- what is refused ------------------------------------------------------------------------


def test_what_is_no_folder_of_pictures_is_named(tmp_path: Path) -> None:
    assert "expected a folder of pictures, found none (.jpg, .jpeg" in refusal(tmp_path)
    assert "expected a picture, found nothing" in refusal(tmp_path / "missing.jpg")
    files = (str(tmp_path / "missing.jpg"),)
    with (
        pytest.raises(VideoError, match="expected a picture, found nothing"),
        open_source(Record("v", frames=files)) as source,
    ):
        list(source.frames([0]))
    with pytest.raises(VideoError, match="expected a folder of pictures, found No such file"):
        list_pictures(str(tmp_path / "none"))
    (tmp_path / "text.jpg").write_text("no picture")
    assert "found none of JPEG, PNG, WEBP, BMP" in refusal(tmp_path / "text.jpg")
    (tmp_path / "empty.jpg").touch()
    assert "expected a picture, found 0 bytes" in refusal(tmp_path / "empty.jpg")


def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    said: list[str] = []
    threading.Thread(target=lambda: said.append(refusal(tmp_path)), daemon=True).start()
    deadline = time.monotonic() + 20
    while not said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "pipe.jpg: expected a picture, found a named pipe" in said[0]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.8])
def test_a_picture_that_is_cut_off_is_refused(
    suffix: str, share: float, tmp_path: Path, draw_number: Callable
) -> None:
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(draw_number(77)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "expected a picture that can be read, found" in refusal(path)


def test_frames_of_several_sizes_are_refused(folder: Path) -> None:
    Image.new("RGB", (64, 96)).save(folder / "frame7.png")
    with open_source(Record(str(folder))) as source:
        assert len(list(source.frames([0, 5, 11]))) == 3  # it is not looked at
        with pytest.raises(VideoError, match=r"frame7\.png: expected 96x64 pixels as in frame1\."):
            list(source.frames([0, 6]))


def bomb(width: int, height: int) -> bytes:
    """A valid PNG of one colour, a thousandth of its pixels in bytes."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    line = bytes(1 + 3 * width)
    rows = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    )


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (60_000, 60_000), (1, 2**31 - 1)])
def test_bombs_are_refused_by_their_header(width: int, height: int, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(width, 1)[:16] + struct.pack(">II", width, height) + b"\x08\x02\0\0\0")
    data = path.read_bytes()
    path.write_bytes(data + struct.pack(">I", zlib.crc32(data[12:])) + bomb(64, 64)[33:])
    tracemalloc.start()
    assert "expected a picture of at most 33554432 pixels, found" in refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    (tmp_path / "real.png").write_bytes(bomb(300, 200))
    assert "DATA.MAX_PIXELS" in refusal(tmp_path / "real.png", max_pixels=300 * 200 - 1)
    assert read_picture(str(tmp_path / "real.png"), max_pixels=300 * 200).shape == (200, 300, 3)


def test_text_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    """Compressed text in a PNG is a bomb of its own."""
    data = bomb(64, 64)
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(256 << 20), 9))
    path = tmp_path / "text.png"
    path.write_bytes(data[:33] + text + data[33:])
    tracemalloc.start()
    assert "expected a picture that can be read" in refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 << 20
