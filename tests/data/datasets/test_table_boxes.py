"""Mirrors slowfast/data/datasets/table_boxes.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowfast.data.datasets.table_boxes import read_table_boxes


def write(folder: Path, text: str) -> Path:
    path = folder / "a.csv"
    path.write_text(text)
    return path


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "who;Frame;left;top;width;height;Label;file\n"
                 "kim;50;412;88;120;301;carry | talk;x/shop a.mp4\n")  # fmt: skip
    reading = read_table_boxes(path)
    (box,) = reading.boxes
    assert (box.video, box.frame, box.second) == ("shop a", 50, None)
    assert (box.corners, box.size) == ((412, 88, 532, 389), None)
    assert box.actions == ("carry", "talk")
    assert [note.partition(": ")[2] for note in reading.notes] == [
        "corners are taken as pixels of the video",
        "frames are numbered from 0 (--first-frame)",
        "columns that are passed over: who",
    ]
    assert read_table_boxes(path, first_frame=1).boxes[0].frame == 49


def test_shares_are_told_from_pixels(tmp_path: Path) -> None:
    text = "video,time,xmin,ymin,xmax,ymax,action\nv,2.5,0,0,1,0.5,\n"
    reading = read_table_boxes(write(tmp_path, text))
    assert reading.boxes[0].size == (1, 1)
    assert reading.boxes[0].second == 2.5
    assert reading.boxes[0].actions == ()
    with pytest.raises(ValueError, match=r"a.csv:2: expected corners in pixels, as in .*a.csv:3"):
        read_table_boxes(write(tmp_path, text + "v,3,10,10,40,40,run\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,902,0,0,1,1,3\n", r"a.csv:1: expected a header .* AVA's own format needs no import"),
        ("video,frame,x,y,w,label\n", r"which lacks corners \(x1,y1,x2,y2 or x,y,width,height\)"),
        ("video,frame,x1,y1,x2,y2,label\nv,1.5,0,0,1,1,a\n", r"a.csv:2: .* call the column second"),
        (
            "video,second,x1,y1,x2,y2,label\nv,1,0,0,?,1,a\n",
            r"a.csv:2: expected a corner, found '\?",
        ),
        (
            "video,second,x1,y1,x2,y2,label\nv,1,0,0,1,1,carry, talk\n",
            r"a.csv:2: expected 7 columns as in the header, found 8: .* divide several actions by",
        ),
        ("video,second,x1,y1,x2,y2,label\n,1,0,0,1,1,a\n", r"a.csv:2: expected a video, found"),
    ],
)
def test_tables_that_are_not_understood(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_table_boxes(write(tmp_path, text))
