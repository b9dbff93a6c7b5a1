"""Mirrors slowfast/data/datasets/ava.py: keyframes with boxes, from frames and from videos."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.batch import Sample
from slowfast.data.datasets.build import build_dataset, build_loader, class_names_from_cfg
from slowfast.data.readers.video_error import VideoError

HEADER = "original_vido_id video_id frame_id path labels"
FPS = 2  # frames a second, so that a few pictures cover many seconds
SECONDS = 14  # 900 to 913


@pytest.fixture
def folder(tmp_path: Path, write_pictures: Callable[..., list[str]]) -> Path:
    """Two videos of 28 frames; video v has number 60 v + f in frame f."""
    rows = []
    for v, name in enumerate(("clipA", "clipB")):
        names = write_pictures(
            tmp_path / f"frames/{name}", [60 * v + f for f in range(FPS * SECONDS)]
        )
        rows += [f'{name} {v} {f} {name}/{file} ""' for f, file in enumerate(names)]
    notes = tmp_path / "annotations"
    notes.mkdir()
    for split in ("train", "val"):
        (tmp_path / f"{split}.csv").write_text("\n".join([HEADER, *rows, ""]))
    (notes / "gt.csv").write_text(
        "clipA,0902,0.1,0.2,0.5,0.9,80,0\n"
        "clipA,0902,0.1,0.2,0.5,0.9,3,0\n"  # the same box, another action
        "clipA,0902,0.6,0.2,0.9,0.8,1,7\n"
        "clipB,0904,0.000,0.000,1.000,1.000,2\n"  # seven columns
        "clipB,0901,0.1,0.1,0.2,0.2,2,0\n"  # before the valid seconds
        "clipB,0905,,,,,,\n"  # nobody
        "clipC,0904,0.1,0.1,0.2,0.2,2,0\n"  # no frames
    )
    (notes / "detected.csv").write_text(
        "clipA,0902,0.1,0.2,0.5,0.9,12,0.99\n"
        "clipA,0903,0.1,0.1,0.3,0.3,,0.95\n"
        "clipA,0903,0.2,0.2,0.4,0.4,-1,0.5\n"  # below the threshold
        "clipA,0904,0.2,0.2,0.4,0.4,-1,0.92\n"
        "clipB,0904,0.0,0.0,0.5,0.5,,0.97\n"
        "clipB,0908,0.0,0.0,0.5,0.5,,0.97\n"
    )
    (notes / "excluded.csv").write_text("clipB,0904\n")
    (notes / "map.pbtxt").write_text(
        'item {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\n'
        'label { name: "run" label_id: 12 }\n'
    )
    return tmp_path


@pytest.fixture
def configure(folder: Path, recipe: Callable[..., Any]) -> Callable[..., Any]:
    def make(**keys: Any) -> Any:
        base = {
            "AVA__FRAME_DIR": folder / "frames",
            "AVA__FRAME_LIST_DIR": folder,
            "AVA__ANNOTATION_DIR": folder / "annotations",
            "AVA__TRAIN_GT_BOX_LISTS": ["gt.csv"],
            "AVA__TRAIN_PREDICT_BOX_LISTS": ["gt.csv", "detected.csv"],
            "AVA__TEST_PREDICT_BOX_LISTS": ["detected.csv"],
            "AVA__EXCLUSION_FILE": "excluded.csv",
            "AVA__LABEL_MAP_FILE": "map.pbtxt",
            "AVA__DETECTION_SCORE_THRESH": 0.9,
            "AVA__FPS": FPS,
            "DATA__SAMPLING_RATE": 1,
        }
        return recipe("AVA/SLOWFAST_32x2_R50_SHORT.yaml", **base | keys)

    return make


def classes(labels: torch.Tensor) -> list[int]:
    return labels.nonzero().flatten().tolist()


def keyframes(cfg: Any, split: str) -> list[tuple[str, float]]:
    records = build_dataset(cfg, split).records
    return [records[row].keyframe_key for row in range(len(records))]


def test_keyframes_of_each_split(
    configure: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Training: both kinds of boxes. Validation: every fourth second. Excluded: clipB at 904."""
    with caplog.at_level(logging.WARNING, logger="slowfast"):
        train = keyframes(configure(), "train")
    assert train == [("clipA", 902), ("clipA", 903), ("clipA", 904), ("clipB", 904), ("clipB", 908)]
    assert "has nothing of 1 video(s) that have boxes; they are left out, the first is clipC" in (
        caplog.text
    )
    every = [("clipA", 902), ("clipA", 903), ("clipA", 904), ("clipB", 908)]
    assert keyframes(configure(), "test") == every
    assert keyframes(configure(), "val") == [("clipA", 904), ("clipB", 908)]
    assert keyframes(configure(AVA__FULL_TEST_ON_VAL=True), "val") == every
    assert ("clipB", 904) in keyframes(configure(AVA__EXCLUSION_FILE=""), "test")
    early = configure(AVA__VALID_SECONDS=[], AVA__VAL_EVERY_SECONDS=2)
    assert keyframes(early, "train")[3] == ("clipB", 901)
    assert keyframes(early, "val") == [("clipA", 902), ("clipA", 904), ("clipB", 908)]


def test_boxes_have_all_their_labels(configure: Callable[..., Any]) -> None:
    first = build_dataset(configure(), "train").records[0]
    boxes = first.boxes
    torch.testing.assert_close(
        boxes.corners, torch.tensor([[0.1, 0.2, 0.5, 0.9], [0.6, 0.2, 0.9, 0.8]])
    )
    assert [classes(each) for each in boxes.labels] == [[2, 11, 79], [0]]
    assert boxes.labels.shape == (2, 80)
    assert boxes.scores.tolist() == [1, 1]
    assert (first.keyframe, first.fps, len(first.frames)) == (2.0, FPS, FPS * SECONDS)
    detected = build_dataset(configure(), "test").records[1].boxes
    assert classes(detected.labels[0]) == []
    torch.testing.assert_close(detected.scores, torch.tensor([0.95]))


def test_the_clip_is_around_the_keyframe(
    configure: Callable[..., Any], read_numbers: Callable
) -> None:
    """Second 902 is frame 4; a clip of 8 has it in place 4, and the start of the video repeats."""
    cfg = configure(DATA__TEST_CROP_SIZE=64)
    data = build_dataset(cfg, "test")
    assert read_numbers(data.read(0).clips()[0]) == [0, 1, 2, 3, 4, 5, 6, 7]
    wide = build_dataset(configure(DATA__TEST_CROP_SIZE=64, DATA__SAMPLING_RATE=3), "test")
    assert read_numbers(wide.read(0).clips()[0]) == [0, 0, 0, 1, 4, 7, 10, 13]
    assert read_numbers(wide.read(3).clips()[0]) == [64, 67, 70, 73, 76, 79, 82, 85]


def test_test_frames_are_whole_and_validation_is_cropped(configure: Callable[..., Any]) -> None:
    samples = list(build_loader(configure(), "test"))
    assert all(isinstance(sample, Sample) for sample in samples)
    assert samples[0].clips().shape == (1, 8, 36, 54, 3)
    torch.testing.assert_close(  # 96x64 pixels scaled to 54x36, corners on pixels
        samples[0].boxes.corners, torch.tensor([[5.4, 7.2, 27.0, 32.4]])
    )
    (batch,) = build_loader(configure(), "val")
    assert batch.clips.shape == (2, 8, 36, 36, 3)
    assert batch.boxes.clip.tolist() == [0, 1]
    # clipA 904: x 0.2 to 0.4 of 54 pixels, less the 9 that are cut off.
    torch.testing.assert_close(
        batch.boxes.corners[0], torch.tensor([1.8, 7.2, 12.6, 14.4]), rtol=1e-5, atol=1e-5
    )
    flipped = next(iter(build_loader(configure(AVA__TEST_FORCE_FLIP=True), "test")))
    torch.testing.assert_close(
        flipped.boxes.corners, torch.tensor([[54 - 27.0 - 1, 7.2, 54 - 5.4 - 1, 32.4]])
    )
    assert torch.equal(flipped.clips(), samples[0].clips().flip(3))


def test_a_training_batch(configure: Callable[..., Any]) -> None:
    loader = build_loader(configure(TRAIN__BATCH_SIZE=4), "train")
    (batch,) = loader
    counts = {0: 2, 1: 1, 2: 1, 3: 2, 4: 1}  # boxes of each keyframe
    assert batch.clips.shape == (4, 8, 32, 32, 3)
    assert batch.labels.tolist() == [0] * 4
    expected = [i for i, row in enumerate(batch.videos.tolist()) for _ in range(counts[row])]
    assert batch.boxes.clip.tolist() == expected
    assert batch.boxes.rois().shape == (len(expected), 5)
    assert torch.equal(batch.boxes.rois()[:, 0], batch.boxes.clip.float())
    assert batch.boxes.labels.shape == (len(expected), 80)
    assert batch.boxes.corners.min() >= 0
    assert batch.boxes.corners.max() <= 31
    moved = batch.to("cpu", non_blocking=True)
    assert torch.equal(moved.boxes.given, batch.boxes.given)


def test_videos_instead_of_frames(
    configure: Callable[..., Any], make_video: Callable[..., Path], tmp_path: Path,
    read_numbers: Callable,
) -> None:  # fmt: skip
    """At 10 frames a second: second 902 is frame 20, and a step of 1/2 second is 5 frames."""
    (tmp_path / "videos").mkdir()
    make_video(tmp_path / "videos/clipA.mkv", range(140), rate=10)
    keys = {"AVA__VIDEO_DIR": tmp_path / "videos", "DATA__TEST_CROP_SIZE": 64}
    data = build_dataset(configure(**keys), "test")
    assert [data.records[i].keyframe_key[0] for i in range(len(data))] == ["clipA"] * 3
    assert data.records[0].path.endswith("videos/clipA.mkv")
    assert read_numbers(data.read(0).clips()[0]) == [0, 5, 10, 15, 20, 25, 30, 35]
    whole = configure(**keys, AVA__START_SECOND=896)
    assert read_numbers(build_dataset(whole, "test").read(0).clips()[0])[4] == 60
    assert "videos" in data.records.fingerprint()["list_file"]


def test_names_of_the_classes(configure: Callable[..., Any], folder: Path) -> None:
    names = class_names_from_cfg(configure(DATA__PATH_TO_DATA_DIR=folder))
    assert (names[0], names[1], names[11], len(names)) == (
        "bend/bow (at the waist)",
        "2",
        "run",
        80,
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DATA.TRAIN_CROP_NUM_SPATIAL", 2),
        ("DATA.TRAIN_JITTER_FPS", 3.0),
        ("DATA.USE_OFFSET_SAMPLING", True),
        ("DATA.SKIP_ROWS", 2),
    ],
)
def test_what_keyframes_cannot_do_is_refused_by_name(
    key: str, value: Any, configure: Callable[..., Any]
) -> None:
    cfg = configure(**{key.replace(".", "__"): value})
    with pytest.raises(ValueError, match=rf"{key} is {value!r}, which TRAIN.DATASET 'ava' cannot"):
        build_dataset(cfg, "train")


def test_keyframes_outside_of_the_video(configure: Callable[..., Any], folder: Path) -> None:
    """They would be clips of one frame that stands still."""
    with pytest.raises(ValueError, match=r"expected boxes from second 903 on.*second 902 of clipA"):
        build_dataset(configure(AVA__START_SECOND=903), "test")
    (folder / "annotations/late.csv").write_text("clipA,0914,0,0,1,1,,0.99\nclipA,916,0,0,1,1,,1\n")
    data = build_dataset(configure(AVA__TEST_PREDICT_BOX_LISTS=["late.csv"]), "test")
    assert data.read(0).boxes is not None  # within a second of the end
    with pytest.raises(
        VideoError, match=r"clipA: expected keyframes within its 14.0 s, found one 16"
    ):
        data.read(1)


def test_what_is_left_out_is_counted(
    configure: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="slowfast"):
        keyframes(configure(), "val")
    assert "2 keyframes; seconds left out: 2 outside of AVA.VALID_SECONDS" in caplog.text
    assert "1 excluded; 1 boxes below AVA.DETECTION_SCORE_THRESH" in caplog.text
    sure = configure(AVA__DETECTION_SCORE_THRESH=1.0)
    with pytest.raises(ValueError, match=r"expected keyframes .*; 6 boxes below AVA.DETECTION"):
        build_dataset(sure, "test")


def test_lists_that_do_not_fit(configure: Callable[..., Any], folder: Path) -> None:
    with pytest.raises(ValueError, match=r"expected keyframes .* found none: .*AVA.VALID_SECONDS"):
        build_dataset(configure(AVA__VALID_SECONDS=[2000, 3000]), "train")
    with pytest.raises(ValueError, match=r"AVA.VIDEO_DIR no/dir: expected a folder of videos"):
        build_dataset(configure(AVA__VIDEO_DIR="no/dir"), "train")
    with pytest.raises(
        ValueError, match=r"excluded_v9.csv: .* set AVA.ANNOTATION_DIR to its folder"
    ):
        build_dataset(configure(AVA__EXCLUSION_FILE="excluded_v9.csv"), "test")


def test_videos_and_their_frames_are_the_same_clips(
    configure: Callable[..., Any], objects: Path
) -> None:
    """The built-in set has both; pictures and videos are compressed, each in its way."""
    shared = {
        "AVA__ANNOTATION_DIR": objects / "boxes",
        "AVA__TEST_PREDICT_BOX_LISTS": ["val_detected.csv"],
        "AVA__EXCLUSION_FILE": "",
        "AVA__FPS": 15,
        "AVA__START_SECOND": 0,
        "AVA__VALID_SECONDS": [],
        "AVA__FRAME_DIR": objects / "frames",
        "AVA__FRAME_LIST_DIR": objects / "labels",
        "AVA__TEST_FLIP": True,
    }
    frames = build_dataset(configure(**shared), "test")
    videos = build_dataset(configure(**shared, AVA__VIDEO_DIR=objects / "videos"), "test")
    assert len(frames) == len(videos) >= 5
    for row in range(len(frames)):
        one, other = frames.read(row), videos.read(row)
        assert frames.records[row].keyframe_key == videos.records[row].keyframe_key
        assert torch.equal(one.boxes.corners, other.boxes.corners)
        assert torch.equal(one.index, other.index)
        assert (one.clips().float() - other.clips().float()).abs().mean() < 4
