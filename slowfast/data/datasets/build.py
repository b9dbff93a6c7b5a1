"""A config -> data sets, loaders and what the device does with their clips."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from pathlib import Path
from typing import Any, Literal, overload

from slowfast import dist
from slowfast.data.clip_dataset import ClipDataset
from slowfast.data.content import ContentManifest, Verify, manifest_file, trust
from slowfast.data.datasets.catalog import (
    colours_from_cfg,
    dataset_kind_from_cfg,
)
from slowfast.data.datasets.label_names import own_names_from_cfg
from slowfast.data.datasets.views_from_cfg import clips_from_cfg, cycle_from_cfg
from slowfast.data.loader import EvalLoader, TrainLoader
from slowfast.data.manifest import Manifest
from slowfast.data.quarantine import FILE_NAME as QUARANTINE_FILE
from slowfast.data.quarantine import leave_out, read_quarantine
from slowfast.data.record import Records
from slowfast.data.samplers import EvalBatches, TrainBatches
from slowfast.data.short_cycle import ShortCycle, short_batches
from slowfast.data.transforms.device import InputStage
from slowfast.data.workers import prefetch_count, worker_count
from slowfast.log import LOGGER

SPLITS = ("train", "val", "test")

# Key -> the value that asks for nothing, for what the data layer would else have to ignore.
_NEUTRAL: dict[str, Any] = {
    "DATA.DUMMY_LOAD": False,
    "DATA.IN22K_TRAINVAL": False,
    "DATA.IN22k_VAL_IN1K": "",
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
    prefix, entries = prefix_from_cfg(cfg, split), read_quarantine(file)
    folder = str(cfg.DATA.PATH_TO_DATA_DIR or "")
    kept = leave_out(records, entries, split, prefix=prefix, folder=folder, source=str(file))
    if len(kept) < len(records):
        left = len(records) - len(kept)
        LOGGER.info("%d of %d videos of %s left out: %s", left, len(records), split, file)
    return kept


def prefix_from_cfg(cfg: Any, split: str) -> str:
    """The folder that the config puts in front of the videos of a split."""
    if dataset_kind_from_cfg(cfg, split).sampling == "keyframes":
        return str(cfg.AVA.VIDEO_DIR or cfg.AVA.FRAME_DIR or "")
    return str(cfg.DATA.PATH_PREFIX or "")


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
        records,
        clips_from_cfg(cfg, split),
        substitute=substitute,
        seed=cfg.RNG_SEED,
        verify=verify,
        cycle=cycle_from_cfg(cfg) if split == "train" else (),
    )


def verify_from_cfg(cfg: Any, split: str) -> Verify:
    """What DATA.VERIFY_CONTENT asks of each file before it is decoded.

    Raises:
        ValueError: the manifest of the split is missing or broken.
    """
    if not cfg.DATA.VERIFY_CONTENT:
        return trust
    file = manifest_file(cfg.DATA.PATH_TO_DATA_DIR or "", split)
    folder = str(cfg.DATA.PATH_TO_DATA_DIR or "")
    manifest = ContentManifest.read(file, prefix=prefix_from_cfg(cfg, split), folder=folder)
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

    The processes of a machine share TRAIN.BATCH_SIZE videos.
    """
    dataset = build_dataset(cfg, split)
    share = cfg.TRAIN.BATCH_SIZE // dist.processes_from_cfg(cfg)
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
            # Of a list longer than it says, the rest is not trained on, as in the public code.
            min(cfg.DATA.LOADER_CHUNK_OVERALL_SIZE or len(dataset), len(dataset)),
            share * world,
            rank=rank,
            world=world,
            seed=cfg.RNG_SEED,
            chunk=cfg.DATA.LOADER_CHUNK_SIZE,
        )
        return TrainLoader(dataset, _cycled_from_cfg(cfg, batches), **options)
    one_by_one = split == "test"
    size = 1 if one_by_one else share
    shard = EvalBatches(len(dataset), size, rank=rank, world=world)
    return EvalLoader(dataset, shard, one_by_one=one_by_one, **options)


def _cycled_from_cfg(cfg: Any, batches: TrainBatches) -> TrainBatches | ShortCycle:
    """The batches, or those of the short cycle of multigrid in their place."""
    multigrid, crop = cfg.MULTIGRID, cfg.DATA.TRAIN_CROP_SIZE
    if not multigrid.SHORT_CYCLE:
        return batches
    part = batches.batch_size // batches.world
    full = multigrid.DEFAULT_S or crop
    sizes = short_batches(part, crop, full, multigrid.SHORT_CYCLE_FACTORS)
    return ShortCycle(batches, [size * batches.world for size in sizes])


def workers_from_cfg(cfg: Any) -> int:
    """Loader processes of a training process."""
    return worker_count(cfg.DATA_LOADER.NUM_WORKERS, processes=dist.processes_from_cfg(cfg))


def input_stage_from_cfg(cfg: Any) -> InputStage:
    """uint8 clips -> what the network takes: one pathway, or Slow and Fast."""
    mean, std, reverse = colours_from_cfg(cfg)
    return InputStage(
        mean,
        std,
        reverse_channels=reverse,
        alpha=cfg.SLOWFAST.ALPHA if cfg.MODEL.ARCH == "slowfast" else None,
        fast_input=cfg.SLOWFAST.FAST_INPUT,
        normalised=cfg.DATA.PIXELS == "strict",
        channels_last=cfg.MODEL.CHANNELS_LAST,
    )


def class_names_from_cfg(cfg: Any, split: str = "train") -> list[str]:
    """Names of the classes; empty if neither a file of names nor the data set gives them.

    Raises:
        ValueError: DATA.CLASS_NAMES_FILE is not there, or names another number of classes.
    """
    names = own_names_from_cfg(cfg)
    if not names and Path(cfg.DATA.PATH_TO_DATA_DIR or "").is_dir():
        names = dataset_kind_from_cfg(cfg, split).names(cfg)
    if names and len(names) != cfg.MODEL.NUM_CLASSES:
        source = cfg.DATA.CLASS_NAMES_FILE or cfg.DATA.PATH_TO_DATA_DIR
        raise ValueError(
            f"{source}: expected {cfg.MODEL.NUM_CLASSES} names (MODEL.NUM_CLASSES), found "
            f"{len(names)}; correct one of them"
        )
    return names


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
