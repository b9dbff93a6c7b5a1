"""Mirrors slowfast/data/datasets/imagenet.py and picture_views.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from slowfast.config import with_values
from slowfast.data.datasets.build import build_dataset, build_loader, class_names_from_cfg
from slowfast.data.datasets.catalog import num_test_views_from_cfg
from slowfast.data.datasets.imagenet import read_json_list
from slowfast.data.transforms.spatial import RandomAreaCrop

SYNSETS = ("n01440764", "n01443537")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Smooth pictures of different sizes, two classes."""
    for split, count in (("train", 3), ("val", 2)):
        for label, name in enumerate(SYNSETS):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(count):
                height, width = 60 + 10 * i, 90 - 5 * i
                y, x = np.mgrid[:height, :width]
                picture = np.stack([2 * x, 3 * y, 100 + 50 * label + 0 * x], -1).astype(np.uint8)
                Image.fromarray(picture).save(tmp_path / split / name / f"{i}.JPEG", quality=95)
    return tmp_path


@pytest.fixture
def cfg(folder: Path, recipe: Callable[..., Any]) -> Any:
    return recipe(
        "ImageNet/RES_R50.yaml",
        DATA__PATH_TO_DATA_DIR=folder,
        DATA__NUM_FRAMES=1,
        MODEL__NUM_CLASSES=2,
    )


def test_train_val_and_test_from_folders(cfg: Any) -> None:
    train = build_loader(cfg, "train")
    assert train.dataset.clips.crop == RandomAreaCrop((0.08, 1.0), (0.75, 1.3333333333333333), 32)
    batches = list(train)
    assert [batch.clips.shape for batch in batches] == [(2, 1, 32, 32, 3)] * 3
    assert sorted(torch.cat([batch.labels for batch in batches]).tolist()) == [0, 0, 0, 1, 1, 1]
    val = list(build_loader(cfg, "val"))
    assert torch.cat([batch.labels for batch in val]).tolist() == [0, 0, 1, 1]
    assert val[0].clips.shape == (2, 1, 36, 36, 3)
    samples = list(build_loader(cfg, "test"))
    assert len(samples) == 4
    assert torch.equal(samples[0].clips(), val[0].clips[:1])
    assert num_test_views_from_cfg(cfg) == 1  # whatever the recipe says of views of videos
    assert class_names_from_cfg(cfg) == list(SYNSETS)


def test_the_validation_crop_is_scaled_like_by_pillow(cfg: Any) -> None:
    """36 / 0.875 = 41 pixels short side, bicubic with antialiasing, the central 36."""
    sample = build_dataset(cfg, "val").read(0)
    with Image.open(sample.path) as picture:
        expected = picture.resize((61, 41), Image.Resampling.BICUBIC)
    window = torch.from_numpy(np.array(expected))[3:39, 13:49]
    assert (sample.clips()[0, 0].int() - window.int()).abs().max() <= 2


def test_a_picture_is_a_clip_that_stands_still(cfg: Any, recipe: Callable) -> None:
    cfg.defrost()
    cfg.DATA.NUM_FRAMES = 4
    clip = build_dataset(cfg, "train").read(1, epoch=5).clips()[0]
    assert clip.shape == (4, 32, 32, 3)
    assert (clip == clip[0]).all()


def test_each_sample_of_a_picture_is_augmented_anew(cfg: Any) -> None:
    """After the crop, with what MViT's recipe for ImageNet draws."""
    keys = {"AUG.ENABLE": True, "AUG.NUM_SAMPLE": 2, "AUG.AA_TYPE": "rand-m9-n3"}
    plain, augmented = (build_dataset(each, "train") for each in (cfg, with_values(cfg, keys)))
    sample = augmented.read(1, epoch=4)
    assert sample.views.tolist() == [0, 1]
    first, second = sample.clips()
    assert first.shape == (1, 32, 32, 3)
    assert not torch.equal(first, second)
    assert not torch.equal(first, plain.read(1, epoch=4).clips()[0])
    assert torch.equal(sample.clips(), augmented.read(1, epoch=4).clips())
    assert len(build_dataset(with_values(cfg, keys), "val").read(1).views) == 1


def test_pictures_are_sent_as_rgb(cfg: Any) -> None:
    with pytest.raises(ValueError, match=r"DATA\.PIXELS is 'yuv', which is for clips of videos"):
        build_dataset(with_values(cfg, {"DATA.PIXELS": "yuv"}), "val")


def test_json_lists(cfg: Any, folder: Path, recipe: Callable[..., Any]) -> None:
    entries = [{"im_path": str(folder / f"val/{SYNSETS[1]}/0.JPEG"), "class": 1}]
    lists = folder / "lists"
    lists.mkdir()
    (lists / "val.json").write_text(json.dumps(entries))
    cfg = recipe(
        "ImageNet/RES_R50.yaml",
        DATA__PATH_TO_PRELOAD_IMDB=lists,
        DATA__PATH_TO_DATA_DIR=folder,
        MODEL__NUM_CLASSES=2,
        TEST__DATASET="imagenetprefetch",
    )
    assert [sample.label for sample in build_loader(cfg, "test")] == [1]
    assert len(build_dataset(cfg, "train")) == 6  # from folders


def test_lists_and_folders_that_are_wrong(cfg: Any, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    for text, message in (
        ("[\n{]", r"train.json:2: not JSON"),
        ("{}", r"train.json: expected a list of pictures, found '{}'"),
        ('["a.JPEG"]', r'expected {"im_path": "...", "class": 0} as entry 0, found \'a.JPEG\''),
        ('[{"im_path": null, "class": 0}]', r"expected {.* as entry 0, found {'im_path': None"),
        (
            '[{"im_path": "\udce9", "class": 0}]',
            r"train.json: expected a JSON list .* 'utf-8' codec",
        ),
        (
            '\ufeff[{"im_path": "a", "class": 2}]',
            r"expected a class from 0 to 1 in entry 0, found 2",
        ),
    ):
        path.write_text(text, errors="surrogateescape")
        with pytest.raises(ValueError, match=message):
            read_json_list(path, num_classes=2)
    path.unlink()
    for name in SYNSETS:
        for file in (folder / "val" / name).iterdir():
            file.unlink()
    with pytest.raises(ValueError, match=r"val: expected pictures \(jpeg, .* found none"):
        build_dataset(cfg, "val")
