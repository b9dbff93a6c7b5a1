"""A config -> what cuts the clips of a split out of its videos."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from slowfast.data.augmentation_from_cfg import (
    frame_augments_from_cfg,
    masked_views_from_cfg,
    samples_of_a_clip_from_cfg,
    training_views_from_cfg,
)
from slowfast.data.clip_dataset import Clips
from slowfast.data.clips import CropRule, RandomViews, UniformViews
from slowfast.data.datasets.catalog import (
    colours_from_cfg,
    dataset_kind_from_cfg,
    random_sampler_from_cfg,
    uniform_sampler_from_cfg,
)
from slowfast.data.keyframes import AS_IT_IS, MIRRORED, KeyframeViews, clip_shifts
from slowfast.data.picture_views import PictureViews
from slowfast.data.pixels import MakeStore, RgbStore, StrictStore, YuvStore
from slowfast.data.readers.build import open_source_from_cfg
from slowfast.data.sampling import ClipSpacing
from slowfast.data.short_cycle import short_crops
from slowfast.data.transforms.box_plan import CentralCrop, WholeFrame
from slowfast.data.transforms.spatial import RandomAreaCrop, RandomShortSideCrop
from slowfast.data.view import all_views
from slowfast.log import LOGGER


def clips_from_cfg(cfg: Any, split: str) -> Clips:
    """What reads the views of a video."""
    sampling = dataset_kind_from_cfg(cfg, split).sampling
    if sampling in ("keyframes", "picture") and cfg.DATA.PIXELS != "rgb":
        raise ValueError(
            f"DATA.PIXELS is {cfg.DATA.PIXELS!r}, which is for clips of videos; set it "
            "to 'rgb' for keyframes with boxes and for pictures"
        )
    if sampling == "keyframes":
        return keyframe_views_from_cfg(cfg, split)
    if sampling == "picture":
        clips: Clips = picture_views_from_cfg(cfg, split)
    elif split == "test":
        return uniform_views_from_cfg(cfg)
    else:
        clips = random_views_from_cfg(cfg, split)
    return masked_views_from_cfg(cfg, clips) if split == "train" else clips


def cycle_from_cfg(cfg: Any) -> list[Clips]:
    """Clips of each place in the short cycle of multigrid; none without one.

    Raises:
        ValueError: the data set has no random clips of videos.
    """
    multigrid = cfg.MULTIGRID
    if not multigrid.SHORT_CYCLE:
        return []
    if dataset_kind_from_cfg(cfg, "train").sampling in ("keyframes", "picture"):
        raise ValueError(
            "MULTIGRID.SHORT_CYCLE is for clips of videos, but TRAIN.DATASET is "
            f"{cfg.TRAIN.DATASET!r}; set it to False"
        )
    full = multigrid.DEFAULT_S or cfg.DATA.TRAIN_CROP_SIZE
    sizes = [*short_crops(full, multigrid.SHORT_CYCLE_FACTORS), cfg.DATA.TRAIN_CROP_SIZE]
    return [random_views_from_cfg(cfg, "train", crop_size=size) for size in sizes]


def random_views_from_cfg(cfg: Any, split: str, *, crop_size: int = 0) -> Clips:
    data, train = cfg.DATA, split == "train"
    if train and not crop_size and data.RANDOM_FLIP and not flip_from_cfg(cfg, split):
        LOGGER.warning(
            "DATA.RANDOM_FLIP is True, but clips of %s are not mirrored: its classes tell left "
            "from right; set it to False",
            cfg.TRAIN.DATASET,
        )
    crops = data.TRAIN_CROP_NUM_SPATIAL * samples_of_a_clip_from_cfg(cfg)
    views = RandomViews(
        open_source=open_source_from_cfg(cfg),
        views=all_views(data.TRAIN_CROP_NUM_TEMPORAL, crops) if train else all_views(1, 1),
        sampler=random_sampler_from_cfg(cfg, split),
        crop=crop_from_cfg(cfg, split, size=crop_size),
        seed=cfg.RNG_SEED,
        split=split,
        spacing=ClipSpacing(cfg.CONTRASTIVE.DELTA_CLIPS_MIN, cfg.CONTRASTIVE.DELTA_CLIPS_MAX),
        make_store=store_from_cfg(cfg),
    )
    return training_views_from_cfg(cfg, views) if train else views


def keyframe_views_from_cfg(cfg: Any, split: str) -> KeyframeViews:
    data, ava = cfg.DATA, cfg.AVA
    views = KeyframeViews(
        open_source=open_source_from_cfg(cfg),
        num_frames=data.NUM_FRAMES,
        stride=data.SAMPLING_RATE,
        crops=(),
        fps=ava.FPS,
        seed=cfg.RNG_SEED,
        split=split,
    )
    if split == "train":
        return replace(views, crops=(crop_from_cfg(cfg, split),))
    as_told = MIRRORED if ava.TEST_FORCE_FLIP else AS_IT_IS
    if split == "val":
        central = CentralCrop(data.TEST_CROP_SIZE, data.TEST_CROP_SIZE)
        return replace(views, crops=(central,), orientations=(as_told,))
    if cfg.TEST.NUM_TEMPORAL_CLIPS:
        raise ValueError(
            f"TEST.NUM_TEMPORAL_CLIPS is {cfg.TEST.NUM_TEMPORAL_CLIPS}, which counts clips spread "
            "over a video, but TEST.DATASET has keyframes; set it to [], and AVA.TEST_CLIPS to the "
            "number of clips around each of them"
        )
    return replace(
        views,
        crops=tuple(map(WholeFrame, ava.TEST_SCALES or [data.TEST_CROP_SIZE])),
        shifts=clip_shifts(ava.TEST_CLIPS, ava.TEST_CLIP_SHIFT, ava.FPS),
        orientations=(AS_IT_IS, MIRRORED) if ava.TEST_FLIP else (as_told,),
    )


def picture_views_from_cfg(cfg: Any, split: str) -> PictureViews:
    data = cfg.DATA
    train = split == "train"
    crop: CropRule = CentralCrop(
        int(data.TEST_CROP_SIZE / data.IN_VAL_CROP_RATIO), data.TEST_CROP_SIZE
    )
    if train:
        # What recipes leave unset is the custom of ImageNet (1409.4842, Sec. 6).
        area = tuple(data.TRAIN_JITTER_SCALES_RELATIVE or (0.08, 1.0))
        aspect = tuple(data.TRAIN_JITTER_ASPECT_RELATIVE or (3 / 4, 4 / 3))
        flip = flip_from_cfg(cfg, split)
        crop = RandomAreaCrop(area, aspect, data.TRAIN_CROP_SIZE, flip=flip)
    return PictureViews(
        open_source=open_source_from_cfg(cfg),
        num_frames=data.NUM_FRAMES,
        crop=crop,
        seed=cfg.RNG_SEED,
        split=split,
        views=all_views(1, samples_of_a_clip_from_cfg(cfg)) if train else all_views(1, 1),
        augments=frame_augments_from_cfg(cfg) if train else (),
    )


def store_from_cfg(cfg: Any) -> MakeStore:
    """What takes the pixels of decoded frames."""
    if cfg.DATA.PIXELS == "strict":
        mean, std, _ = colours_from_cfg(cfg)
        return partial(StrictStore, mean=tuple(mean), std=tuple(std))
    return YuvStore if cfg.DATA.PIXELS == "yuv" else RgbStore


def crop_from_cfg(cfg: Any, split: str, *, size: int = 0) -> CropRule:
    """The random crop of train; val never takes the relative one, as in the public code.

    Args:
        size: of the crop, pixels; 0: DATA.TRAIN_CROP_SIZE.
    """
    data = cfg.DATA
    size = size or data.TRAIN_CROP_SIZE
    flip = flip_from_cfg(cfg, split)
    area, aspect = data.TRAIN_JITTER_SCALES_RELATIVE, data.TRAIN_JITTER_ASPECT_RELATIVE
    if split == "train" and (area or aspect):
        if not (area and aspect):
            raise ValueError(
                "DATA.TRAIN_JITTER_SCALES_RELATIVE and DATA.TRAIN_JITTER_ASPECT_RELATIVE go "
                f"together, got {area} and {aspect}; set both or neither"
            )
        return RandomAreaCrop(tuple(area), tuple(aspect), size, flip=flip)
    low, high = data.TRAIN_JITTER_SCALES
    if cfg.MULTIGRID.DEFAULT_S:  # small crops of multigrid show as much of a frame as large ones
        low = round(low * size / cfg.MULTIGRID.DEFAULT_S)
    if low < size:
        raise ValueError(
            f"DATA.TRAIN_JITTER_SCALES begins at {low}, below DATA.TRAIN_CROP_SIZE "
            f"({size}): a crop of a frame that small is impossible; raise the "
            "first or lower the second"
        )
    return RandomShortSideCrop(low, high, size, flip=flip, inverse=data.INV_UNIFORM_SAMPLE)


def flip_from_cfg(cfg: Any, split: str) -> bool:
    """Whether half of the clips are mirrored: never where that would make labels wrong."""
    return bool(cfg.DATA.RANDOM_FLIP and dataset_kind_from_cfg(cfg, split).mirrored)


def uniform_views_from_cfg(cfg: Any) -> UniformViews:
    data, crops = cfg.DATA, cfg.TEST.NUM_SPATIAL_CROPS
    # A single central crop is cut from frames as large as in training, three from smaller ones
    # that they cover from end to end; published accuracies are for these. SSv2 and Charades were
    # always tested with the smaller ones.
    by_time = dataset_kind_from_cfg(cfg, "test").sampling == "time"
    short_side = data.TRAIN_JITTER_SCALES[0] if crops == 1 and by_time else data.TEST_CROP_SIZE
    return UniformViews(
        open_source=open_source_from_cfg(cfg),
        views=all_views(cfg.TEST.NUM_ENSEMBLE_VIEWS, crops),
        sampler=uniform_sampler_from_cfg(cfg),
        short_side=max(short_side, data.TEST_CROP_SIZE),
        size=data.TEST_CROP_SIZE,
        make_store=store_from_cfg(cfg),
    )
