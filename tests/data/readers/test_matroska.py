"""Mirrors slowfast/data/readers/matroska.py: lost parts are noticed, live files are not judged."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from slowfast.data.readers.matroska import first_fault, segment_end
from slowfast.data.readers.pyav import open_video
from slowfast.data.readers.video_error import VideoError

HEAD = b"\x1a\x45\xdf\xa3\x81\0"


def element(name: str, content: bytes) -> bytes:
    return bytes.fromhex(name) + (0x4000 | len(content)).to_bytes(2, "big") + content


BLOCK = element("a3", bytes(20))
CLUSTER = element("1f43b675", element("e7", b"\0") + BLOCK + BLOCK)
INFO = element("1549a966", bytes(9))
VOID = element("ec", bytes(30))


def fault(*parts: bytes) -> int | None:
    return first_fault(io.BytesIO(HEAD + element("18538067", b"".join(parts))))


def test_parts_that_fill_each_other_are_well() -> None:
    assert fault(INFO, VOID, CLUSTER, CLUSTER) is None
    assert first_fault(io.BytesIO(b"no matroska at all")) is None


def test_the_byte_of_a_part_that_is_none_is_given() -> None:
    begin = len(HEAD) + 6
    assert fault(INFO, b"\0" * 40, CLUSTER) == begin + len(INFO)
    spoilt = element("1f43b675", BLOCK + b"\0" + BLOCK[1:])
    assert fault(INFO, spoilt) == begin + len(INFO) + 6 + len(BLOCK)
    assert fault(INFO, CLUSTER[:-5]) == begin + len(INFO)  # longer than what holds it


def test_live_files_are_not_judged() -> None:
    live = HEAD + b"\x18\x53\x80\x67\xff" + b"\0" * 50
    assert segment_end(io.BytesIO(live)) is None
    assert first_fault(io.BytesIO(live)) is None


@pytest.mark.parametrize("name", ["plain.mkv", "vp9.webm"])
def test_a_file_with_a_lost_block_is_refused(
    name: str, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    """The demuxer finds its way to the next cluster; the frames between would be missing."""
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    path = make_video(tmp_path / name, range(40), codec=codec)
    with open_video(path) as source:
        assert source.num_frames == 40
    data = bytearray(path.read_bytes())
    with path.open("rb") as file:
        assert first_fault(file) is None
    at = data.index(b"\x1f\x43\xb6\x75") + 30
    block = data.index(b"\xa3", at)
    data[block] = 0x02
    path.write_bytes(data)
    with (
        pytest.raises(VideoError, match=r"its parts do not fit at byte \d+; get it again"),
        open_video(path),
    ):
        pass
