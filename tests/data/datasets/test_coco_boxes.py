"""Mirrors slowfast/data/datasets/coco_boxes.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slowfast.data.datasets.coco_boxes import read_coco

IMAGE = {"id": 7, "file_name": "street/000031.jpg", "width": 200, "height": 100}
BOX = {"image_id": 7, "category_id": 3, "bbox": [20, 10, 40, 80]}


def write(folder: Path, image: dict[str, Any], box: dict[str, Any], **more: Any) -> Path:
    content = {
        "images": [IMAGE | image],
        "categories": [{"id": 3, "name": "run"}],
        "annotations": [BOX | box],
        **more,
    }
    path = folder / "a.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, ("street", 30)),
        ({"file_name": "my.video_12.png"}, ("my.video", 11)),
        ({"file_name": "clip_000123.jpg"}, ("clip", 122)),
        ({"file_name": "clip.mp4_000123.jpg"}, ("clip", 122)),
        ({"file_name": "clip.mp4/000123.jpg"}, ("clip", 122)),
        ({"file_name": "images/clip_000123.jpg"}, ("clip", 122)),
        ({"file_name": "street/frame_000031.PNG"}, ("street", 31)),
        ({"video_id": 1, "frame_id": 60}, ("yard", 60)),
        ({"video_id": 1, "frame_index": 5}, ("yard", 5)),
        ({"video": "b/lane.mov", "frame": 4}, ("lane", 4)),
    ],
)
def test_a_picture_is_a_frame_of_a_video(
    image: dict[str, Any], expected: tuple[str, int], tmp_path: Path
) -> None:
    videos = [{"id": 1, "name": "yard.mp4"}] if "video_id" in image else []
    reading = read_coco(write(tmp_path, image, {}, videos=videos))
    (box,) = reading.boxes
    assert (box.video, box.frame) == expected
    assert (box.corners, box.size, box.actions) == ((20, 10, 60, 90), (200, 100), ("run",))


def test_how_pictures_are_numbered_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, {}, {})
    (note,) = read_coco(path).notes
    assert note.endswith("pictures are numbered from 1 (--first-frame), as '000031.jpg' is")
    assert read_coco(path, first_frame=0).boxes[0].frame == 31
    own = write(tmp_path, {"file_name": "frame_000031.PNG"}, {})
    assert read_coco(own, video="lane").boxes[0].frame == 31
    with pytest.raises(ValueError, match=r"'frame_000031.PNG' has no video and number; .* --video"):
        read_coco(own)


def test_attributes_and_what_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, {}, {"attributes": {"pose": "sit", "phone": True, "bag": False}})
    assert read_coco(path, attributes=("pose", "phone", "bag")).boxes[0].actions == ("sit", "phone")
    with pytest.raises(
        ValueError, match=r"the attribute 'poes' \(did you mean 'pose' or 'phone'\?\), fo"
    ):
        read_coco(path, attributes=("poes",))
    with pytest.raises(ValueError, match=r"annotation 0: .* the attribute 'pose', found none"):
        read_coco(write(tmp_path, {}, {"attributes": [1]}), attributes=("pose",))
    reading = read_coco(write(tmp_path, {}, {"iscrowd": 1}))
    assert reading.left_out == {"boxes of crowds (iscrowd)": 1}
    empty = read_coco(write(tmp_path, {}, {}, images=[IMAGE, IMAGE | {"id": 8}]))
    assert empty.left_out == {"pictures without annotations": 1}


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"width": None}, r"annotation 0 lacks what a box needs"),
        ({"file_name": "street.jpg"}, r"annotation 0 lacks .*'street.jpg' has no video"),
        ({"file_name": "a/0.jpg"}, r"frames from 0, found -1; .*--first-frame 0"),
    ],
)
def test_boxes_without_a_place(image: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_coco(write(tmp_path, image, {}))


def test_files_that_are_not_understood(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.json: expected JSON with images, annotations and"):
        read_coco(tmp_path / "none.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ValueError, match=r"a.json:1: not JSON"):
        read_coco(tmp_path / "a.json")
    with pytest.raises(ValueError, match=r"a.json: expected JSON with .*annotations 5, no list"):
        read_coco(write(tmp_path, {}, {}, annotations=5))
    names = [{"id": 1, "name": "a/street.v2"}, {"id": 2, "name": "b/street.v2.mp4"}]
    with pytest.raises(ValueError, match=r"found 'a/street.v2' and 'b/street.v2.mp4', whose boxes"):
        read_coco(write(tmp_path, {"video_id": 1, "frame_id": 6}, {}, videos=names))
