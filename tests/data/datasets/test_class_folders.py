"""Mirrors slowfast/data/datasets/class_folders.py: your own videos in folders of classes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slowfast.data.datasets.build import build_dataset, build_loader, class_names_from_cfg
from slowfast.data.datasets.class_folders import read_folder

YAML = "Kinetics/SLOW_4x16_R50.yaml"
KEYS = {"TRAIN__DATASET": "folder", "TEST__DATASET": "FOLDER", "MODEL__NUM_CLASSES": 2}


def put(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def rows(root: Path, split: str, classes: str = "ab", shares: Any = (0.8, 0.1, 0.1)) -> set:
    numbers = {name: number for number, name in enumerate(classes)}
    manifest = read_folder(root, split, numbers=numbers, shares=shares)
    found = [manifest[i] for i in range(len(manifest))]
    return {(str(Path(r.path).relative_to(root)), r.label) for r in found}


def test_train_val_and_test_through_the_loaders(
    tmp_path: Path, videos: list[Path], recipe: Callable[..., Any]
) -> None:
    for split, chosen in (("train", videos[:4]), ("val", videos[4:6]), ("test", videos[6:8])):
        for i, video in enumerate(chosen):
            folder = tmp_path / split / ("run fast", "jump")[i % 2]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / video.name).symlink_to(video)
    cfg = recipe(YAML, **KEYS, DATA__PATH_TO_DATA_DIR=tmp_path)
    (*_, batch) = build_loader(cfg, "train")
    assert batch.clips.shape == (2, 8, 32, 32, 3)
    (val,) = build_loader(cfg, "val")
    assert val.labels.tolist() == [0, 1]  # jump, run fast
    assert [Path(path).parent.name for path in val.paths] == ["jump", "run fast"]
    assert [sample.label for sample in build_loader(cfg, "test")] == [0, 1]
    assert class_names_from_cfg(cfg) == ["jump", "run fast"]
    (tmp_path / "classes.txt").write_text("run fast\njump\n")
    assert build_dataset(cfg, "val").records[0].label == 1


def test_files_at_any_depth_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path / "train", "a/x.mp4", "a/deep/er/y.AVI", "b/z 1.webm", "a/clip.f4v", "b/.z.mp4",
        ".cache/q.mp4", "loose.mp4", "check-data.txt", "c/notes.txt")  # fmt: skip
    with caplog.at_level(logging.WARNING, logger="slowfast"):
        found = rows(tmp_path, "train", "abc")
    assert found == {("train/a/x.mp4", 0), ("train/a/deep/er/y.AVI", 0), ("train/b/z 1.webm", 1)}
    train = tmp_path / "train"
    assert f"{train}: 3 files are left out" in caplog.text
    assert f"the first is {train / 'loose.mp4'}" in caplog.text
    assert f"{train}: 1 of 3 classes have no file: c" in caplog.text


def test_a_folder_without_splits_is_split_by_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, *(f"a/{i}.mp4" for i in range(20)), *(f"b/{i}.mp4" for i in range(3)))
    with caplog.at_level(logging.INFO, logger="slowfast"):
        parts = [rows(tmp_path, split) for split in ("train", "val", "test")]
    assert "split by their names, 0.8 / 0.1 / 0.1 of them to train, val and test" in caplog.text
    assert [len(part) for part in parts] == [16 + 1, 2 + 1, 2 + 1]
    assert len(set.union(*parts)) == 23
    assert parts[1] == rows(tmp_path, "val")
    # Another file of another class moves none.
    put(tmp_path, "b/new.mp4")
    assert {r for r in rows(tmp_path, "val") if r[1] == 0} == {r for r in parts[1] if r[1] == 0}


def test_shares_of_nothing(tmp_path: Path) -> None:
    put(tmp_path, *(f"a/{i}.mp4" for i in range(10)))
    assert len(rows(tmp_path, "train", "a", (1, 1, 0))) == 5
    with pytest.raises(ValueError, match=r"in the folders of the classes for test, found none"):
        rows(tmp_path, "test", "a", (1, 1, 0))


def test_what_is_no_folder_of_classes(tmp_path: Path, recipe: Callable[..., Any]) -> None:
    cfg = recipe(YAML, **KEYS, DATA__PATH_TO_DATA_DIR=tmp_path / "none")
    with pytest.raises(ValueError, match=r"none: expected a folder with a folder for each class, .*"
                       r"set DATA.PATH_TO_DATA_DIR"):  # fmt: skip
        build_dataset(cfg, "train")
    put(tmp_path, "none/x.mp4")
    with pytest.raises(ValueError, match=r"none: expected a folder for each class, found 1 files"):
        build_dataset(cfg, "train")
    put(tmp_path, "three/a/1.mp4", "three/b/1.mp4", "three/c/1.mp4")
    with pytest.raises(ValueError, match=r"found 3 classes \(a, b, c\), .* MODEL.NUM_CLASSES 3"):
        build_dataset(recipe(YAML, **KEYS, DATA__PATH_TO_DATA_DIR=tmp_path / "three"), "train")
    put(tmp_path, "two/train/a/1.mp4", "two/train/b/1.mp4", "two/val/A/1.mp4")
    two = recipe(YAML, **KEYS, DATA__PATH_TO_DATA_DIR=tmp_path / "two")
    with pytest.raises(ValueError, match=r"val/A: expected a folder for each of the 2 classes"):
        build_dataset(two, "val")
    with pytest.raises(ValueError, match=r"two/test: expected a folder with a folder for each"):
        build_dataset(two, "test")
