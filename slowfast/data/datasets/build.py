"""A config -> data sets, loaders and what the device does with their clips."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from pathlib import Path
from typing import Any, Literal, overload

from slowfast.data.augmentation_from_cfg import (
    frame_augments_from_cfg,
    masked_views_from_cfg,
    samples_of_a_clip_from_cfg,
    training_views_from_cfg,
)
from slowfast.data.clip_dataset import ClipDataset, Clips
from slowfast.data.clips import CropRule, RandomViews, UniformViews
from slowfast.data.content import ContentManifest, Verify, manifest_file, trust
from slowfast.data.datasets.catalog import (
    bgr_from_cfg,
    dataset_kind_from_cfg,
    random_sampler_from_cfg,
    uniform_sampler_from_cfg,
)
from slowfast.data.datasets.label_names import own_names_from_cfg
from slowfast.data.keyframes import KeyframeViews
from slowfast.data.loader import EvalLoader, TrainLoader
from slowfast.data.manifest import Manifest
from slowfast.data.picture_views import PictureViews
from slowfast.data.quarantine import FILE_NAME as QUARANTINE_FILE
from slowfast.data.quarantine import leave_out, read_quarantine
from slowfast.data.readers.build import open_source_from_cfg
from slowfast.data.record import Records
from slowfast.data.samplers import EvalBatches, TrainBatches
from slowfast.data.sampling import ClipSpacing
from slowfast.data.transforms.box_plan import CentralCrop, WholeFrame
from slowfast.data.transforms.device import InputStage
from slowfast.data.transforms.spatial import RandomAreaCrop, RandomShortSideCrop
from slowfast.data.view import all_views
from slowfast.log import LOGGER

SPLITS = ("train", "val", "test")

# Key -> the value that asks for nothing, for what the data layer would else have to ignore.
_NEUTRAL: dict[str, Any] = {
    "DATA.DUMMY_LOAD": False,
    "DATA.IN22K_TRAINVAL": False,
    "DATA.IN22k_VAL_IN1K": "",
    "MULTIGRID.LONG_CYCLE_SAMPLING_RATE": 0,
    "MULTIGRID.SHORT_CYCLE": False,
}


def make_manifest(rows: Iterable[tuple[str, int]]) -> Manifest:
    """A list of (path, label) without a list file."""
    return Manifest.from_rows(rows)


def build_records(cfg: Any, split: str) -> Records:
    """The videos of a split, without those in quarantine (DATA.QUARANTINE).

    Raises:
        ValueError: the data set is unknown, or its list or the quarantine is missing or broken.
    """
    records = list_records(cfg, split)
    file = quarantine_file_from_cfg(cfg)
    if file is None:
        return records
    prefix, entries = cfg.DATA.PATH_PREFIX or "", read_quarantine(file)
    kept = leave_out(records, entries, split, prefix=prefix, source=str(file))
    if len(kept) < len(records):
        left = len(records) - len(kept)
        LOGGER.info("%d of %d videos of %s left out: %s", left, len(records), split, file)
    return kept


def quarantine_file_from_cfg(cfg: Any) -> Path | None:
    """The file of DATA.QUARANTINE, or the one in PATH_TO_DATA_DIR; None if there is none."""
    if cfg.DATA.QUARANTINE:
        return None if cfg.DATA.QUARANTINE.lower() == "off" else Path(cfg.DATA.QUARANTINE)
    default = Path(cfg.DATA.PATH_TO_DATA_DIR or "") / QUARANTINE_FILE
    return default if default.is_file() else None


def list_records(cfg: Any, split: str) -> Records:
    """All videos of a split.

    Raises:
        ValueError: the data set is unknown, or its list is missing or broken.
    """
    return dataset_kind_from_cfg(cfg, split).read(cfg, split)


def build_dataset(cfg: Any, split: str) -> ClipDataset:
    """The data set of a split: train, val or test."""
    verify = verify_from_cfg(cfg, split)
    return dataset_from_cfg(cfg, split, build_records(cfg, split), verify=verify)


def dataset_from_cfg(
    cfg: Any, split: str, records: Records, *, verify: Verify = trust
) -> ClipDataset:
    """The views of a split, of any videos.

    Train and val views are random; those of val are drawn as in epoch 0 each time. Keys that only
    choose how the public loader decoded (ENABLE_MULTI_THREAD_DECODE) make no difference: frames
    are decoded at full size, by one thread. DECODING_SHORT_SIZE is for RandAugment.

    Raises:
        ValueError: the config asks for what this version cannot do.
    """
    if split not in SPLITS:
        raise ValueError(f"expected a split of {', '.join(SPLITS)}, got {split!r}")
    _refuse_unsupported(cfg)
    substitute = split == "train" and cfg.DATA.ON_BAD_SAMPLE == "substitute"
    return ClipDataset(
        records, _clips(cfg, split), substitute=substitute, seed=cfg.RNG_SEED, verify=verify
    )


def verify_from_cfg(cfg: Any, split: str) -> Verify:
    """What DATA.VERIFY_CONTENT asks of each file before it is decoded.

    Raises:
        ValueError: the manifest of the split is missing or broken.
    """
    if not cfg.DATA.VERIFY_CONTENT:
        return trust
    file = manifest_file(cfg.DATA.PATH_TO_DATA_DIR or "", split)
    manifest = ContentManifest.read(file, prefix=cfg.DATA.PATH_PREFIX or "")
    return manifest.check_size if cfg.DATA.VERIFY_CONTENT == "size" else manifest.check_hash


@overload
def build_loader(
    cfg: Any, split: Literal["train"], *, rank: int = 0, world: int = 1
) -> TrainLoader: ...


@overload
def build_loader(
    cfg: Any, split: Literal["val", "test"], *, rank: int = 0, world: int = 1
) -> EvalLoader: ...


def build_loader(
    cfg: Any, split: str, *, rank: int = 0, world: int = 1
) -> TrainLoader | EvalLoader:
    """Batches of train, batches of val, or single videos of test, of one rank of ``world``.

    A batch of a process has TRAIN.BATCH_SIZE // NUM_GPUS videos.
    """
    dataset = build_dataset(cfg, split)
    options = {
        "num_workers": cfg.DATA_LOADER.NUM_WORKERS,
        "prefetch": cfg.DATA_LOADER.PREFETCH_FACTOR,
        "pin_memory": cfg.DATA_LOADER.PIN_MEMORY,
        "stop_on_bad": cfg.DATA.ON_BAD_SAMPLE == "raise",
    }
    share = cfg.TRAIN.BATCH_SIZE // max(cfg.NUM_GPUS, 1)
    if split == "train":
        batches = TrainBatches(
            # Of a list longer than it says, the rest is not trained on, as in the public code.
            min(cfg.DATA.LOADER_CHUNK_OVERALL_SIZE or len(dataset), len(dataset)),
            share * world,
            rank=rank,
            world=world,
            seed=cfg.RNG_SEED,
            chunk=cfg.DATA.LOADER_CHUNK_SIZE,
        )
        return TrainLoader(dataset, batches, **options)
    one_by_one = split == "test"
    size = 1 if one_by_one else share
    shard = EvalBatches(len(dataset), size, rank=rank, world=world)
    return EvalLoader(dataset, shard, one_by_one=one_by_one, **options)


def input_stage_from_cfg(cfg: Any) -> InputStage:
    """uint8 clips -> what the network takes: one pathway, or Slow and Fast."""
    mean, std, reverse = cfg.DATA.MEAN, cfg.DATA.STD, cfg.DATA.REVERSE_INPUT_CHANNEL
    if bgr_from_cfg(cfg):  # what comes from the readers is RGB, whatever the data set
        mean, std, reverse = mean[::-1], std[::-1], not reverse
    return InputStage(
        mean,
        std,
        reverse_channels=reverse,
        alpha=cfg.SLOWFAST.ALPHA if cfg.MODEL.ARCH == "slowfast" else None,
        fast_input=cfg.SLOWFAST.FAST_INPUT,
        channels_last=cfg.MODEL.CHANNELS_LAST,
    )


def class_names_from_cfg(cfg: Any) -> list[str]:
    """Names of the classes; empty if neither a file of names nor the data set gives them.

    Raises:
        ValueError: DATA.CLASS_NAMES_FILE is not there, or names another number of classes.
    """
    names = own_names_from_cfg(cfg)
    if not names and Path(cfg.DATA.PATH_TO_DATA_DIR or "").is_dir():
        names = dataset_kind_from_cfg(cfg, "train").names(cfg)
    if names and len(names) != cfg.MODEL.NUM_CLASSES:
        source = cfg.DATA.CLASS_NAMES_FILE or cfg.DATA.PATH_TO_DATA_DIR
        raise ValueError(
            f"{source}: expected {cfg.MODEL.NUM_CLASSES} names (MODEL.NUM_CLASSES), found "
            f"{len(names)}; correct one of them"
        )
    return names


def _clips(cfg: Any, split: str) -> Clips:
    """What reads the views of a video."""
    sampling = dataset_kind_from_cfg(cfg, split).sampling
    if sampling == "keyframes":
        return _keyframe_views(cfg, split)
    if sampling == "picture":
        clips: Clips = _picture_views(cfg, split)
    elif split == "test":
        return _uniform_views(cfg)
    else:
        clips = _random_views(cfg, split)
    return masked_views_from_cfg(cfg, clips) if split == "train" else clips


def _random_views(cfg: Any, split: str) -> Clips:
    data, train = cfg.DATA, split == "train"
    crops = data.TRAIN_CROP_NUM_SPATIAL * samples_of_a_clip_from_cfg(cfg)
    views = RandomViews(
        open_source=open_source_from_cfg(cfg),
        views=all_views(data.TRAIN_CROP_NUM_TEMPORAL, crops) if train else all_views(1, 1),
        sampler=random_sampler_from_cfg(cfg, split),
        crop=crop_from_cfg(cfg, split),
        seed=cfg.RNG_SEED,
        split=split,
        spacing=ClipSpacing(cfg.CONTRASTIVE.DELTA_CLIPS_MIN, cfg.CONTRASTIVE.DELTA_CLIPS_MAX),
    )
    return training_views_from_cfg(cfg, views) if train else views


def _keyframe_views(cfg: Any, split: str) -> KeyframeViews:
    data, flip = cfg.DATA, cfg.AVA.TEST_FORCE_FLIP
    crop: CropRule = WholeFrame(data.TEST_CROP_SIZE, flip)
    if split == "train":
        crop = crop_from_cfg(cfg, split)
    elif split == "val":
        crop = CentralCrop(data.TEST_CROP_SIZE, data.TEST_CROP_SIZE, flip)
    return KeyframeViews(
        open_source=open_source_from_cfg(cfg),
        num_frames=data.NUM_FRAMES,
        stride=data.SAMPLING_RATE,
        crop=crop,
        fps=cfg.AVA.FPS,
        seed=cfg.RNG_SEED,
        split=split,
    )


def _picture_views(cfg: Any, split: str) -> PictureViews:
    data = cfg.DATA
    train = split == "train"
    crop: CropRule = CentralCrop(
        int(data.TEST_CROP_SIZE / data.IN_VAL_CROP_RATIO), data.TEST_CROP_SIZE
    )
    if train:
        # What recipes leave unset is the custom of ImageNet (1409.4842, Sec. 6).
        area = tuple(data.TRAIN_JITTER_SCALES_RELATIVE or (0.08, 1.0))
        aspect = tuple(data.TRAIN_JITTER_ASPECT_RELATIVE or (3 / 4, 4 / 3))
        crop = RandomAreaCrop(area, aspect, data.TRAIN_CROP_SIZE, flip=data.RANDOM_FLIP)
    return PictureViews(
        open_source=open_source_from_cfg(cfg),
        num_frames=data.NUM_FRAMES,
        crop=crop,
        seed=cfg.RNG_SEED,
        split=split,
        views=all_views(1, samples_of_a_clip_from_cfg(cfg)) if train else all_views(1, 1),
        augments=frame_augments_from_cfg(cfg) if train else (),
    )


def crop_from_cfg(cfg: Any, split: str) -> CropRule:
    """The random crop of train; val never takes the relative one, as in the public code."""
    data = cfg.DATA
    area, aspect = data.TRAIN_JITTER_SCALES_RELATIVE, data.TRAIN_JITTER_ASPECT_RELATIVE
    if split == "train" and (area or aspect):
        if not (area and aspect):
            raise ValueError(
                "DATA.TRAIN_JITTER_SCALES_RELATIVE and DATA.TRAIN_JITTER_ASPECT_RELATIVE go "
                f"together, got {area} and {aspect}; set both or neither"
            )
        return RandomAreaCrop(
            tuple(area), tuple(aspect), data.TRAIN_CROP_SIZE, flip=data.RANDOM_FLIP
        )
    low, high = data.TRAIN_JITTER_SCALES
    if low < data.TRAIN_CROP_SIZE:
        raise ValueError(
            f"DATA.TRAIN_JITTER_SCALES begins at {low}, below DATA.TRAIN_CROP_SIZE "
            f"({data.TRAIN_CROP_SIZE}): a crop of a frame that small is impossible; raise the "
            "first or lower the second"
        )
    return RandomShortSideCrop(
        low, high, data.TRAIN_CROP_SIZE, flip=data.RANDOM_FLIP, inverse=data.INV_UNIFORM_SAMPLE
    )


def _uniform_views(cfg: Any) -> UniformViews:
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
    )


def _refuse_unsupported(cfg: Any) -> None:
    for key, neutral in _NEUTRAL.items():
        value = reduce(getattr, key.split("."), cfg)
        if value != neutral:
            raise ValueError(
                f"{key} is {value!r}, which the data layer of this version can't do; set it to "
                f"{neutral!r} to go on without it"
            )
    crops = cfg.TEST.NUM_SPATIAL_CROPS
    if crops not in (1, 3):
        raise ValueError(f"TEST.NUM_SPATIAL_CROPS is {crops}, but must be 1 or 3")
