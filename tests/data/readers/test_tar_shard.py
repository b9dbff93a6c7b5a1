"""Mirrors slowfast/data/readers/tar_{shard,headers,writer}.py."""

from __future__ import annotations

import io
import os
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.readers import stream, tar_shard
from slowfast.data.readers.source import open_source
from slowfast.data.readers.tar_headers import is_header_of, members_of
from slowfast.data.readers.tar_shard import find_member, is_member, split_member
from slowfast.data.readers.tar_writer import write_index, write_shard
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record


@pytest.fixture
def shard(tmp_path: Path, videos: list[Path]) -> Path:
    """Three of the videos, under a plain, a deep and a very long name."""
    path = tmp_path / "shard-000.tar"
    write_shard(path, zip(NAMES, videos, strict=False))
    return path


NAMES = ["0.mp4", "class b/1 ü.mp4", "l" * 180 + ".mp4"]


def refusal(path: str) -> str:
    with pytest.raises(VideoError) as caught, open_source(Record(path)) as source:
        list(source.frames(range(source.num_frames)))
    message = str(caught.value)
    assert "\n" not in message
    return message


def rewritten(shard: Path, change: Callable[[bytearray], None], *, index: bool = False) -> str:
    """The shard with other bytes, or its index, and the other one as it was."""
    path = Path(f"{shard}.idx") if index else shard
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return f"{shard}#{NAMES[0]}"


def test_a_path_into_a_shard() -> None:
    assert is_member("a/b.tar#c.mp4")
    assert not is_member("a/b#c.mp4")
    assert not is_member("a/b.tar.mp4")
    assert split_member("a/b.tar#./c/d.tar#e.mp4") == ("a/b.tar", "c/d.tar#e.mp4")


@pytest.mark.parametrize("with_index", [True, False])
def test_videos_in_a_shard_are_read_in_place(
    shard: Path, with_index: bool, read_numbers: Any
) -> None:
    assert Path(f"{shard}.idx").exists()
    if not with_index:
        os.unlink(f"{shard}.idx")
    for i, name in enumerate(NAMES):
        with open_source(Record(f"{shard}#{name}")) as source:
            assert source.num_frames == 30
            assert source.fps == 30
            frames = torch.stack(list(source.frames([0, 4, 29])))
        assert read_numbers(frames) == [20 * i, 20 * i + 4, 20 * i + 29]
    assert Path(f"{shard}.idx").exists() == with_index  # nobody writes behind the user's back


def test_the_bytes_are_those_of_the_file(shard: Path, videos: list[Path]) -> None:
    for name, video in zip(NAMES, videos, strict=False):
        part = find_member(f"{shard}#{name}")
        assert shard.read_bytes()[part.begin : part.end] == video.read_bytes()


def test_a_long_video_is_read_again_from_its_place(
    shard: Path, monkeypatch: pytest.MonkeyPatch, read_numbers: Any
) -> None:
    monkeypatch.setattr(stream, "KEPT_BYTES", 100)
    with open_source(Record(f"{shard}#{NAMES[1]}")) as source:
        assert read_numbers(torch.stack(list(source.frames([1, 28])))) == [21, 48]


def test_the_same_files_make_the_same_bytes(tmp_path: Path, videos: list[Path]) -> None:
    for name in ("a.tar", "b.tar"):
        write_shard(tmp_path / name, [("x.mp4", videos[0])])
        os.utime(videos[0])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert (tmp_path / "a.tar.idx").read_bytes() == (tmp_path / "b.tar.idx").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.tar{end}" for name in "ab" for end in ("", ".idx")
    }


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_shards_of_other_writers_get_an_index(
    format: int, tmp_path: Path, videos: list[Path], read_numbers: Any
) -> None:
    """Packed with folders and links, with "./" in front and long names in each format."""
    path, long = tmp_path / "made.tar", f"./{'d' * 90}/{'n' * 60}.mp4"
    with tarfile.open(path, "w", format=format) as tar:
        folder = tarfile.TarInfo("./folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        tar.add(videos[1], "./folder/1.mp4")
        link = tarfile.TarInfo("./folder/link.mp4")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        tar.add(videos[2], long)
    assert write_index(path) == Path(f"{path}.idx")
    assert list(members_of(str(path))) == ["folder/1.mp4", long[2:]]
    for name, first in (("folder/1.mp4", 20), ("./folder/1.mp4", 20), (long, 40)):
        with open_source(Record(f"{path}#{name}")) as source:
            assert read_numbers(torch.stack(list(source.frames([0, 3])))) == [first, first + 3]
    assert "found none" in refusal(f"{path}#folder/link.mp4")  # a link leads nowhere


def test_an_index_costs_no_memory(tmp_path: Path, videos: list[Path]) -> None:
    """100,000 names are searched on disk; only their hashes are in the index."""
    path = tmp_path / "big.tar"
    write_shard(path, [("0.mp4", videos[0])])
    members = members_of(str(path)) | {f"{i}.mp4": (512, 10) for i in range(1, 100_000)}
    index = tar_shard.make_index(members, path.stat().st_size)
    Path(f"{path}.idx").write_bytes(index)
    del index, members
    tracemalloc.start()
    part = find_member(f"{path}#0.mp4")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert part.end - part.begin == videos[0].stat().st_size
    assert peak < 100_000


# ---- what is refused ------------------------------------------------------------------------


def test_what_is_not_there_is_named(shard: Path) -> None:
    assert refusal(f"{shard}#9.mp4").startswith(f"{shard}#9.mp4: expected a video in {shard}")
    os.unlink(f"{shard}.idx")
    assert "found none; check the list of videos" in refusal(f"{shard}#9.mp4")
    missing = shard.with_name("shard-001.tar")
    assert refusal(f"{missing}#0.mp4").startswith(f"{missing}#0.mp4: expected a tar file, found no")
    shard.with_name("folder.tar").mkdir()
    assert "found a folder" in refusal(f"{shard.with_name('folder.tar')}#0.mp4")


def test_a_pipe_is_no_shard_and_no_index(shard: Path) -> None:
    os.unlink(f"{shard}.idx")
    os.mkfifo(f"{shard}.idx")
    os.mkfifo(shard.with_name("pipe.tar"))
    said: list[str] = []

    def read() -> None:
        said.append(refusal(f"{shard}#{NAMES[0]}"))
        said.append(refusal(f"{shard.with_name('pipe.tar')}#0.mp4"))

    threading.Thread(target=read, daemon=True).start()
    deadline = time.monotonic() + 20
    while len(said) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "expected the index of a shard, found a named pipe; delete it and" in said[0]
    assert "expected a tar file, found a named pipe" in said[1]


def test_the_index_of_another_shard_is_not_believed(shard: Path, videos: list[Path]) -> None:
    index = Path(f"{shard}.idx")
    old = index.read_bytes()
    write_shard(shard, zip(reversed(NAMES), videos, strict=False))  # the same size
    new = index.read_bytes()
    index.write_bytes(old)
    assert f"expected the index of {shard}, found no video" in refusal(f"{shard}#{NAMES[0]}")
    write_shard(shard, [(NAMES[0], videos[0])])
    index.write_bytes(new)
    assert "one of another file or a damaged one" in refusal(f"{shard}#{NAMES[0]}")
    assert "delete it and the shard is looked through" in refusal(f"{shard}#{NAMES[0]}")
    index.unlink()
    with open_source(Record(f"{shard}#{NAMES[0]}")) as source:
        assert source.num_frames == 30


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 63])
def test_a_cut_index_is_refused(shard: Path, size: int) -> None:
    path = rewritten(shard, lambda data: data.__delitem__(slice(size, None)), index=True)
    assert f"{shard}.idx: expected the index" in refusal(path)


def test_absurd_places_in_an_index_are_refused(shard: Path) -> None:
    good = Path(f"{shard}.idx").read_bytes()
    rows = (len(good) - 32) // 32
    for at, size in ((2**63, 10), (512, 2**64 - 1), (0, 512), (513, 10), (1024, 2**40)):
        place = at.to_bytes(8, "little") + size.to_bytes(8, "little")
        bad = bytearray(good)
        for row in range(rows):
            bad[32 + 32 * row + 16 : 32 + 32 * (row + 1)] = place
        Path(f"{shard}.idx").write_bytes(bad)
        assert "found no video" in refusal(f"{shard}#{NAMES[0]}")


def test_any_damage_to_an_index_is_an_error_or_harmless(shard: Path) -> None:
    good = Path(f"{shard}.idx").read_bytes()
    expected = find_member(f"{shard}#{NAMES[0]}")
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 0xFF
        Path(f"{shard}.idx").write_bytes(bad)
        try:
            found = find_member(f"{shard}#{NAMES[0]}")
        except VideoError:
            continue
        assert found == expected, at


def test_compressed_and_other_files_are_no_shards(tmp_path: Path, videos: list[Path]) -> None:
    path = tmp_path / "zip.tar"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(videos[0], "0.mp4")
    assert "expected an uncompressed tar file, found no header at byte 0" in refusal(f"{path}#a")
    path.write_bytes(videos[0].read_bytes())
    assert "expected an uncompressed tar file" in refusal(f"{path}#a")
    path.write_bytes(b"")
    assert "found 0 bytes" in refusal(f"{path}#a")
    with pytest.raises(VideoError, match="expected a tar file, found nothing"):
        write_index(tmp_path / "none.tar")


def test_a_shard_that_is_cut_off_is_refused(shard: Path) -> None:
    os.unlink(f"{shard}.idx")
    whole = shard.read_bytes()
    shard.write_bytes(whole[: 512 + 700])
    assert "(cut off)" in refusal(f"{shard}#{NAMES[0]}")


def header(name: str, size: int, **fields: Any) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header("a.mp4", 2**50), "expected 1125899906842624 bytes from byte 512 on"),
        (header("a.mp4", -5), "expected -5 bytes"),
        (header("x", 2**40, type=tarfile.XHDTYPE) + bytes(512), "(cut off)"),
        (header("x", 2**21, type=tarfile.XHDTYPE) + bytes(2**21 + 512), "at most 1048576 bytes"),
        (header("x", 2**21, type=b"L") + bytes(2**21 + 512), "at most 1048576 bytes"),
        (header("x", 9, type=tarfile.XHDTYPE) + b"99 path=x".ljust(512, b"\0"), "length key=value"),
        (header("x", 9, type=tarfile.XHDTYPE) + b"-1 path=x".ljust(512, b"\0"), "length key=value"),
        (header("x", 9, type=tarfile.XHDTYPE) + b"nonsense!".ljust(512, b"\0"), "length key=value"),
        (
            header("x", 22, type=tarfile.XHDTYPE) + b"22 GNU.sparse.major=1\n".ljust(512, b"\0"),
            "holes left out",
        ),
        (header("s.mp4", 0, type=tarfile.GNUTYPE_SPARSE), "holes left out"),
        (2 * (header("a.mp4", 3) + b"abc".ljust(512, b"\0")), "found a.mp4 twice"),
        (header("a.mp4", 3) + b"abc".ljust(512, b"\0") + b"junk" * 128, "no header at byte 1024"),
    ],
)
def test_absurd_headers_cost_nothing(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "absurd.tar"
    path.write_bytes(content)
    tracemalloc.start()
    assert said in refusal(f"{path}#a.mp4")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_video_in_a_shard_passes_the_checks_of_a_file(
    tmp_path: Path, videos: list[Path], read_numbers: Any
) -> None:
    whole = videos[0].read_bytes()
    files = {
        "whole.mp4": whole,
        "cut.mp4": whole[:-1000],
        "list.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\na.ts\n#EXT-X-ENDLIST\n",
        "empty.mp4": b"",
        "after.mp4": whole,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    path = tmp_path / "s.tar"
    write_shard(path, [(name, tmp_path / name) for name in files])
    assert refusal(f"{path}#cut.mp4").endswith("leave such videos out (DATA.ON_BAD_SAMPLE)")
    assert f"found {len(whole) - 1000} (cut off)" in refusal(f"{path}#cut.mp4")
    assert "found none that can be read" in refusal(f"{path}#list.mp4")
    assert "found 0 bytes" in refusal(f"{path}#empty.mp4")
    with (
        pytest.raises(VideoError, match="MAX_PIXELS"),
        open_source(Record(f"{path}#whole.mp4"), max_pixels=100),
    ):
        pass
    with open_source(Record(f"{path}#after.mp4")) as source:
        assert read_numbers(torch.stack(list(source.frames([5])))) == [5]


@pytest.mark.parametrize("name", ["", "/a.mp4", "../a.mp4", "a/../../b.mp4", "./a.mp4", "a\0b"])
def test_names_that_a_shard_cannot_hold(name: str, tmp_path: Path, videos: list[Path]) -> None:
    with pytest.raises(ValueError, match=r"expected a name like 'class/clip\.mp4'"):
        write_shard(tmp_path / "s.tar", [(name, videos[0])])
    assert not list(tmp_path.iterdir())


def test_what_stops_a_writer_leaves_the_old_shard(
    shard: Path, videos: list[Path], tmp_path: Path
) -> None:
    before = shard.read_bytes()
    with pytest.raises(ValueError, match=r"expected each name once, got 'a\.mp4' twice"):
        write_shard(shard, [("a.mp4", videos[0])] * 2)
    with pytest.raises(FileNotFoundError):
        write_shard(shard, [("a.mp4", tmp_path / "none.mp4")])
    with pytest.raises(ValueError, match=r"end in \.tar"):
        write_shard(tmp_path / "s.tgz", [])
    assert shard.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {shard.name, f"{shard.name}.idx"}
    with open_source(Record(f"{shard}#{NAMES[0]}")) as source:
        assert source.num_frames == 30


def test_a_large_size_is_read_from_its_own_header() -> None:
    """Sizes from 8 GiB on do not fit into the plain field."""
    info = tarfile.TarInfo("big.mp4")
    info.size = 9 << 30
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        block = io.BytesIO(info.tobuf(format)).getvalue()[-512:]
        assert is_header_of(block, "big.mp4", 9 << 30)
    assert not is_header_of(bytes(512), "big.mp4", 9 << 30)
    assert not is_header_of(block[:100], "big.mp4", 9 << 30)
