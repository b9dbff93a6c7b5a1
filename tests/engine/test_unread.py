"""Mirrors slowfast/engine/unread.py."""

from __future__ import annotations

from slowfast.data.batch import BadSample
from slowfast.data.record import Record
from slowfast.engine.unread import left_out_entry, samples_are


def test_a_keyframe_is_named_with_its_second() -> None:
    videos = [Record("a.mp4", 0)]
    keyframes = [Record("a.mp4", 0), Record("a.mp4", 0, keyframe=2.5, keyframe_key=("a", 902.5))]
    bad = BadSample(1, "a.mp4", "it ends there", second=902.5)
    expected = {"video": "a.mp4", "second": 902.5, "cause": "it ends there"}
    assert left_out_entry(bad) == expected
    assert left_out_entry(BadSample(0, "a.mp4", "x")) == {"video": "a.mp4", "cause": "x"}
    assert [samples_are(each) for each in (videos, keyframes[1:], [])] == [
        "videos", "keyframes", "videos"
    ]  # fmt: skip
