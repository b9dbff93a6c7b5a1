"""Mirrors slowfast/data/augmentation_from_cfg.py: which key makes what, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.config import get_cfg, load_cfg, with_values
from slowfast.data.augmentation_from_cfg import augment_stage_from_cfg, mask_from_cfg
from slowfast.data.augmented_clips import AugmentedViews, MaskedViews
from slowfast.data.clips import RandomViews, UniformViews
from slowfast.data.datasets.build import build_dataset, build_loader
from slowfast.data.transforms.colour import (
    ColourJitter,
    Lighting,
    RandomBlur,
    RandomGray,
    TimeDifference,
)
from slowfast.data.transforms.erasing import RandomErasing
from slowfast.data.transforms.masks import BlockMask, FrameMask, PatchMask, TubeMask
from slowfast.data.transforms.mixing import Mixing
from slowfast.data.transforms.moving_crop import MovingAreaCrop

CONFIGS = Path(__file__).parents[2] / "configs"
Configure = Callable[..., Any]


@pytest.fixture
def configure(videos: list[Path], tmp_path: Path) -> Configure:
    """A small config on the test videos; keyword SECTION__KEY sets a key."""
    lines = "".join(f"{path.name} {i % 3}\n" for i, path in enumerate(videos))
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.csv").write_text(lines)
    base = {
        "DATA.PATH_TO_DATA_DIR": str(tmp_path),
        "DATA.PATH_PREFIX": str(videos[0].parent),
        "DATA.SAMPLING_RATE": 2,
        "DATA.TRAIN_JITTER_SCALES": [40, 48],
        "DATA.TRAIN_CROP_SIZE": 32,
        "DATA.TEST_CROP_SIZE": 36,
        "DATA_LOADER.NUM_WORKERS": 0,
        "MODEL.NUM_CLASSES": 3,
        "NUM_GPUS": 0,
        "TRAIN.BATCH_SIZE": 4,
    }

    def change(**keys: Any) -> Any:
        return with_values(
            get_cfg(), base | {key.replace("__", "."): value for key, value in keys.items()}
        )

    return change


RELATIVE = {
    "DATA__TRAIN_JITTER_SCALES_RELATIVE": [0.2, 0.8],
    "DATA__TRAIN_JITTER_ASPECT_RELATIVE": [0.75, 1.33],
}


def test_by_default_nothing_is_augmented(configure: Configure) -> None:
    cfg = configure()
    assert isinstance(build_dataset(cfg, "train").clips, RandomViews)
    stage = augment_stage_from_cfg(cfg)
    assert (stage.clip_augments, stage.batch_augments) == ((), ())


def test_frames_are_augmented_in_training_only(configure: Configure) -> None:
    cfg = configure(AUG__ENABLE=True, AUG__NUM_SAMPLE=2, DATA__TRAIN_CROP_NUM_TEMPORAL=3)
    clips = build_dataset(cfg, "train").clips
    assert isinstance(clips, AugmentedViews)
    assert len(clips.base.views) == 6
    assert clips.short_side == 256
    (augment,) = clips.augments
    assert augment.magnitude == 9  # type: ignore[attr-defined]
    assert augment.canvas.fill == (115, 115, 115)  # type: ignore[attr-defined]
    assert augment.canvas.interpolation == "bicubic"  # type: ignore[attr-defined]
    assert isinstance(build_dataset(cfg, "val").clips, RandomViews)
    assert isinstance(build_dataset(cfg, "test").clips, UniformViews)
    # Without operations on frames the quicker views do.
    other = build_dataset(configure(AUG__ENABLE=True, AUG__AA_TYPE="", AUG__NUM_SAMPLE=2), "train")
    assert isinstance(other.clips, RandomViews)
    assert len(other.clips.views) == 2
    off = build_dataset(configure(AUG__NUM_SAMPLE=2), "train").clips
    assert isinstance(off, RandomViews)
    assert len(off.views) == 1, "AUG.NUM_SAMPLE is read with AUG.ENABLE"


@pytest.mark.parametrize(("short", "crop", "found"), [(20, 32, 32), (0, 32, 0), (256, 32, 256)])
def test_frames_are_never_scaled_below_the_crop(
    short: int, crop: int, found: int, configure: Configure
) -> None:
    cfg = configure(AUG__ENABLE=True, DATA__DECODING_SHORT_SIZE=short)
    assert build_dataset(cfg, "train").clips.short_side == found  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("keys", "kinds"),
    [
        ({"AUG__ENABLE": True}, [RandomErasing]),
        ({"AUG__ENABLE": True, "AUG__RE_PROB": 0.0}, []),
        ({"AUG__ENABLE": True, "AUG__AA_TYPE": ""}, [ColourJitter, RandomErasing]),
        (
            {
                "AUG__ENABLE": True,
                "AUG__AA_TYPE": "",
                "AUG__COLOR_JITTER": None,
                "AUG__RE_PROB": 0.0,
            },
            [],
        ),
        ({"DATA__COLOR_RND_GRAYSCALE": 0.2}, [RandomGray]),
        ({"DATA__TIME_DIFF_PROB": 0.2}, [TimeDifference]),
        ({"DATA__SSL_COLOR_JITTER": True}, [ColourJitter]),
        (
            {"DATA__SSL_COLOR_JITTER": True, "DATA__SSL_MOCOV2_AUG": True},
            [ColourJitter, RandomBlur],
        ),
        ({"TRAIN__DATASET": "imagenet"}, [Lighting]),
        ({"TRAIN__DATASET": "imagenet", "AUG__ENABLE": True}, [RandomErasing]),
        ({"DETECTION__ENABLE": True, "AVA__TRAIN_USE_COLOR_AUGMENTATION": True}, [Lighting]),
        (
            {
                "DETECTION__ENABLE": True,
                "AVA__TRAIN_USE_COLOR_AUGMENTATION": True,
                "AVA__TRAIN_PCA_JITTER_ONLY": False,
            },
            [ColourJitter, Lighting],
        ),
    ],
)
def test_what_runs_on_the_device_and_in_which_order(
    keys: dict, kinds: list, configure: Configure
) -> None:
    stage = augment_stage_from_cfg(configure(**keys))
    assert [type(augment) for augment in stage.clip_augments] == kinds
    assert stage.batch_augments == ()


def test_settings_reach_their_places(configure: Configure) -> None:
    ssl = {
        "DATA__SSL_COLOR_JITTER": True,
        "DATA__SSL_MOCOV2_AUG": True,
        "DATA__SSL_COLOR_BRI_CON_SAT": [0.1, 0.2, 0.3],
        "DATA__SSL_COLOR_HUE": 0.15,
        "DATA__SSL_BLUR_SIGMA_MIN": [0.5, 0.6],
        "DATA__SSL_BLUR_SIGMA_MAX": [0.7, 0.8],
    }
    jitter, blur = augment_stage_from_cfg(configure(**ssl)).clip_augments
    assert jitter == ColourJitter(0.1, 0.2, 0.3, 0.15, probability=0.8)
    assert blur == RandomBlur((0.5, 0.6), (0.7, 0.8), 0.5)
    aug = {"AUG__ENABLE": True, "AUG__RE_COUNT": 3, "AUG__RE_MODE": "const", "AUG__NUM_SAMPLE": 2}
    (erasing,) = augment_stage_from_cfg(configure(**aug, AUG__RE_SPLIT=True)).clip_augments
    mean, std = [0.45] * 3, [0.225] * 3
    assert erasing == RandomErasing(0.25, "const", mean, std, most=3, spared=2)
    (mixing,) = augment_stage_from_cfg(configure(MIXUP__ENABLE=True, RNG_SEED=4)).batch_augments
    assert mixing == Mixing(0.8, 1.0, 1.0, 0.5, 0.1, 3, seed=4)


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ({}, BlockMask((8, 7, 7), 0.4)),
        ({"AUG__MAX_MASK_PATCHES_PER_BLOCK": 75}, BlockMask((8, 7, 7), 0.4, 75)),
        ({"AUG__MASK_TUBE": True}, TubeMask((8, 7, 7), 0.4)),
        ({"AUG__MASK_FRAMES": True}, FrameMask((8, 7, 7), 0.4)),
        ({"MASK__MAE_RND_MASK": True}, PatchMask((8, 7, 7), 0.4)),
        (
            {"MASK__MAE_RND_MASK": True, "MASK__PER_FRAME_MASKING": True},
            PatchMask((8, 7, 7), 0.4, per_frame=True),
        ),
        ({"TRAIN__DATASET": "imagenet"}, BlockMask((1, 7, 7), 0.4, None, 4)),
    ],
)
def test_masks(keys: dict, rule: Any, configure: Configure) -> None:
    on = {"AUG__ENABLE": True, "AUG__GEN_MASK_LOADER": True, "AUG__MASK_RATIO": 0.4}
    cfg = configure(**on, **keys)
    assert mask_from_cfg(cfg) == rule
    assert mask_from_cfg(configure(**{**on, "AUG__ENABLE": False})) is None
    if not keys:
        clips = build_dataset(cfg, "train").clips
        assert isinstance(clips, MaskedViews)
        assert isinstance(clips.clips, AugmentedViews)
        batch = next(iter(build_loader(cfg, "train")))
        assert batch.masks.shape == (4, 8, 7, 7)


def test_the_crop_moves_if_there_is_a_relative_one(configure: Configure) -> None:
    clips = build_dataset(
        configure(DATA__TRAIN_JITTER_MOTION_SHIFT=True, **RELATIVE), "train"
    ).clips
    assert isinstance(clips, AugmentedViews)
    assert isinstance(clips.crop, MovingAreaCrop)
    with pytest.raises(ValueError, match=r"MOTION_SHIFT moves the relative crop, but there is non"):
        build_dataset(configure(DATA__TRAIN_JITTER_MOTION_SHIFT=True), "train")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"AUG__ENABLE": True, "DETECTION__ENABLE": True}, r"^AUG.ENABLE is True, but DETECTION"),
        ({"MIXUP__ENABLE": True, "DETECTION__ENABLE": True}, r"boxes would stay where they are"),
        ({"DATA__SSL_MOCOV2_AUG": True}, r"adds to DATA.SSL_COLOR_JITTER.*; set both or neither"),
        ({"AUG__ENABLE": True, "AUG__AA_TYPE": "auto"}, r"AUG.AA_TYPE is 'auto': it begins with"),
    ],
)
def test_contradictions_are_refused(keys: dict, message: str, configure: Configure) -> None:
    with pytest.raises(ValueError, match=message):
        build_dataset(configure(**keys), "train")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"TRAIN__BATCH_SIZE": 1}, r"BATCH_SIZE 1 leaves a process one clip; set it to at least 2"),
        ({"TRAIN__BATCH_SIZE": 4, "NUM_GPUS": 4}, r"set it to at least 8, or MIXUP.ENABLE to Fal"),
        ({"MODEL__LABEL_SMOOTHING": 0.1}, r"would smooth labels twice; set one of them to 0"),
        ({"DATA__MULTI_LABEL": True}, r"LABEL_SMOOTH_VALUE is 0.1, .* may be several; set it to 0"),
        ({"DETECTION__ENABLE": True}, r"^MIXUP.ENABLE is True, but DETECTION.ENABLE too"),
    ],
)
def test_mixing_that_cannot_be_done_is_refused(
    keys: dict, message: str, configure: Configure
) -> None:
    with pytest.raises(ValueError, match=message):
        augment_stage_from_cfg(configure(MIXUP__ENABLE=True, **keys))
    two = configure(MIXUP__ENABLE=True, TRAIN__BATCH_SIZE=1, AUG__ENABLE=True, AUG__NUM_SAMPLE=2)
    assert len(augment_stage_from_cfg(two).batch_augments) == 1


def test_workers_make_no_difference(configure: Configure) -> None:
    keys = {"AUG__ENABLE": True, "AUG__NUM_SAMPLE": 2, "AUG__GEN_MASK_LOADER": True}
    keys |= {"MIXUP__ENABLE": True, "AUG__RE_PROB": 0.5, "AUG__MASK_RATIO": 0.3} | RELATIVE
    found = []
    for workers in (0, 2):
        cfg = configure(**keys, DATA_LOADER__NUM_WORKERS=workers)
        loader, augment = build_loader(cfg, "train"), augment_stage_from_cfg(cfg)
        loader.set_position(3, 1)
        found.append([augment(batch) for batch in loader])
    assert [len(batch) for batch in found[0]] == [8, 8]
    for one, two in zip(*found, strict=True):
        assert torch.equal(one.clips, two.clips)
        assert torch.equal(one.labels, two.labels)
        assert torch.equal(one.masks, two.masks)


@pytest.mark.parametrize(
    "recipe",
    [
        "Kinetics/MVIT_B_16x4_CONV",
        "SSv2/MVITv2_S_16x4",
        "ImageNet/MVITv2_T",
        "contrastive_ssl/MoCo_SlowR50_8x8",
        "contrastive_ssl/finetune_ucf_Slow_R50_syn8",
        "masked_ssl/k400_VIT_B_16x4_FT",
        "masked_ssl/k400_MVITv2_S_16x4_MaskFeat_PT",
    ],
)
def test_recipes_get_what_they_ask_for(recipe: str, configure: Configure) -> None:
    cfg = load_cfg(CONFIGS / f"{recipe}.yaml", ["TRAIN.BATCH_SIZE", "16", "NUM_GPUS", "8"])
    stage = augment_stage_from_cfg(cfg)
    names = [type(augment).__name__ for augment in stage.clip_augments]
    if "contrastive" in recipe:
        assert names[:2] == ["ColourJitter", "RandomGray"]
    elif recipe.endswith("_PT"):
        assert names == []
        assert mask_from_cfg(cfg) == BlockMask((8, 7, 7), 0.4)
    else:
        assert names == ["RandomErasing"]
    assert bool(stage.batch_augments) == cfg.MIXUP.ENABLE


@pytest.mark.parametrize(("key", "value"), [("AUG__ENABLE", True), ("DATA__TIME_DIFF_PROB", 0.5)])
def test_pixels_that_are_normalised_are_not_augmented(
    key: str, value: object, configure: Configure
) -> None:
    cfg = configure(DATA__PIXELS="strict", **{key: value})
    shown = key.replace("__", ".")
    with pytest.raises(ValueError, match=rf"{shown} is {value}, but DATA.PIXELS 'strict'"):
        augment_stage_from_cfg(cfg)
    with pytest.raises(ValueError, match=r"set DATA\.PIXELS to 'rgb' to augment them"):
        build_dataset(cfg, "train")
