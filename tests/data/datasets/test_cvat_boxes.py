"""Mirrors slowfast/data/datasets/cvat_boxes.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowfast.data.datasets.cvat_boxes import read_cvat

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><name>my task</name><start_frame>0</start_frame><stop_frame>40</stop_frame>
<frame_filter></frame_filter><original_size><width>200</width><height>100</height>
</original_size><source>movies/street.mp4</source></task></meta>
<track id="0" label="person">
 <box frame="0" outside="0" keyframe="1" xtl="20.0" ytl="10.0" xbr="60.0" ybr="90.0">
  <attribute name="action">walk</attribute><attribute name="phone">true</attribute></box>
 <box frame="15" outside="0" keyframe="0" xtl="30.0" ytl="10.0" xbr="70.0" ybr="90.0">
  <attribute name="action">walk</attribute><attribute name="phone">false</attribute></box>
 <box frame="30" outside="1" keyframe="1" xtl="20.0" ytl="10.0" xbr="60.0" ybr="90.0">
  <attribute name="action">walk</attribute></box>
</track>
<track id="1" label="dog">
 <box frame="30" outside="0" keyframe="1" xtl="100" ytl="0" xbr="200" ybr="50"></box>
 <polygon frame="30" outside="0" points="1,1;2,2;3,1"/>
</track></annotations>
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "a.xml"
    path.write_text(text)
    return path


def test_boxes_of_tracks(tmp_path: Path) -> None:
    reading = read_cvat(write(tmp_path, CVAT))
    found = [(box.video, box.frame, box.actions) for box in reading.boxes]
    assert sorted(found) == [
        ("street", 0, ("person",)), ("street", 15, ("person",)), ("street", 30, ("dog",))
    ]  # fmt: skip
    assert reading.left_out == {
        "boxes marked as outside": 1,
        "shapes that are no boxes (polygon)": 1,
    }
    assert reading.boxes[0].size == (200, 100)
    assert read_cvat(tmp_path / "a.xml", video="clip.v2").boxes[0].video == "clip.v2"


def test_values_and_ticks_of_attributes_are_actions(tmp_path: Path) -> None:
    reading = read_cvat(write(tmp_path, CVAT), attributes=("action", "phone"))
    actions = {box.frame: box.actions for box in reading.boxes}
    assert actions == {0: ("walk", "phone"), 15: ("walk",)}
    assert reading.left_out["boxes of 'dog', which have no attribute 'action' or 'phone'"] == 1
    with pytest.raises(
        ValueError, match=r"'actoin' \(did you mean 'action'\?\), found action, pho"
    ):
        read_cvat(tmp_path / "a.xml", attributes=("actoin",))


def test_wanted_frames_lie_on_the_line_between_boxes(tmp_path: Path) -> None:
    """Frame 6 is two fifths of the way from frame 0 to frame 15; 35 is after the end."""
    reading = read_cvat(write(tmp_path, CVAT), wanted=lambda video, last: [0, 6, 15, 20, 35])
    (between,) = [box for box in reading.boxes if box.frame == 6]
    assert between.corners == pytest.approx((24, 10, 64, 90))
    assert sorted(box.frame for box in reading.boxes) == [0, 6, 15, 20, 30]
    assert reading.added.total() == 2


def test_a_turned_box_is_the_upright_one_around_it(tmp_path: Path) -> None:
    turned = CVAT.replace('xtl="100" ytl="0" xbr="200" ybr="50"',
                          'xtl="100" ytl="40" xbr="140" ybr="60" rotation="90"')  # fmt: skip
    (dog,) = [b for b in read_cvat(write(tmp_path, turned)).boxes if b.actions == ("dog",)]
    assert dog.corners == pytest.approx((110, 30, 130, 70))


def test_files_that_are_not_understood(tmp_path: Path) -> None:
    both = CVAT.replace("</meta>", CVAT[CVAT.index("<task>") : CVAT.index("</meta>")] + "</meta>")
    for text, message in (
        ("<a>", r"a.xml: expected an .xml of CVAT for video, found"),
        ("<annotations/>", r"export it from CVAT as 'CVAT for video 1.1'"),
        (CVAT.replace("<width>200", "<width>x"), r"a.xml: expected width and .* 'x' and '100'"),
        (both, r"a.xml: expected one video, found several"),
        (CVAT.replace('xtl="20.0" ', ""), r"track 0: expected a box with frame, xtl.*{'frame'"),
        (CVAT.replace('frame="0"', 'frame="x"'), r"track 0: expected a box with frame, xtl"),
        (CVAT.replace(' label="person"', ""), r"track 0: expected a label, found none"),
        (CVAT.replace("frame>40", "frame>20"), r"track 1, frame 30: expected frames 0 to 20 of"),
    ):
        with pytest.raises(ValueError, match=message):
            read_cvat(write(tmp_path, text))
