"""Data sets by the name that TRAIN.DATASET and TEST.DATASET give them, and what they differ in."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from slowfast.data.clips import ClipRule
from slowfast.data.datasets.ava import ava_from_cfg, ava_names_from_cfg
from slowfast.data.datasets.charades import charades_from_cfg
from slowfast.data.datasets.class_folders import folder_from_cfg, folder_names_from_cfg
from slowfast.data.datasets.imagenet import imagenet_from_cfg, imagenet_names_from_cfg
from slowfast.data.datasets.label_names import own_names_from_cfg
from slowfast.data.datasets.label_sets import lists_from_cfg
from slowfast.data.datasets.named_csv import csv_from_cfg, csv_names_from_cfg
from slowfast.data.datasets.official_splits import (
    hmdb51_from_cfg,
    hmdb51_names_from_cfg,
    ucf101_from_cfg,
    ucf101_names_from_cfg,
)
from slowfast.data.datasets.ssv2 import ssv2_from_cfg, ssv2_names_from_cfg
from slowfast.data.frame_sampling import (
    FrameOfSegments,
    MiddleOfSegments,
    RandomStrides,
    UniformStrides,
)
from slowfast.data.record import Records
from slowfast.data.sampling import AnyOf, DrawClip, RandomClip, UniformClips


@dataclass(frozen=True)
class DataSet:
    """What the loaders ask about a data set.

    Attributes:
        read: (cfg, split) -> its videos.
        names: cfg -> names of its classes, empty if no file gives them.
        sampling: how clips are cut: by time; one frame of each segment; every n-th frame; around
            keyframes with boxes; or the only frame of a picture.
        labels: of a video: one; several, or none; or as DATA.MULTI_LABEL says.
        mirrored: whether a mirrored clip has the label of the clip.
        bgr: the public code reads its pictures as blue, green, red and goes on with that order.
            Means and deviations are in it, and REVERSE_INPUT_CHANNEL turns it into RGB, which
            is what published networks (initialised from Kinetics) were trained on.
    """

    read: Callable[[Any, str], Records]
    names: Callable[[Any], list[str]] = own_names_from_cfg
    sampling: Literal["time", "segments", "strides", "keyframes", "picture"] = "time"
    labels: Literal["one", "several", "either"] = "one"
    mirrored: bool = True
    bgr: bool = False


_KINETICS = DataSet(lists_from_cfg, labels="either")
_CHARADES = DataSet(charades_from_cfg, sampling="strides", labels="several", bgr=True)
_SSV2 = DataSet(ssv2_from_cfg, ssv2_names_from_cfg, sampling="segments", mirrored=False, bgr=True)
_IMAGENET = DataSet(imagenet_from_cfg, imagenet_names_from_cfg, sampling="picture")

# Those that begin with "ptv" are the names that recipes of pytorchvideo have for the same lists.
DATASETS: dict[str, DataSet] = {
    "kinetics": _KINETICS,
    "ptvkinetics": _KINETICS,
    "ucf101": DataSet(ucf101_from_cfg, ucf101_names_from_cfg),
    "hmdb51": DataSet(hmdb51_from_cfg, hmdb51_names_from_cfg),
    "folder": DataSet(folder_from_cfg, folder_names_from_cfg),
    "csv": DataSet(csv_from_cfg, csv_names_from_cfg, labels="either"),
    "ssv2": _SSV2,
    "ptvssv2": _SSV2,
    "charades": _CHARADES,
    "ptvcharades": _CHARADES,
    "ava": DataSet(ava_from_cfg, ava_names_from_cfg, sampling="keyframes"),
    "imagenet": _IMAGENET,
    "imagenetprefetch": _IMAGENET,
}


def dataset_kind_from_cfg(cfg: Any, split: str) -> DataSet:
    """What TRAIN.DATASET (of train and val) or TEST.DATASET names.

    Raises:
        ValueError: there is no such data set, or DATA.MULTI_LABEL contradicts it.
    """
    key = "TEST.DATASET" if split == "test" else "TRAIN.DATASET"
    name = (cfg.TEST if split == "test" else cfg.TRAIN).DATASET.lower()
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, n=2)
        raise ValueError(
            f"{key} is {name!r}, which is no known data set"
            + (f"; did you mean {' or '.join(near)}?" if near else "")
            + f" Known: {', '.join(DATASETS)}"
        )
    kind = DATASETS[name]
    if kind.labels == "several" and not cfg.DATA.MULTI_LABEL:
        raise ValueError(
            f"{key} is {name!r}, whose videos have several labels; set DATA.MULTI_LABEL True and "
            "MODEL.LOSS_FUNC bce_logit and MODEL.HEAD_ACT sigmoid"
        )
    if cfg.DATA.MULTI_LABEL and kind.labels == "one" and kind.sampling != "keyframes":
        raise ValueError(
            f"DATA.MULTI_LABEL is True, but {key} is {name!r}, whose videos have one label each; "
            "set it to False, or write lists with several labels for 'kinetics' or 'csv' "
            "(docs/data.md)"
        )
    _refuse_ignored_from_cfg(cfg, kind, f"{key} {name!r}")
    return kind


def _refuse_ignored_from_cfg(cfg: Any, kind: DataSet, shown: str) -> None:
    """Raise for a key that says something of time, clips or lists that the data set has not."""
    by_time, videos = kind.sampling == "time", kind.sampling not in ("keyframes", "picture")
    # Key of DATA, the value that asks for nothing, whether the data set honours others. Clips of
    # Charades have labels of their own, and a sample has one label.
    for key, neutral, honoured in (
        ("SKIP_ROWS", 0, kind.read is lists_from_cfg),
        ("USE_OFFSET_SAMPLING", False, by_time),
        ("TRAIN_JITTER_FPS", 0.0, by_time),
        ("TRAIN_CROP_NUM_TEMPORAL", 1, videos and kind.sampling != "strides"),
        ("TRAIN_CROP_NUM_SPATIAL", 1, videos),
    ):
        value = cfg.DATA[key]
        if value != neutral and not honoured:
            raise ValueError(
                f"DATA.{key} is {value!r}, which {shown} cannot do; set it to {neutral!r} to go on "
                "without it"
            )


def uniform_sampler_from_cfg(cfg: Any) -> ClipRule:
    data = cfg.DATA
    kind = dataset_kind_from_cfg(cfg, "test")
    if kind.sampling == "segments":
        return MiddleOfSegments(data.NUM_FRAMES)
    if kind.sampling == "strides":
        return UniformStrides(data.NUM_FRAMES, data.SAMPLING_RATE)
    return UniformClips(
        data.NUM_FRAMES,
        data.SAMPLING_RATE,
        target_fps=data.TARGET_FPS,
        use_offset=data.USE_OFFSET_SAMPLING,
    )


def random_sampler_from_cfg(cfg: Any, split: str) -> DrawClip:
    data, train = cfg.DATA, split == "train"
    kind = dataset_kind_from_cfg(cfg, split)
    if kind.sampling == "segments":
        return FrameOfSegments(data.NUM_FRAMES, random=train)

    def rule(rate: int) -> DrawClip:
        if kind.sampling == "strides":
            return RandomStrides(data.NUM_FRAMES, rate)
        jitter = data.TRAIN_JITTER_FPS if train else 0.0
        return RandomClip(data.NUM_FRAMES, rate, target_fps=data.TARGET_FPS, jitter_fps=jitter)

    low, high = data.SAMPLING_RATE, max(cfg.MULTIGRID.LONG_CYCLE_SAMPLING_RATE, data.SAMPLING_RATE)
    if low == high:
        return rule(low)
    # A phase of multigrid with fewer frames than the recipe: clips of any span up to that of the
    # recipe, and to judge the network, of that one.
    return AnyOf([rule(rate) for rate in range(low, high + 1)]) if train else rule(high)


def bgr_from_cfg(cfg: Any) -> bool:
    """Whether the order of MEAN, STD and the input is blue, green, red.

    That of the training data: a network is tested on what it was trained on.
    """
    kind = DATASETS.get(cfg.TRAIN.DATASET.lower(), _KINETICS)
    return cfg.AVA.BGR if kind.sampling == "keyframes" else kind.bgr


def colours_from_cfg(cfg: Any) -> tuple[list[float], list[float], bool]:
    """Means and deviations of red, green and blue, and whether the network sees them reversed.

    What comes from the readers is RGB, whatever the data set.
    """
    mean, std, reverse = cfg.DATA.MEAN, cfg.DATA.STD, cfg.DATA.REVERSE_INPUT_CHANNEL
    if bgr_from_cfg(cfg):
        return mean[::-1], std[::-1], not reverse
    return mean, std, reverse


def num_test_views_from_cfg(cfg: Any) -> int:
    """Views of one item of the test."""
    sampling = dataset_kind_from_cfg(cfg, "test").sampling
    if sampling == "picture":
        return 1
    if sampling == "keyframes":
        return max(len(cfg.AVA.TEST_SCALES), 1) * cfg.AVA.TEST_CLIPS * (1 + cfg.AVA.TEST_FLIP)
    return cfg.TEST.NUM_ENSEMBLE_VIEWS * cfg.TEST.NUM_SPATIAL_CROPS
