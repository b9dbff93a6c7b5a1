"""Mirrors slowfast/data/datasets/charades.py: frame lists with several labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.batch import Sample
from slowfast.data.datasets.build import build_dataset, build_loader, input_stage_from_cfg
from slowfast.randomness import generator_for

FRAMES = 24
HEADER = "original_vido_id video_id frame_id path labels"


@pytest.fixture
def folder(tmp_path: Path, write_pictures: Callable[..., list[str]]) -> Path:
    """Class v in all frames of video v, but of video 2 in 12 to 15, as class 150 in all."""
    rows = []
    for v in range(3):
        names = write_pictures(tmp_path / f"frames/V{v}", [80 * v + i for i in range(FRAMES)])
        for i, name in enumerate(names):
            labels = f'"{v},150"' if 12 <= i < 16 else f'"{v}"' if v < 2 else '""'
            rows.append(f"V{v} {v} {i} V{v}/{name} {labels}")
    for split in ("train", "val"):
        (tmp_path / f"{split}.csv").write_text("\n".join([HEADER, *rows, ""]))
    return tmp_path


@pytest.fixture
def cfg(folder: Path, recipe: Callable[..., Any]) -> Any:
    return recipe(
        "Charades/SLOWFAST_16x8_R50.yaml",
        DATA__PATH_TO_DATA_DIR=folder,
        DATA__PATH_PREFIX=folder / "frames",
        DATA__SAMPLING_RATE=1,
        TEST__NUM_ENSEMBLE_VIEWS=2,
    )


def classes(labels: torch.Tensor) -> list[int]:
    return labels.nonzero().flatten().tolist()


def test_training_has_the_labels_of_the_frames_that_a_clip_spans(cfg: Any) -> None:
    (batch,) = build_loader(cfg, "train")
    assert batch.clips.shape == (2, 8, 32, 32, 3)
    assert (batch.labels.shape, batch.labels.dtype) == ((2, 157), torch.float32)
    data = build_dataset(cfg, "train")
    starts, found = set(), set()
    for epoch in range(30):
        sample = data.read(0, epoch=epoch)
        generator = generator_for(cfg.RNG_SEED, "train", epoch, 0, "clip", 0)
        first, *_, last = data.clips.sampler(FRAMES, 30.0, generator).tolist()
        starts.add(first)
        expected = [0, 150] if first < 16 and last >= 12 else [0]
        assert classes(sample.label) == expected
        found.add(len(expected))
    assert len(starts) > 5
    assert found == {1, 2}
    silent = {tuple(classes(data.read(2, epoch=epoch).label)) for epoch in range(30)}
    assert silent == {(), (2, 150)}


def test_validation_and_test_have_the_labels_of_the_video(cfg: Any) -> None:
    batches = list(build_loader(cfg, "val"))
    labels = torch.cat([batch.labels for batch in batches])
    assert [classes(each) for each in labels] == [[0, 150], [1, 150], [2, 150]]
    samples = list(build_loader(cfg, "test"))
    assert all(isinstance(sample, Sample) for sample in samples)
    assert [classes(sample.label) for sample in samples] == [[0, 150], [1, 150], [2, 150]]
    assert samples[1].clips().shape == (6, 8, 36, 36, 3)
    assert samples[1].path.endswith("frames/V1")


def test_pictures_are_read_in_blue_green_red_and_reversed(cfg: Any, recipe: Callable) -> None:
    """What reaches the network is RGB; without REVERSE_INPUT_CHANNEL it is BGR."""
    clips = torch.randint(0, 256, (1, 8, 4, 4, 3)).byte()
    keys = {"DATA__MEAN": [0.1, 0.2, 0.3], "DATA__STD": [0.5, 1.0, 2.0]}
    rgb = clips.permute(0, 4, 1, 2, 3) / 255
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 1.0, 2.0])
    bgr = (rgb.flip(1) - mean.view(3, 1, 1, 1)) / std.view(3, 1, 1, 1)
    for reverse in (True, False):
        cfg = recipe("Charades/SLOWFAST_16x8_R50.yaml", **keys, DATA__REVERSE_INPUT_CHANNEL=reverse)
        _, fast = input_stage_from_cfg(cfg)(clips)
        torch.testing.assert_close(fast, bgr.flip(1) if reverse else bgr)


def test_clips_with_labels_of_their_own_come_one_by_one(cfg: Any, recipe: Callable) -> None:
    cfg.defrost()
    cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = 2
    with pytest.raises(ValueError, match=r"TRAIN_CROP_NUM_TEMPORAL is 2, which TRAIN.DATASET 'ch"):
        build_dataset(cfg, "train")


def test_the_alias_of_pytorchvideo(folder: Path, recipe: Callable[..., Any]) -> None:
    cfg = recipe(
        "Charades/pytorchvideo/SLOW_8x8_R50.yaml",
        DATA__PATH_TO_DATA_DIR=folder,
        DATA__PATH_PREFIX=folder / "frames",
    )
    assert len(build_dataset(cfg, "train")) == 3
