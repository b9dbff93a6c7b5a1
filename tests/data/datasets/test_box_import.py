"""Mirrors slowfast/data/datasets/box_import.py: what annotation tools export is read as AVA is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.datasets.box_import import import_boxes, read_coco, read_cvat
from slowfast.data.datasets.build import build_dataset
from slowfast.data.datasets.label_map import read_label_map

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><name>my task</name><original_size><width>200</width><height>100</height>
</original_size><source>movies/street.mp4</source></task></meta>
<track id="0" label="person">
 <box frame="0" outside="0" keyframe="1" xtl="20.0" ytl="10.0" xbr="60.0" ybr="90.0">
  <attribute name="action">walk</attribute></box>
 <box frame="15" outside="0" keyframe="0" xtl="20.0" ytl="10.0" xbr="60.0" ybr="90.0">
  <attribute name="action">walk</attribute></box>
 <box frame="30" outside="1" keyframe="1" xtl="20.0" ytl="10.0" xbr="60.0" ybr="90.0">
  <attribute name="action">walk</attribute></box>
</track>
<track id="1" label="dog">
 <box frame="30" outside="0" keyframe="1" xtl="100" ytl="0" xbr="200" ybr="50">
  <attribute name="action">run</attribute><attribute name="action">bark</attribute></box>
</track></annotations>
"""
IMAGES = [{"id": 7, "file_name": "street/000031.jpg", "width": 200, "height": 100}]
COCO: dict[str, Any] = {
    "images": IMAGES,
    "categories": [{"id": 1, "name": "walk"}, {"id": 3, "name": "run"}],
    "annotations": [
        {"image_id": 7, "category_id": 3, "bbox": [20, 10, 40, 80]},
        {"image_id": 7, "category_id": 1, "bbox": [20, 10, 40, 80], "attributes": {"pose": "sit"}},
    ],
}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_cvat(tmp_path: Path) -> None:
    path = write(tmp_path / "street.xml", CVAT)
    found = import_boxes(path, tmp_path / "out", fps=30, every=1, attribute="action")
    assert (found.boxes, found.keyframes, found.videos) == (3, 2, 1)
    assert found.actions == ("bark", "run", "walk")
    assert (tmp_path / "out/boxes.csv").read_text().splitlines() == [
        "street,0,0.1000,0.1000,0.3000,0.9000,3",
        "street,1,0.5000,0.0000,1.0000,0.5000,2",
        "street,1,0.5000,0.0000,1.0000,0.5000,1",
    ]
    assert read_label_map(tmp_path / "out/actions.pbtxt") == {1: "bark", 2: "run", 3: "walk"}
    assert [(box.frame, box.action) for box in read_cvat(path)] == [
        (0, "person"), (15, "person"), (30, "dog")
    ]  # fmt: skip


def test_coco(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", COCO)
    boxes = list(read_coco(path))
    assert [(box.video, box.frame, box.action) for box in boxes] == [
        ("street", 30, "run"), ("street", 30, "walk")
    ]  # fmt: skip
    assert boxes[0].corners == (0.1, 0.1, 0.3, 0.9)
    assert [box.frame for box in read_coco(path, first_frame=0)] == [31, 31]
    flat = COCO | {"images": [IMAGES[0] | {"file_name": "my.video_12.png"}]}
    assert next(read_coco(write(path, flat))).video == "my.video"
    listed = COCO | {
        "videos": [{"id": 1, "name": "street.mp4"}],
        "images": [IMAGES[0] | {"video_id": 1, "frame_id": 60}],
    }
    assert (next(read_coco(write(path, listed))).video, next(read_coco(path)).frame) == (
        "street", 60
    )  # fmt: skip


def test_numbers_of_another_split_are_kept(tmp_path: Path) -> None:
    labels = tmp_path / "train.pbtxt"
    labels.write_text('item { name: "swim" id: 1 }\nitem { name: "walk" id: 9 }\n')
    path = write(tmp_path / "a.json", COCO | {"annotations": COCO["annotations"][1:]})
    import_boxes(path, tmp_path / "out", fps=29.97, label_map=labels)
    assert (tmp_path / "out/boxes.csv").read_text() == (
        "street,1.001,0.1000,0.1000,0.3000,0.9000,9\n"
    )
    with pytest.raises(ValueError, match=r"a.json: the actions 'run' are not in .*train.pbtxt"):
        import_boxes(write(path, COCO), tmp_path / "out", fps=30, label_map=labels)


def test_what_was_imported_is_read_as_ava(
    tmp_path: Path, recipe: Callable[..., Any], make_video: Callable[..., Path],
    read_numbers: Callable,
) -> None:  # fmt: skip
    import_boxes(write(tmp_path / "a.json", COCO), tmp_path / "notes", fps=30)
    (tmp_path / "videos").mkdir()
    make_video(tmp_path / "videos/street.mp4", range(60), rate=30)
    cfg = recipe(
        "AVA/SLOWFAST_32x2_R50_SHORT.yaml",
        AVA__VIDEO_DIR=tmp_path / "videos",
        AVA__ANNOTATION_DIR=tmp_path / "notes",
        AVA__TRAIN_GT_BOX_LISTS=["boxes.csv"],
        AVA__TRAIN_PREDICT_BOX_LISTS=[],
        AVA__TEST_PREDICT_BOX_LISTS=["boxes.csv"],
        AVA__EXCLUSION_FILE="",
        AVA__LABEL_MAP_FILE="actions.pbtxt",
        AVA__START_SECOND=0,
        AVA__VALID_SECONDS=[],
        MODEL__NUM_CLASSES=2,
        DATA__SAMPLING_RATE=1,
        DATA__TEST_CROP_SIZE=64,
    )
    sample = build_dataset(cfg, "test").read(0)
    assert read_numbers(sample.clips()[0]) == list(range(26, 34))
    assert torch.equal(sample.boxes.labels, torch.tensor([[1.0, 1.0]]))
    assert sample.boxes.scores.tolist() == [1]


def test_what_cannot_be_imported(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=r"none.json: expected JSON with images, annotations and"):
        import_boxes(tmp_path / "none.json", out, fps=30)
    with pytest.raises(ValueError, match=r"a.json:1: not JSON"):
        import_boxes(write(tmp_path / "a.json", "{"), out, fps=30)
    with pytest.raises(ValueError, match=r"a.json: expected boxes, found none at these times"):
        import_boxes(write(tmp_path / "a.json", COCO), out, fps=30, every=4)
    broken = COCO | {"images": [{"id": 7, "file_name": "street.jpg", "width": 2, "height": 2}]}
    with pytest.raises(ValueError, match=r"a.json: annotation 0 lacks .*'street.jpg' has no video"):
        import_boxes(write(tmp_path / "a.json", broken), out, fps=30)
    with pytest.raises(ValueError, match=r"annotation 0 lacks what a box needs \(KeyError"):
        import_boxes(write(tmp_path / "a.json", COCO), out, fps=30, attribute="pose")
    with pytest.raises(ValueError, match=r"a.xml: expected an .xml of CVAT for video, found"):
        import_boxes(write(tmp_path / "a.xml", "<a>"), out, fps=30)
    with pytest.raises(ValueError, match=r"export it from CVAT as 'CVAT for video 1.1'"):
        import_boxes(write(tmp_path / "a.xml", "<annotations/>"), out, fps=30)
    with pytest.raises(
        ValueError, match=r"track 0, frame 0: expected the attribute 'pose', found a"
    ):
        import_boxes(write(tmp_path / "a.xml", CVAT), out, fps=30, attribute="pose")


@pytest.mark.parametrize(
    ("image", "bbox", "message"),
    [
        ({}, [20, 10, -40, 80], r"annotation 0: .*200x100 pixels, found x 20 to -20, y 10 to 90"),
        ({}, [20, 10, 400, 80], r"annotation 0: expected a box with its corners in the picture"),
        ({}, [float("nan"), 10, 40, 80], r"annotation 0: expected a box .* found x nan"),
        ({"width": 0}, [20, 10, 40, 80], r"annotation 0: expected a box .* picture of 0x100"),
        ({"width": None}, [20, 10, 40, 80], r"annotation 0 lacks what a box needs"),
        ({"file_name": "a/0.jpg"}, [20, 10, 40, 80], r"frames from 0, found -1; .*--first-frame 0"),
    ],
)
def test_boxes_that_are_none(
    image: dict[str, Any], bbox: list[float], message: str, tmp_path: Path
) -> None:
    content = COCO | {
        "images": [IMAGES[0] | image],
        "annotations": [{"image_id": 7, "category_id": 3, "bbox": bbox}],
    }
    with pytest.raises(ValueError, match=message):
        list(read_coco(write(tmp_path / "a.json", content)))


def test_videos_that_would_be_mixed(tmp_path: Path) -> None:
    names = [{"id": 1, "name": "a/street.v2"}, {"id": 2, "name": "b/street.v2.mp4"}]
    listed = COCO | {"videos": names, "images": [IMAGES[0] | {"video_id": 1, "frame_id": 60}]}
    path = write(tmp_path / "a.json", listed)
    with pytest.raises(ValueError, match=r"found 'a/street.v2' and 'b/street.v2.mp4', whose boxes"):
        list(read_coco(path))
    names.pop()
    assert next(read_coco(write(path, listed))).video == "street.v2"
    both = CVAT.replace("</meta>", CVAT[CVAT.index("<task>") : CVAT.index("</meta>")] + "</meta>")
    with pytest.raises(ValueError, match=r"a.xml: expected one video, found several"):
        list(read_cvat(write(tmp_path / "a.xml", both)))


def test_cvat_that_lacks_something(tmp_path: Path) -> None:
    for old, new, message in (
        ('xtl="20.0" ', "", r"track 0: expected a box with frame, xtl.*found {'frame': '0'"),
        ('frame="0"', 'frame="x"', r"track 0: expected a box with frame, xtl"),
        (' label="person"', "", r"track 0: expected a label, found none"),
        ("<width>200", "<width>0", r"track 0, frame 0: expected a box .* picture of 0x100 pixels"),
    ):
        with pytest.raises(ValueError, match=message):
            list(read_cvat(write(tmp_path / "a.xml", CVAT.replace(old, new))))
    with pytest.raises(ValueError, match=r"got 0 and 0; correct --fps or --every"):
        import_boxes(write(tmp_path / "a.xml", CVAT), tmp_path, fps=0)
