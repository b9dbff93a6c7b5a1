"""Mirrors slowfast/data/datasets/ava_boxes.py: each malformed line is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowfast.data.datasets.ava_boxes import (
    BoxLists,
    keyframe_text,
    read_exclusions,
    read_keyframes,
    second_text,
)
from slowfast.data.datasets.box_rows import read_box_rows


def lists(path: Path, text: str, *, detected: bool) -> BoxLists:
    path.write_text(text)
    boxes = BoxLists(num_classes=80, score_threshold=0.9)
    boxes.add(path, detected=detected)
    return boxes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("v,902,0.1,0.2", r"boxes.csv:2: expected 'video,second,.*, found 'v,902,0.1,0.2' with 4"),
        ("v,later,0,0,1,1,,0.9", r"boxes.csv:2: expected a second, found 'later'"),
        ("v,902,a,0,1,1,,0.9", r"boxes.csv:2: expected numbers x1,y1,x2,y2, found 'a'"),
        ("v,902,10,20,300,200,,0.9", r"boxes.csv:2: expected .* shares .* divide pixels by"),
        ("v,902,0.5,0,0.4,1,,0.9", r"boxes.csv:2: expected .* the smaller ones first"),
        ("v,902,0,0,1,1,,high", r"boxes.csv:2: expected a score from 0 to 1, found 'high'"),
        ("v,902,0,0,1,1,,nan", r"boxes.csv:2: expected a score from 0 to 1, found 'nan'"),
        ("v,nan,0,0,1,1,,0.9", r"boxes.csv:2: expected a second, found 'nan'"),
        ('"v,902,0,0,1,1,,0.9\nv,903,0,0,1,1,,0.9', r"boxes.csv:2: expected quotes around whole"),
        ("v,902,0,0,1,1,0,0.9", r"boxes.csv:2: expected an action from 1 to 80, .* found '0'"),
        ("v,902,0,0,1,1,81,0.9", r"found '81'; set MODEL.NUM_CLASSES"),
        ("v,902,0,0,1,1,run,0.9", r"found 'run'; set MODEL.NUM_CLASSES"),
    ],
)
def test_malformed_lines(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lists(tmp_path / "boxes.csv", f"v,902,0,0,1,1,,0.9\n{line}\n", detected=True)


def test_scores_are_of_detected_boxes_only(tmp_path: Path) -> None:
    """The last column of an annotated box is the number of the person."""
    text = "v,902,0,0,1,1,5,0\nv,902.5,0,0,1,1,,0.95\n\n"
    assert len(lists(tmp_path / "a.csv", text, detected=False).keyframes) == 2
    assert list(lists(tmp_path / "a.csv", text, detected=True).keyframes) == [("v", 902.5)]


def test_exclusions(tmp_path: Path) -> None:
    path = tmp_path / "excluded.csv"
    path.write_text("a,0902\nb,1000\n")
    assert read_exclusions(path) == {("a", 902), ("b", 1000)}
    path.write_text("a 0902\n")
    with pytest.raises(
        ValueError, match=r"excluded.csv:1: expected 'video,second', found 'a 0902'"
    ):
        read_exclusions(path)


def test_seconds_are_written_so_that_they_are_found_again() -> None:
    written = [second_text(each) for each in (902, 0.5, 12345.6789, 2.00001, 7 / 3)]
    assert written == ["0902", "0.5", "12345.6789", "2.00001", "2.3333333333333335"]


@pytest.mark.parametrize("video", ["plain", "a,b", 'say "hi"', "#1", "u\u0308 \u8dd1"])
def test_names_are_written_so_that_they_are_found_again(video: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{keyframe_text((video, 1.234567))},0,0,1,1,2,0.9\n", encoding="utf-8")
    assert not path.read_text(encoding="utf-8").startswith("#")
    assert read_keyframes(path) == {video: [1.234567]}
    assert read_box_rows(path, detected=True).names == (video,)


def test_keyframes_of_lists(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("v,3,0,0,1,1,2\nv,0001,,,,,\nv,3.0,0,0,.5,1,2\nw,2\n")
    assert read_keyframes(tmp_path / "a.csv") == {"v": [1, 3], "w": [2]}
