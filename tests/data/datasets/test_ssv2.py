"""Mirrors slowfast/data/datasets/ssv2.py: JSON labels, from frames and from videos."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.batch import Sample
from slowfast.data.datasets.build import build_dataset, build_loader, class_names_from_cfg
from slowfast.data.datasets.ssv2 import read_ssv2
from slowfast.data.datasets.views_from_cfg import crop_from_cfg

TEMPLATES = ["Putting [something] on [something]", "Pushing [something]", "Holding [something]"]
HEADER = "original_vido_id video_id frame_id path labels"
FRAMES = 33


@pytest.fixture
def folder(tmp_path: Path, write_pictures: Callable[..., list[str]]) -> Path:
    """Videos 10 to 13, of classes 0 1 2 0, with frames of all but the last one."""
    labels = {text.replace("[", "").replace("]", ""): str(i) for i, text in enumerate(TEMPLATES)}
    entries = [
        {"id": str(10 + i), "label": "x", "template": TEMPLATES[i % 3], "placeholders": []}
        for i in range(4)
    ]
    (tmp_path / "something-something-v2-labels.json").write_text(json.dumps(labels))
    rows = []
    for i in range(3):
        names = write_pictures(tmp_path / f"frames/{10 + i}", [70 * i + f for f in range(FRAMES)])
        rows += [f'{10 + i} {i} {f} {10 + i}/{name} ""' for f, name in enumerate(names)]
    for split, name in (("train", "train"), ("val", "validation")):
        (tmp_path / f"something-something-v2-{name}.json").write_text(json.dumps(entries))
        (tmp_path / f"{split}.csv").write_text("\n".join([HEADER, *rows, ""]))
    return tmp_path


@pytest.fixture
def cfg(folder: Path, recipe: Callable[..., Any]) -> Any:
    return recipe(
        "SSv2/SLOWFAST_16x8_R50.yaml",
        DATA__PATH_TO_DATA_DIR=folder,
        DATA__PATH_PREFIX=folder / "frames",
        MODEL__NUM_CLASSES=3,
    )


def test_frames_of_segments(
    cfg: Any, read_numbers: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="slowfast"):
        train = build_loader(cfg, "train")
    assert "1 of 4 videos have no frames in it and are left out, the first is 13" in caplog.text
    assert len(train.dataset) == 3
    (batch,) = train
    assert batch.clips.shape == (2, 8, 32, 32, 3)
    assert batch.labels.tolist() == batch.videos.tolist()
    labels = [label for batch in build_loader(cfg, "val") for label in batch.labels.tolist()]
    assert labels == [0, 1, 2]
    assert build_dataset(cfg, "test").clips.short_side == 36  # of the crop, also of a single one
    samples = list(build_loader(cfg, "test"))
    assert all(isinstance(sample, Sample) for sample in samples)
    assert samples[1].clips().shape == (1, 8, 36, 36, 3)


def test_the_frames_of_the_test_are_the_middle_ones(cfg: Any, read_numbers: Callable) -> None:
    data = build_dataset(cfg, "test")
    with data.clips.open_source(data.records[1]) as source:
        index = data.clips.sampler(data.clips.views[0], source.num_frames, source.fps)
        numbers = read_numbers(list(source.frames(index)))
    assert numbers == [70 + i for i in (2, 6, 10, 14, 18, 22, 26, 30)]


def test_videos_where_there_is_no_frame_list(
    folder: Path, cfg: Any, make_video: Callable[..., Path]
) -> None:
    for split in ("train", "val"):
        (folder / f"{split}.csv").unlink()
    make_video(folder / "frames/10.mp4", range(40))
    data = build_dataset(cfg, "train")
    assert [data.records[i].label for i in range(4)] == [0, 1, 2, 0]
    assert data.records[0].path == str(folder / "frames/10.mp4")
    assert data.read(0).clips().shape == (1, 8, 32, 32, 3)
    (folder / "frames/10.mp4").unlink()
    assert read_ssv2(folder, "val", prefix="/v")[3].path == "/v/13.webm"


def test_brackets_in_the_names_of_classes_make_no_difference(folder: Path) -> None:
    path = folder / "something-something-v2-labels.json"
    path.write_text(json.dumps({text: str(i) for i, text in enumerate(TEMPLATES)}))
    assert [read_ssv2(folder, "val")[row].label for row in range(3)] == [0, 1, 2]


def test_clips_are_never_mirrored(
    folder: Path, recipe: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The default of DATA.RANDOM_FLIP is True; with it a push to the left would go to the right."""
    keys = {"DATA__PATH_TO_DATA_DIR": folder, "DATA__PATH_PREFIX": folder / "frames"}
    name = "SSv2/SLOWFAST_16x8_R50.yaml"
    clips = []
    for flip in (False, True):
        cfg = recipe(name, **keys, DATA__RANDOM_FLIP=flip, MODEL__NUM_CLASSES=3)
        with caplog.at_level(logging.WARNING, logger="slowfast"):
            data = build_dataset(cfg, "train")
        clips.append(torch.cat([data.read(0, epoch=epoch).clips() for epoch in range(4)]))
        assert ("clips of ssv2 are not mirrored" in caplog.text) == flip
    assert torch.equal(*clips)
    jitter = {"SCALES": "[0.5, 1.0]", "ASPECT": "[1.0, 1.0]"}
    for split in ("train", "val"):
        relative = {f"DATA__TRAIN_JITTER_{key}_RELATIVE": value for key, value in jitter.items()}
        cfg = recipe(name, **keys, **relative, DATA__RANDOM_FLIP=True, MODEL__NUM_CLASSES=3)
        assert crop_from_cfg(cfg, split).flip is False
    kinetics = recipe("Kinetics/SLOWFAST_8x8_R50.yaml")
    assert crop_from_cfg(kinetics, "train").flip is True


def test_names_of_the_classes(cfg: Any, folder: Path) -> None:
    assert class_names_from_cfg(cfg)[1] == "Pushing something"
    path = folder / "something-something-v2-labels.json"
    path.write_text(json.dumps({TEMPLATES[0]: "2", "Holding something": "0", TEMPLATES[1]: "1"}))
    names = ["Holding something", "Pushing something", "Putting something on something"]
    assert class_names_from_cfg(cfg) == names, "by number, in whatever order the file has them"
    assert [read_ssv2(folder, "val")[row].label for row in range(3)] == [2, 1, 0]
    (folder / "something-something-v2-labels.json").unlink()
    assert class_names_from_cfg(cfg) == []


def test_what_is_missing_or_broken(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"v2-labels.json: expected a JSON file of Something-Some"):
        read_ssv2("no/such/folder", "train")
    path = folder / "something-something-v2-train.json"
    path.write_text('[{"id": "1"}]')
    with pytest.raises(
        ValueError, match=r"train.json: expected an object with 'id' and 'template'"
    ):
        read_ssv2(folder, "train")
    path.write_text('[{"id": "1", "template": "Eating [something]"}]')
    with pytest.raises(ValueError, match=r"'Eating something' of video 1 is not in .*labels.json"):
        read_ssv2(folder, "train")
    path.write_text("[]")
    with pytest.raises(ValueError, match="expected a list of videos, found an empty one"):
        read_ssv2(folder, "train")
    path.write_text("[\n{")
    with pytest.raises(ValueError, match=r"train.json:2: not JSON"):
        read_ssv2(folder, "train")
    path.write_text(json.dumps([{"id": "99", "template": TEMPLATES[0]}]))
    with pytest.raises(ValueError, match=r"train.csv: expected the ids .* '99', .* such as '10'"):
        read_ssv2(folder, "train")
    (folder / "something-something-v2-labels.json").write_text('{"a": "x"}')
    with pytest.raises(ValueError, match=r'labels.json: expected {"class": "number", ...}'):
        read_ssv2(folder, "train")
    twice = '{"Eating [something]": "2", "Eating something": "1"}'
    (folder / "something-something-v2-labels.json").write_text(twice)
    with pytest.raises(
        ValueError, match=r"one number of 'Eating something', .* found 2 and 1; rem"
    ):
        read_ssv2(folder, "train")


def test_labels_that_are_no_classes(cfg: Any, folder: Path) -> None:
    """Found when the list is read, not by the loss, or a GPU that is lost."""
    labels, train = (folder / f"something-something-v2-{name}.json" for name in ("labels", "train"))
    for text, message in (
        ("null", r"train.json: expected a list of videos, found 'None'"),
        ('[{"id": 1, "template": null}]', r"train.json: expected an object .* as entry 0, found"),
    ):
        train.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_ssv2(folder, "train")
    for number in (-1, 174):
        labels.write_text(json.dumps({"Pushing something": number}))
        with pytest.raises(
            ValueError, match=rf"labels.json: .* 0 to \d+, found {number} for 'Push.*NUM_CLASSES"
        ):
            build_dataset(cfg, "train")


def test_the_kind_of_video_file_is_told_by_those_that_are_there(folder: Path) -> None:
    """The first one is missing, which is no reason to look for all others under another name."""
    (folder / "train.csv").unlink()
    (folder / "frames").mkdir(exist_ok=True)
    (folder / "frames" / "12.mp4").touch()
    videos = read_ssv2(folder, "train", prefix=str(folder / "frames"))
    assert {Path(videos[i].path).suffix for i in range(len(videos))} == {".mp4"}
