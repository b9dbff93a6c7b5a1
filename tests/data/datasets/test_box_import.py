"""Mirrors slowfast/data/datasets/box_import.py: annotations and videos to lists like AVA's."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.datasets.box_import import import_boxes
from slowfast.data.datasets.build import build_dataset
from slowfast.data.datasets.label_map import read_label_map

HEADER = "video,second,x1,y1,x2,y2,action\n"
IMAGES = [{"id": 7, "file_name": "street/000031.jpg", "width": 200, "height": 100}]
COCO: dict[str, Any] = {
    "images": IMAGES,
    "categories": [{"id": 1, "name": "walk"}, {"id": 3, "name": "run"}],
    "annotations": [
        {"image_id": 7, "category_id": 3, "bbox": [20, 10, 40, 80]},
        {"image_id": 7, "category_id": 1, "bbox": [20, 10, 40, 80]},
    ],
}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def rows(path: Path) -> list[str]:
    return path.read_text().splitlines()


# Frames of unlike rates; those of `uneven` are 20 ms apart, and 100 ms after the tenth.
UNEVEN = [20 * i if i < 10 else 200 + 100 * (i - 10) for i in range(30)]
RATES: dict[str, dict[str, Any]] = {
    "r24.mp4": {"rate": 24}, "r25.mp4": {"rate": 25}, "r2997.mp4": {"rate": Fraction(30000, 1001)},
    "r50.mp4": {"rate": 50}, "uneven.mkv": {"rate": 30, "ticks": UNEVEN},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path],
    turn_video: Callable[..., Path],
) -> Path:  # fmt: skip
    """Videos of 96x64 pixels whose frames show their numbers, one of them to be shown turned."""
    folder = tmp_path_factory.mktemp("videos")
    for name, how in RATES.items():
        make_video(folder / name, range(30 if "ticks" in how else 80), **how)
    turn_video(make_video(folder / "turned.mp4", range(30)), (0, 1, -1, 0))
    return folder


def test_each_frame_is_found_again_whatever_the_rate(
    folder: Path, tmp_path: Path, recipe: Callable[..., Any], read_numbers: Callable
) -> None:
    """Frame 17 of each video is annotated: it is in the middle of the clip that is made of it."""
    table = "video,frame,x1,y1,x2,y2,label\n"
    table += "".join(f"{name},17,0.1,0.2,0.5,0.9,walk\n" for name in RATES)
    found = import_boxes([write(tmp_path / "a.csv", table)], tmp_path, videos=folder)
    assert found.left_out["videos without annotations (the first is 'turned')"] == 1
    seconds = {line.split(",")[0]: float(line.split(",")[1]) for line in rows(found.lists[0].path)}
    assert seconds == pytest.approx(
        {"r24": 17 / 24, "r25": 0.68, "r2997": 0.5672, "r50": 0.34, "uneven": 0.9}, abs=1e-4
    )
    settings = {
        "AVA__VIDEO_DIR": folder, "AVA__ANNOTATION_DIR": tmp_path,
        "AVA__TEST_PREDICT_BOX_LISTS": ["boxes.csv"], "AVA__EXCLUSION_FILE": "",
        "AVA__LABEL_MAP_FILE": "actions.pbtxt", "AVA__START_SECOND": 0, "AVA__VALID_SECONDS": [],
        "MODEL__NUM_CLASSES": 1, "DATA__SAMPLING_RATE": 3, "DATA__TEST_CROP_SIZE": 64,
    }  # fmt: skip
    data = build_dataset(recipe("AVA/SLOWFAST_32x2_R50_SHORT.yaml", **settings), "test")
    clips = {}
    for row in range(len(data)):
        sample = data.read(row)
        clips[Path(sample.path).stem] = read_numbers(sample.clips()[0])
        torch.testing.assert_close(
            sample.boxes.corners, torch.tensor([[9.6, 12.8, 48.0, 57.6]]), rtol=0, atol=1e-3
        )
    # Steps of a tenth of a second: 2.4, 2.5, 3 and 5 frames; in `uneven` each one, five before.
    assert clips["r24"] == [7, 10, 12, 15, 17, 19, 22, 24]
    assert clips["r2997"] == [5, 8, 11, 14, 17, 20, 23, 26]
    assert clips["r50"] == [0, 2, 7, 12, 17, 22, 27, 32]
    assert clips["uneven"] == [13, 14, 15, 16, 17, 18, 19, 20]
    assert clips["r25"][4] == 17


def test_keyframes_every_second_are_the_frames_nearest_to_them(
    folder: Path, tmp_path: Path
) -> None:
    """In a video of 29.97 frames a second that is frame 30 for second 1, called 1."""
    table = HEADER.replace("second", "frame") + "".join(
        f"r2997,{frame},9.6,6.4,48,64,walk\n" for frame in range(80)
    )
    path = write(tmp_path / "a.csv", table)
    found = import_boxes([path], tmp_path, videos=folder, every=1)
    assert [line.split(",")[1] for line in rows(found.lists[0].path)] == ["0000", "0001", "0002"]
    assert rows(found.lists[0].path)[0] == "r2997,0000,0.1000,0.1000,0.5000,1.0000,1"
    assert found.left_out["boxes at other times than --every 1"] == 77
    assert "corners are taken as pixels of the video" in found.notes[0]
    write(path, "".join(table.splitlines(keepends=True)[i] for i in (0, 3, 4)))
    with pytest.raises(ValueError, match=r"found none at these times; .*2 boxes at other"):
        import_boxes([path], tmp_path, videos=folder, every=1)


def test_videos_are_split_and_classes_counted(folder: Path, tmp_path: Path) -> None:
    lines = "r24.mp4,0.5,0.1,0.1,0.5,0.5,walk|talk\nr25,1,0.1,0.1,0.5,0.5,walk\n"
    lines += "r25,1,0.1,0.1,0.5,0.5,walk\nr50,1,0.1,0.1,1.1,0.5,sit\nr50,1,0.2,0.1,0.9,0.5,\n"
    source, val = write(tmp_path / "a.csv", HEADER + lines), tmp_path / "val.txt"
    val.write_text("r50.mp4\n\n")
    found = import_boxes([source], tmp_path / "out", videos=folder, val=str(val))
    train, held = found.lists
    assert found.classes == {1: "sit", 2: "talk", 3: "walk"}
    assert read_label_map(tmp_path / "out/actions.pbtxt") == found.classes
    assert (train.videos, train.keyframes, train.boxes) == (2, 2, 2)
    assert dict(train.per_class) == {"walk": 2, "talk": 1}
    assert rows(held.path) == [
        "r50,0001,0.1000,0.1000,1.0000,0.5000,1",
        "r50,0001,0.2000,0.1000,0.9000,0.5000,",
    ]
    assert held.without_action == 1
    assert found.changed["boxes cut at the edge of the picture"] == 1
    assert found.left_out["rows that say the same as another"] == 1
    shares = import_boxes([source], tmp_path / "out", videos=folder, val="0.4").lists
    assert [each.videos for each in shares] == [2, 1]
    for text, message in (
        ("r5O\n", r"val.txt:1: expected one of the 3 annotated videos, found 'r5O' \(did you mean"),
        ("\n", "both lists have videos, found 0"),
    ):
        val.write_text(text)
        with pytest.raises(ValueError, match=message):
            import_boxes([source], tmp_path / "out", videos=folder, val=str(val))
    with pytest.raises(ValueError, match=r"--val 2: expected a share between 0 and 1"):
        import_boxes([source], tmp_path / "out", videos=folder, val="2")
    with pytest.raises(ValueError, match=r"--val no.txt: expected a share, as 0.2, or a file"):
        import_boxes([source], tmp_path / "out", videos=folder, val="no.txt")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("r52.mp4,1,0,0,1,1,a", r"a.csv:2: .* 1 that are not there: 'r52' \(did you mean 'r50'"),
        ("r25,9,0,0,1,1,a", r"a.csv:2: .* frames 0 to 79 in 3.16 s, found second 9; .* set --fps"),
        ("r25,1,0.2,0,0.1,1,a", r"a.csv:2: expected a box .* shares, found x 0.2 to 0.1"),
        ("r25,1,0,0,1,1,Walk\nr25,1,0,0,1,1,walk", r"'Walk' \(1 boxes\) and 'walk' \(1\), which"),
        ("r25,1,0,0,1,1,", r"expected actions, found boxes without"),
    ],
)
def test_rows_that_cannot_be_used(line: str, message: str, folder: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + line + "\n")
    with pytest.raises(ValueError, match=message):
        import_boxes([path], tmp_path / "out", videos=folder)


def test_videos_that_are_missing_may_be_left_out(folder: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + "gone,1,0,0,1,1,a\nr25,1,0,0,1,1,a\n")
    found = import_boxes([path], tmp_path / "out", videos=folder, skip_missing=True)
    assert found.left_out[f"boxes of 'gone', which is not in {folder}"] == 1
    assert found.lists[0].boxes == 1


def test_a_picture_of_another_shape_than_the_video_is_refused(folder: Path, tmp_path: Path) -> None:
    """`turned` is 96x64 in the file and 64x96 on the screen."""
    image = {"id": 7, "file_name": "turned_5.jpg", "width": 192, "height": 128}
    path = write(tmp_path / "a.json", COCO | {"images": [image]})
    with pytest.raises(ValueError, match=r"annotation 0: .* is 64x96 .* found 192x128; .* turned"):
        import_boxes([path], tmp_path, videos=folder)
    write(path, COCO | {"images": [image | {"width": 128, "height": 192}]})
    assert import_boxes([path], tmp_path, videos=folder).lists[0].boxes == 1
    write(path, COCO | {"images": [image | {"width": 100, "height": 100}]})
    with pytest.raises(ValueError, match="annotate the same file, or write the video"):
        import_boxes([path], tmp_path, videos=folder)


def test_frames_may_be_numbered_at_a_rate_of_their_own(folder: Path, tmp_path: Path) -> None:
    """Pictures that were taken twice a second: the third of them is second 1."""
    images = [IMAGES[0] | {"file_name": "r50_3.jpg", "width": 96, "height": 64}]
    path = write(tmp_path / "a.json", COCO | {"images": images})
    found = import_boxes([path], tmp_path, videos=folder, fps=2)
    assert rows(found.lists[0].path)[0].startswith("r50,0001,")
    without = import_boxes([path], tmp_path, fps=4, every=0.5)
    assert rows(without.lists[0].path)[0].startswith("r50,0.5,")
    with pytest.raises(ValueError, match="set --videos or --fps"):
        import_boxes([path], tmp_path)
    with pytest.raises(ValueError, match=r"got 0 and 0; correct --fps or --every"):
        import_boxes([path], tmp_path, fps=0)
    table = write(tmp_path / "t.csv", HEADER + "r25,1,10,10,40,40,a\n")
    with pytest.raises(ValueError, match=r"t.csv:2: .*found pixels, and no video .* set --videos"):
        import_boxes([table], tmp_path, fps=25)
    with pytest.raises(ValueError, match=r"a.zip: expected .xml of CVAT for video, .json"):
        import_boxes([tmp_path / "a.zip"], tmp_path, fps=25)


def test_numbers_of_another_split_are_kept(tmp_path: Path) -> None:
    labels = tmp_path / "train.pbtxt"
    labels.write_text('item { name: "swim" id: 1 }\nitem { name: "walk" id: 9 }\n')
    path = write(tmp_path / "a.json", COCO | {"annotations": COCO["annotations"][1:]})
    found = import_boxes([path], tmp_path / "out", fps=29.97, label_map=labels)
    assert rows(found.lists[0].path) == ["street,1.001,0.1000,0.1000,0.3000,0.9000,9"]
    assert found.classes == {1: "swim", 9: "walk"}
    labels.write_text('item { name: "rum" id: 1 }\nitem { name: "walk" id: 9 }\n')
    with pytest.raises(
        ValueError, match=r"'run' \(did you mean 'rum'\?\) are not in .*train.pbtxt"
    ):
        import_boxes([write(path, COCO)], tmp_path / "out", fps=30, label_map=labels)


def test_actions_that_are_numbers_keep_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + "v,1,0,0,1,1,12\nv,1,0,0,1,1,4\n")
    found = import_boxes([path], tmp_path / "out", fps=30)
    assert found.classes == {4: "4", 12: "12"}
    assert [line[-2:] for line in rows(found.lists[0].path)] == ["12", ",4"]
