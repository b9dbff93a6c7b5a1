"""Mirrors slowfast/data/datasets/build.py: a config is honoured, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.config import get_cfg, with_values
from slowfast.data.batch import Batch, Sample
from slowfast.data.clips import RandomViews, UniformViews
from slowfast.data.datasets.build import (
    build_dataset,
    build_loader,
    class_names_from_cfg,
    dataset_from_cfg,
    input_stage_from_cfg,
    make_manifest,
)
from slowfast.data.datasets.views_from_cfg import cycle_from_cfg
from slowfast.data.loader import EvalLoader, TrainLoader
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record
from slowfast.data.transforms.spatial import RandomAreaCrop, RandomShortSideCrop

Configure = Callable[..., Any]


@pytest.fixture
def configure(videos: list[Path], tmp_path: Path) -> Configure:
    """A small config on lists of the test videos; keyword SECTION__KEY sets a key."""
    for split, chosen in (("train", videos), ("val", videos[:5]), ("test", videos[:3])):
        lines = [f"{path.name} {i % 3}\n" for i, path in enumerate(chosen)]
        (tmp_path / f"{split}.csv").write_text("".join(lines))
    base = {
        "DATA.PATH_TO_DATA_DIR": str(tmp_path),
        "DATA.PATH_PREFIX": str(videos[0].parent),
        "DATA.NUM_FRAMES": 8,
        "DATA.SAMPLING_RATE": 2,
        "DATA.TRAIN_JITTER_SCALES": [40, 48],
        "DATA.TRAIN_CROP_SIZE": 32,
        "DATA.TEST_CROP_SIZE": 36,
        "DATA_LOADER.NUM_WORKERS": 0,
        "MODEL.NUM_CLASSES": 3,
        "MODEL.ARCH": "slowfast",
        "NUM_GPUS": 0,
        "TRAIN.BATCH_SIZE": 4,
    }

    def change(**keys: Any) -> Any:
        return with_values(
            get_cfg(), base | {key.replace("__", "."): value for key, value in keys.items()}
        )

    return change


def test_an_empty_prefix_of_a_public_file_is_none(
    configure: Configure, videos: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "test.csv").write_text(f"{videos[0]} 0\n")
    dataset = build_dataset(configure(DATA__PATH_PREFIX=None), "test")
    assert dataset.records[0] == Record(str(videos[0]), 0)
    with pytest.raises(ValueError, match=r"test\.csv: .* set DATA\.PATH_TO_DATA_DIR"):
        build_dataset(configure(DATA__PATH_TO_DATA_DIR=None), "test")


def test_the_three_loaders(configure: Configure) -> None:
    cfg = configure()
    train = build_loader(cfg, "train")
    assert isinstance(train, TrainLoader)
    assert len(train) == 3
    (first, *_) = train
    assert isinstance(first, Batch)
    assert first.clips.shape == (4, 8, 32, 32, 3)
    val = build_loader(cfg, "val")
    assert isinstance(val, EvalLoader)
    assert [len(batch) for batch in val] == [4, 1]
    samples = list(build_loader(cfg, "test"))
    assert all(isinstance(sample, Sample) for sample in samples)
    assert samples[0].clips().shape == (30, 8, 36, 36, 3)
    slow, fast = input_stage_from_cfg(cfg)(first.clips)
    assert slow.shape == (4, 3, 1, 32, 32)
    assert fast.shape == (4, 3, 8, 32, 32)


def test_shares_of_a_batch(configure: Configure) -> None:
    """TRAIN.BATCH_SIZE is what the GPUs of one machine take together."""
    cfg = configure(NUM_GPUS=2)
    ranks = [build_loader(cfg, "train", rank=rank, world=2) for rank in range(2)]
    assert [len(next(iter(rank))) for rank in ranks] == [2, 2]
    assert [len(rank) for rank in ranks] == [3, 3]
    assert sum(len(build_loader(cfg, "test", rank=rank, world=2)) for rank in range(2)) == 3


def test_a_val_split_is_the_same_each_time_and_not_as_training(configure: Configure) -> None:
    cfg = configure(DATA__TRAIN_JITTER_SCALES_RELATIVE=[0.5, 1.0],
                    DATA__TRAIN_JITTER_ASPECT_RELATIVE=[0.75, 1.33],
                    DATA__TRAIN_JITTER_FPS=5.0, DATA__TRAIN_CROP_NUM_TEMPORAL=2)  # fmt: skip
    train, val = (build_dataset(cfg, split).clips for split in ("train", "val"))
    assert isinstance(train, RandomViews)
    assert isinstance(val, RandomViews)
    assert train.crop == RandomAreaCrop((0.5, 1.0), (0.75, 1.33), 32)
    assert val.crop == RandomShortSideCrop(40, 48, 32)
    assert (train.sampler.jitter_fps, val.sampler.jitter_fps) == (5.0, 0.0)
    assert (len(train.views), len(val.views)) == (2, 1)
    first, second = (list(build_loader(cfg, "val")) for _ in range(2))
    assert all(torch.equal(a.clips, b.clips) for a, b in zip(first, second, strict=True))


def test_keys_of_clips_and_crops_arrive(configure: Configure) -> None:
    cfg = configure(
        DATA__RANDOM_FLIP=False,
        DATA__INV_UNIFORM_SAMPLE=True,
        DATA__USE_OFFSET_SAMPLING=True,
        DATA__TARGET_FPS=25,
        DATA__TRAIN_CROP_NUM_SPATIAL=3,
        TEST__NUM_ENSEMBLE_VIEWS=5,
        TEST__NUM_SPATIAL_CROPS=1,
    )
    train, test = (build_dataset(cfg, split).clips for split in ("train", "test"))
    assert isinstance(train, RandomViews)
    assert isinstance(test, UniformViews)
    assert train.crop == RandomShortSideCrop(40, 48, 32, flip=False, inverse=True)
    assert len(train.views) == 3
    assert test.sampler.use_offset
    assert test.sampler.target_fps == train.sampler.target_fps == 25
    assert len(test.views) == 5
    assert (test.short_side, test.size) == (40, 36)  # a single crop: scaled as in training
    three = build_dataset(configure(), "test").clips
    assert isinstance(three, UniformViews)
    assert (three.short_side, three.size) == (36, 36)


def test_channels_are_reversed_on_the_device(configure: Configure) -> None:
    clips = torch.randint(0, 256, (1, 8, 4, 4, 3)).to(torch.uint8)
    (plain,) = input_stage_from_cfg(configure(MODEL__ARCH="slow"))(clips)
    (turned,) = input_stage_from_cfg(
        configure(MODEL__ARCH="slow", DATA__REVERSE_INPUT_CHANNEL=True)
    )(clips)
    torch.testing.assert_close(turned, plain.flip(1))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DATA.DUMMY_LOAD", True),
        ("DATA.IN22K_TRAINVAL", True),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(key: str, value: Any, configure: Configure) -> None:
    with pytest.raises(ValueError, match=rf"{key} is {value!r}, which the data layer .* can't do"):
        build_dataset(configure(**{key.replace(".", "__"): value}), "train")


def test_crop_keys_that_contradict_each_other(configure: Configure) -> None:
    with pytest.raises(ValueError, match=r"SCALES begins at 40, below DATA.TRAIN_CROP_SIZE \(44"):
        build_dataset(configure(DATA__TRAIN_CROP_SIZE=44), "train")
    with pytest.raises(ValueError, match=r"go together, got .* set both or neither"):
        build_dataset(configure(DATA__TRAIN_JITTER_SCALES_RELATIVE=[0.5, 1.0]), "train")
    with pytest.raises(ValueError, match="NUM_SPATIAL_CROPS is 2, but must be 1 or 3"):
        build_dataset(configure(TEST__NUM_SPATIAL_CROPS=2), "test")


def test_names_of_data_sets(configure: Configure) -> None:
    assert len(build_dataset(configure(TRAIN__DATASET="ptvkinetics"), "train")) == 12
    with pytest.raises(ValueError, match=r"'charades', whose videos .* set DATA.MULTI_LABEL True"):
        build_dataset(configure(TRAIN__DATASET="charades"), "val")
    with pytest.raises(ValueError, match=r"MULTI_LABEL is True, but TEST.DATASET is 'folder'"):
        build_dataset(configure(DATA__MULTI_LABEL=True, TEST__DATASET="folder"), "test")
    unknown = configure()
    unknown.defrost()
    unknown.TEST.DATASET = "kinetcs"  # past the check of the config
    with pytest.raises(ValueError, match=r"TEST.DATASET is 'kinetcs'.*did you mean kinetics"):
        build_dataset(unknown, "test")
    with pytest.raises(ValueError, match="expected a split of train, val, test, got 'dev'"):
        dataset_from_cfg(configure(), "dev", make_manifest([]))


def test_an_epoch_may_be_a_chunk_of_the_list(configure: Configure) -> None:
    """Twelve videos in chunks of five: rows 0 to 4, 5 to 9, and the last five."""
    cfg = configure(DATA__LOADER_CHUNK_SIZE=5, TRAIN__BATCH_SIZE=5)
    loader = build_loader(cfg, "train")
    assert len(loader) == 1
    chunks = [{0, 1, 2, 3, 4}, {5, 6, 7, 8, 9}, {7, 8, 9, 10, 11}, {0, 1, 2, 3, 4}]
    for epoch, rows in enumerate(chunks):
        assert set(loader.batches.order(epoch).tolist()) == rows
    assert not torch.equal(loader.batches.order(0), loader.batches.order(3))
    shorter = build_loader(configure(DATA__LOADER_CHUNK_OVERALL_SIZE=8), "train")
    assert sorted(shorter.batches.order(0).tolist()) == list(range(8))
    with pytest.raises(ValueError, match=r"LOADER_CHUNK_SIZE \(3\) videos do not fill one batch"):
        build_loader(configure(DATA__LOADER_CHUNK_SIZE=3), "train")


def test_clips_of_a_video_keep_their_distance(configure: Configure) -> None:
    cfg = configure(
        DATA__TRAIN_CROP_NUM_TEMPORAL=2,
        DATA__NUM_FRAMES=4,
        CONTRASTIVE__DELTA_CLIPS_MIN=2.0,
        CONTRASTIVE__DELTA_CLIPS_MAX=6.0,
    )
    dataset = build_dataset(cfg, "train")
    assert isinstance(dataset.clips, RandomViews)
    assert (dataset.clips.spacing.low, dataset.clips.spacing.high) == (2.0, 6.0)
    assert dataset.read(0).index.shape == (2, 4)


def test_bad_samples_follow_the_policy(configure: Configure, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        with (tmp_path / f"{split}.csv").open("a") as file:
            file.write("missing.mp4 0\n")
    with pytest.raises(VideoError, match=r"missing.mp4: expected a video file, found nothing"):
        list(build_loader(configure(), "test"))
    substitute = configure(DATA__ON_BAD_SAMPLE="substitute")
    assert build_dataset(substitute, "train").substitute
    for policy in ("skip", "substitute"):  # evaluation never substitutes
        cfg = configure(DATA__ON_BAD_SAMPLE=policy)
        assert [type(item) is Sample for item in build_loader(cfg, "test")] == [True] * 3 + [False]
        assert [len(batch) for batch in build_loader(cfg, "val")] == [4, 1]


def test_frames_above_the_limit_are_refused(configure: Configure) -> None:
    with pytest.raises(VideoError, match=r"raise DATA.MAX_PIXELS if that is no mistake"):
        list(build_loader(configure(DATA__MAX_PIXELS=1000), "test"))


def test_class_names(configure: Configure, tmp_path: Path) -> None:
    assert class_names_from_cfg(configure()) == []
    (tmp_path / "classes.txt").write_text("run\njump\nsit\n")
    assert class_names_from_cfg(configure()) == ["run", "jump", "sit"]
    (tmp_path / "other.json").write_text('{"a": 1, "b": 0}')
    with pytest.raises(ValueError, match=r"other.json: expected 3 names .*, found 2"):
        class_names_from_cfg(configure(DATA__CLASS_NAMES_FILE=str(tmp_path / "other.json")))


def test_a_phase_of_multigrid_has_small_crops_and_spans_up_to_that_of_the_recipe(
    configure: Configure,
) -> None:
    """Half the frames of the recipe and its full crop: 16, 23 and 32 pixels in turn."""
    cfg = configure(
        MULTIGRID__SHORT_CYCLE=True,
        MULTIGRID__DEFAULT_S=32,
        MULTIGRID__LONG_CYCLE_SAMPLING_RATE=4,
        DATA__NUM_FRAMES=4,
        TRAIN__BATCH_SIZE=1,
    )
    loader = build_loader(cfg, "train")
    clips = [(len(batch), *batch.clips.shape[1:4]) for batch in loader]
    assert clips[:3] == [(4, 4, 16, 16), (2, 4, 23, 23), (1, 4, 32, 32)]
    small = loader.dataset.cycle[0].crop
    assert small == RandomShortSideCrop(20, 48, 16)  # 40 pixels of 32, in proportion
    rates = [rule.sampling_rate for rule in loader.dataset.clips.sampler.rules]
    assert rates == [2, 3, 4]
    assert build_dataset(cfg, "val").clips.sampler.sampling_rate == 4
    assert build_dataset(cfg, "val").cycle == ()


def test_pictures_have_no_short_cycle(configure: Configure) -> None:
    cfg = configure(MULTIGRID__SHORT_CYCLE=True, TRAIN__DATASET="imagenet")
    with pytest.raises(ValueError, match=r"SHORT_CYCLE is for clips of videos, but .* 'imagenet'"):
        cycle_from_cfg(cfg)
