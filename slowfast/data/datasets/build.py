"""A config -> data sets, loaders and what the device does with their clips."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import partial, reduce
from pathlib import Path
from typing import Any, Literal, overload

from fvcore.common.registry import Registry

from slowfast.data.clip_dataset import ClipDataset
from slowfast.data.clips import CropRule, RandomViews, UniformViews
from slowfast.data.datasets.kinetics import read_class_names, read_kinetics
from slowfast.data.loader import EvalLoader, TrainLoader
from slowfast.data.manifest import Manifest
from slowfast.data.pixels import MakeStore, RgbStore, StrictStore, YuvStore
from slowfast.data.readers.source import open_source
from slowfast.data.record import Records
from slowfast.data.samplers import EvalBatches, TrainBatches
from slowfast.data.sampling import RandomClip, UniformClips
from slowfast.data.transforms.device import InputStage
from slowfast.data.transforms.spatial import RandomAreaCrop, RandomShortSideCrop
from slowfast.data.view import all_views
from slowfast.data.workers import prefetch_count, worker_count

SPLITS = ("train", "val", "test")
DATASETS = Registry("DATASET")  # name of a function (cfg, split) -> Records

# Data sets that recipes name and this version does not read.
_OTHERS = (
    "charades",
    "ssv2",
    "ava",
    "imagenet",
    "imagenetprefetch",
    "ptvcharades",
    "ptvssv2",
)
# Key -> the value that asks for nothing, for what the data layer would else have to ignore.
_NEUTRAL: dict[str, Any] = {
    "AUG.ENABLE": False,
    "AUG.GEN_MASK_LOADER": False,
    "DATA.COLOR_RND_GRAYSCALE": 0.0,
    "DATA.DUMMY_LOAD": False,
    "DATA.LOADER_CHUNK_SIZE": 0,
    "DATA.LOADER_CHUNK_OVERALL_SIZE": 0,
    "DATA.MULTI_LABEL": False,
    "DATA.SSL_COLOR_JITTER": False,
    "DATA.SSL_MOCOV2_AUG": False,
    "DATA.TIME_DIFF_PROB": 0.0,
    "DATA.TRAIN_JITTER_MOTION_SHIFT": False,
    "MULTIGRID.LONG_CYCLE_SAMPLING_RATE": 0,
    "MULTIGRID.SHORT_CYCLE": False,
}


def make_manifest(rows: Iterable[tuple[str, int]]) -> Manifest:
    """A list of (path, label) without a list file."""
    return Manifest.from_rows(rows)


def list_file_from_cfg(cfg: Any, split: str) -> Path:
    return Path(cfg.DATA.PATH_TO_DATA_DIR or "") / f"{split}.csv"


@DATASETS.register()
def kinetics(cfg: Any, split: str) -> Manifest:
    """The list ``PATH_TO_DATA_DIR/<split>.csv`` in the format of `read_kinetics`."""
    return read_kinetics(
        list_file_from_cfg(cfg, split),
        prefix=cfg.DATA.PATH_PREFIX or "",
        separator=cfg.DATA.PATH_LABEL_SEPARATOR,
        num_classes=cfg.MODEL.NUM_CLASSES,
        skip_rows=cfg.DATA.SKIP_ROWS,
    )


@DATASETS.register()
def ptvkinetics(cfg: Any, split: str) -> Manifest:
    """The same lists; the name that recipes of another library give them."""
    return kinetics(cfg, split)


def build_records(cfg: Any, split: str) -> Records:
    """The videos of a split.

    Raises:
        ValueError: the data set is unknown, or its list is missing or broken.
    """
    key = "TEST.DATASET" if split == "test" else "TRAIN.DATASET"
    name = (cfg.TEST if split == "test" else cfg.TRAIN).DATASET.lower()
    if name in _OTHERS:
        raise ValueError(
            f"{key} is {name!r}, but this version reads lists in the format of Kinetics only; "
            "write one 'path label' a line and set it to 'kinetics'"
        )
    if name not in DATASETS:
        known = [each for each, _ in DATASETS]
        near = difflib.get_close_matches(name, [*known, *_OTHERS], n=2)
        raise ValueError(
            f"{key} is {name!r}, which is no known data set"
            + (f"; did you mean {' or '.join(near)}?" if near else "")
            + f" Known: {', '.join(known)}"
        )
    return DATASETS.get(name)(cfg, split)


def build_dataset(cfg: Any, split: str) -> ClipDataset:
    """The data set of a split: train, val or test."""
    return dataset_from_cfg(cfg, split, build_records(cfg, split))


def dataset_from_cfg(cfg: Any, split: str, records: Records) -> ClipDataset:
    """The views of a split, of any videos.

    Train and val views are random; those of val are drawn as in epoch 0 each time. Keys that only
    choose how the public loader decoded (DECODING_BACKEND, DECODING_SHORT_SIZE,
    ENABLE_MULTI_THREAD_DECODE) make no difference: frames are decoded at full size by PyAV.

    Raises:
        ValueError: the config asks for what this version cannot do.
    """
    if split not in SPLITS:
        raise ValueError(f"expected a split of {', '.join(SPLITS)}, got {split!r}")
    _refuse_unsupported(cfg)
    views = _uniform_views(cfg) if split == "test" else _random_views(cfg, split)
    substitute = split == "train" and cfg.DATA.ON_BAD_SAMPLE == "substitute"
    return ClipDataset(records, views, substitute=substitute, seed=cfg.RNG_SEED)


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
    share = cfg.TRAIN.BATCH_SIZE // max(cfg.NUM_GPUS, 1)
    workers = workers_from_cfg(cfg)
    clip_bytes = cfg.DATA.NUM_FRAMES * cfg.DATA.TRAIN_CROP_SIZE**2 * 3
    options = {
        "num_workers": workers,
        "prefetch": prefetch_count(
            cfg.DATA_LOADER.PREFETCH_FACTOR, workers=workers, batch_bytes=share * clip_bytes
        ),
        "pin_memory": cfg.DATA_LOADER.PIN_MEMORY,
        "stop_on_bad": cfg.DATA.ON_BAD_SAMPLE == "raise",
    }
    if split == "train":
        batches = TrainBatches(
            len(dataset), share * world, rank=rank, world=world, seed=cfg.RNG_SEED
        )
        return TrainLoader(dataset, batches, **options)
    one_by_one = split == "test"
    size = 1 if one_by_one else share
    shard = EvalBatches(len(dataset), size, rank=rank, world=world)
    return EvalLoader(dataset, shard, one_by_one=one_by_one, **options)


def workers_from_cfg(cfg: Any) -> int:
    """Loader processes of a training process."""
    return worker_count(cfg.DATA_LOADER.NUM_WORKERS, processes=max(cfg.NUM_GPUS, 1))


def input_stage_from_cfg(cfg: Any) -> InputStage:
    """uint8 clips -> what the network takes: one pathway, or Slow and Fast."""
    return InputStage(
        cfg.DATA.MEAN,
        cfg.DATA.STD,
        reverse_channels=cfg.DATA.REVERSE_INPUT_CHANNEL,
        alpha=cfg.SLOWFAST.ALPHA if cfg.MODEL.ARCH == "slowfast" else None,
        fast_input=cfg.SLOWFAST.FAST_INPUT,
        channels_last=cfg.MODEL.CHANNELS_LAST,
    )


def class_names_from_cfg(cfg: Any) -> list[str]:
    """Names of the classes; empty if no file gives them.

    Raises:
        ValueError: DATA.CLASS_NAMES_FILE is not there, or names another number of classes.
    """
    default = Path(cfg.DATA.PATH_TO_DATA_DIR or "") / "classes.txt"
    path = cfg.DATA.CLASS_NAMES_FILE or (default if default.is_file() else "")
    if not path:
        return []
    names = read_class_names(path)
    if len(names) != cfg.MODEL.NUM_CLASSES:
        raise ValueError(
            f"{path}: expected {cfg.MODEL.NUM_CLASSES} names (MODEL.NUM_CLASSES), found "
            f"{len(names)}; correct one of them"
        )
    return names


def _random_views(cfg: Any, split: str) -> RandomViews:
    data, train = cfg.DATA, split == "train"
    return RandomViews(
        open_source=partial(open_source, max_pixels=data.MAX_PIXELS),
        views=all_views(data.TRAIN_CROP_NUM_TEMPORAL, data.TRAIN_CROP_NUM_SPATIAL)
        if train
        else all_views(1, 1),
        sampler=RandomClip(
            data.NUM_FRAMES,
            data.SAMPLING_RATE,
            target_fps=data.TARGET_FPS,
            jitter_fps=data.TRAIN_JITTER_FPS if train else 0.0,
        ),
        crop=crop_from_cfg(cfg, split),
        seed=cfg.RNG_SEED,
        split=split,
        make_store=store_from_cfg(cfg),
    )


def store_from_cfg(cfg: Any) -> MakeStore:
    """What takes the pixels of decoded frames."""
    if cfg.DATA.PIXELS == "strict":
        return partial(StrictStore, mean=tuple(cfg.DATA.MEAN), std=tuple(cfg.DATA.STD))
    return YuvStore if cfg.DATA.PIXELS == "yuv" else RgbStore


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
    # that they cover from end to end; published accuracies are for these.
    short_side = data.TEST_CROP_SIZE if crops > 1 else data.TRAIN_JITTER_SCALES[0]
    return UniformViews(
        open_source=partial(open_source, max_pixels=data.MAX_PIXELS),
        views=all_views(cfg.TEST.NUM_ENSEMBLE_VIEWS, crops),
        sampler=UniformClips(
            data.NUM_FRAMES,
            data.SAMPLING_RATE,
            target_fps=data.TARGET_FPS,
            use_offset=data.USE_OFFSET_SAMPLING,
        ),
        short_side=max(short_side, data.TEST_CROP_SIZE),
        size=data.TEST_CROP_SIZE,
        make_store=store_from_cfg(cfg),
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
