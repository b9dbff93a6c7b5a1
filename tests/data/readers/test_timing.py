"""Mirrors slowfast/data/readers/timing.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slowfast.data.readers.pyav import open_video
from slowfast.data.readers.timing import PacketTime, declared_seconds, fault_in_times
from slowfast.data.readers.video_error import VideoError

GOOD = [PacketTime(40 * i + 80, 40 * i, 40) for i in range(50)]  # milliseconds


def test_times_of_an_ordinary_stream_are_well() -> None:
    assert fault_in_times(GOOD, 1e-3, declared=2.08) == ""
    assert fault_in_times(GOOD, 1e-3, declared=None) == ""
    assert fault_in_times([], 1e-3, declared=3.0) == ""
    gap = [*GOOD[:25], *(PacketTime(p.pts + 5000, p.dts + 5000, 40) for p in GOOD[25:])]
    assert fault_in_times(gap, 1e-3, declared=12.0) == ""  # who pauses for 5 s may do so again


def test_a_frame_far_away_is_damage() -> None:
    late = [*GOOD[:20], PacketTime(536_886_784, 800, 40), *GOOD[21:]]
    assert fault_in_times(late, 1e-3, declared=None) == (
        "a frame would be shown 536886 s after it was sent: its times are damaged"
    )


def test_missing_seconds_are_told() -> None:
    assert fault_in_times(GOOD[:20], 1e-3, declared=2.08) == (
        "expected 2.08 s of video by its own tags, found 0.88 s"
    )


@pytest.mark.parametrize(
    ("tag", "seconds"),
    [("00:00:02.500000000", 2.5), ("01:02:03.000000000", 3723), ("soon", None), ("", None)],
)
def test_declared_seconds(tag: str, seconds: float | None) -> None:
    assert declared_seconds({"DURATION": tag} if tag else {}) == seconds


def test_a_matroska_file_that_ends_early_is_refused(
    make_video: Callable[..., Path], tmp_path: Path
) -> None:
    """As if the last eight seconds had been lost."""
    path = make_video(tmp_path / "plain.mkv", range(40))
    path.write_bytes(path.read_bytes().replace(b"00:00:01.3", b"00:00:09.3"))
    with (
        pytest.raises(VideoError, match=r"plain.mkv: expected 9.33 s of video by its own tags"),
        open_video(path),
    ):
        pass
