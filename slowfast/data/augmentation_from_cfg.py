"""A config -> what is done to training clips: in the workers, and on the device."""

from __future__ import annotations

from typing import Any

from slowfast import dist
from slowfast.data.augmented_clips import (
    AugmentedViews,
    ClipCrop,
    FrameAugment,
    MaskedViews,
    MaskRule,
)
from slowfast.data.clip_dataset import Clips
from slowfast.data.clips import RandomViews
from slowfast.data.transforms.augment_stage import AugmentStage, ClipAugment
from slowfast.data.transforms.colour import (
    ColourJitter,
    Lighting,
    RandomBlur,
    RandomGray,
    TimeDifference,
)
from slowfast.data.transforms.erasing import RandomErasing
from slowfast.data.transforms.masks import (
    SMALLEST_2D,
    BlockMask,
    FrameMask,
    PatchMask,
    TubeMask,
)
from slowfast.data.transforms.mixing import Mixing
from slowfast.data.transforms.moving_crop import MovingAreaCrop
from slowfast.data.transforms.spatial import RandomAreaCrop

IMAGES = ("imagenet", "imagenetprefetch")  # data sets whose clips are one picture
MOCO_JITTER, MOCO_BLUR = 0.8, 0.5  # probabilities in MoCo v2 (2003.04297)
AVA_JITTER = 0.4  # of brightness, contrast and saturation


def samples_of_a_clip_from_cfg(cfg: Any) -> int:
    """Times that each training clip is taken, augmented anew (AUG.NUM_SAMPLE)."""
    return int(cfg.AUG.NUM_SAMPLE) if cfg.AUG.ENABLE else 1


def training_views_from_cfg(cfg: Any, views: RandomViews) -> Clips:
    """``views``, with augmented frames where the config asks for them.

    Raises:
        ValueError: keys that contradict each other, or boxes that would be left behind.
    """
    _refuse_contradictions_from_cfg(cfg)
    augments = frame_augments_from_cfg(cfg)
    crop = _moving_crop_from_cfg(cfg, views) if cfg.DATA.TRAIN_JITTER_MOTION_SHIFT else None
    if not augments and crop is None:
        return views
    short = cfg.DATA.DECODING_SHORT_SIZE
    return AugmentedViews(
        views,
        crop=views.crop if crop is None else crop,
        augments=augments,
        # Below the size of the crop nothing would be gained, and detail be lost.
        short_side=max(short, cfg.DATA.TRAIN_CROP_SIZE) if short else 0,
    )


def masked_views_from_cfg(cfg: Any, clips: Clips) -> Clips:
    """``clips`` of training, with masks where the config asks for them."""
    mask = mask_from_cfg(cfg)
    return clips if mask is None else MaskedViews(clips, mask, cfg.RNG_SEED, "train")


def augment_stage_from_cfg(cfg: Any) -> AugmentStage:
    """What is done to a training batch on the device; a stage that does nothing if that is all.

    Raises:
        ValueError: as `training_views_from_cfg`; or nothing can be mixed.
    """
    _refuse_contradictions_from_cfg(cfg)
    clip_augments: list[ClipAugment] = [*_colours_from_cfg(cfg), *_erasing_from_cfg(cfg)]
    mixing = [_mixing_from_cfg(cfg)] if cfg.MIXUP.ENABLE else []
    return AugmentStage(clip_augments, mixing, seed=cfg.RNG_SEED)


def mask_from_cfg(cfg: Any) -> MaskRule | None:
    """How AUG and MASK hide patches, if the loader is to draw that."""
    aug = cfg.AUG
    if not (aug.ENABLE and aug.GEN_MASK_LOADER):
        return None
    frames, height, width = aug.MASK_WINDOW_SIZE
    ratio, largest = aug.MASK_RATIO, aug.MAX_MASK_PATCHES_PER_BLOCK
    if cfg.TRAIN.DATASET.lower() in IMAGES:
        return BlockMask((1, height, width), ratio, largest, SMALLEST_2D)
    window = (frames, height, width)
    if cfg.MASK.MAE_RND_MASK:
        return PatchMask(window, ratio, per_frame=cfg.MASK.PER_FRAME_MASKING)
    if aug.MASK_TUBE:
        return TubeMask(window, ratio, largest)
    return FrameMask(window, ratio) if aug.MASK_FRAMES else BlockMask(window, ratio, largest)


def frame_augments_from_cfg(cfg: Any) -> list[FrameAugment]:
    """What is done to the frames of each training view, in the worker."""
    aug = cfg.AUG
    if not (aug.ENABLE and aug.AA_TYPE):
        return []
    # Here rather than above: torchvision takes longer to import than PyTorch. Here rather than at
    # the first frame: workers get it with the process that they are copies of.
    from slowfast.data.transforms.picture_ops import Canvas
    from slowfast.data.transforms.rand_augment import parse_rand_augment

    fill = tuple(min(255, round(255 * value)) for value in cfg.DATA.MEAN)
    canvas = Canvas(fill, aug.INTERPOLATION)  # type: ignore[arg-type]
    return [parse_rand_augment(aug.AA_TYPE, canvas=canvas)]


def _moving_crop_from_cfg(cfg: Any, views: RandomViews) -> ClipCrop:
    if not isinstance(views.crop, RandomAreaCrop):
        raise ValueError(
            "DATA.TRAIN_JITTER_MOTION_SHIFT moves the relative crop, but there is none; set "
            "DATA.TRAIN_JITTER_SCALES_RELATIVE and DATA.TRAIN_JITTER_ASPECT_RELATIVE"
        )
    return MovingAreaCrop(views.crop)


def _colours_from_cfg(cfg: Any) -> list[ClipAugment]:
    """In the order in which they are done."""
    data, aug = cfg.DATA, cfg.AUG
    found: list[ClipAugment] = []
    if aug.ENABLE and not aug.AA_TYPE and aug.COLOR_JITTER:
        found.append(ColourJitter(aug.COLOR_JITTER, aug.COLOR_JITTER, aug.COLOR_JITTER))
    if cfg.DETECTION.ENABLE and cfg.AVA.TRAIN_USE_COLOR_AUGMENTATION:
        if not cfg.AVA.TRAIN_PCA_JITTER_ONLY:
            found.append(ColourJitter(AVA_JITTER, AVA_JITTER, AVA_JITTER))
        found.append(Lighting(data.TRAIN_PCA_EIGVAL, data.TRAIN_PCA_EIGVEC))
    if cfg.TRAIN.DATASET.lower() in IMAGES and not aug.ENABLE:  # the recipe of ResNet
        found.append(Lighting(data.TRAIN_PCA_EIGVAL, data.TRAIN_PCA_EIGVEC))
    if data.SSL_COLOR_JITTER:
        share = MOCO_JITTER if data.SSL_MOCOV2_AUG else 1.0
        brightness, contrast, saturation = data.SSL_COLOR_BRI_CON_SAT
        hue = data.SSL_COLOR_HUE
        found.append(ColourJitter(brightness, contrast, saturation, hue, probability=share))
    if data.COLOR_RND_GRAYSCALE:
        found.append(RandomGray(data.COLOR_RND_GRAYSCALE))
    if data.SSL_MOCOV2_AUG:
        low, high = tuple(data.SSL_BLUR_SIGMA_MIN), tuple(data.SSL_BLUR_SIGMA_MAX)
        found.append(RandomBlur(low, high, MOCO_BLUR))
    if data.TIME_DIFF_PROB:
        found.append(TimeDifference(data.TIME_DIFF_PROB, data.MEAN))
    return found


def _erasing_from_cfg(cfg: Any) -> list[ClipAugment]:
    aug = cfg.AUG
    if not (aug.ENABLE and aug.RE_PROB):
        return []
    erasing = RandomErasing(
        aug.RE_PROB,
        aug.RE_MODE,
        cfg.DATA.MEAN,
        cfg.DATA.STD,
        most=aug.RE_COUNT,
        spared=samples_of_a_clip_from_cfg(cfg) if aug.RE_SPLIT else 0,
    )
    return [erasing]


def _mixing_from_cfg(cfg: Any) -> Mixing:
    data, mixup = cfg.DATA, cfg.MIXUP
    crops = data.TRAIN_CROP_NUM_TEMPORAL * data.TRAIN_CROP_NUM_SPATIAL
    processes = dist.processes_from_cfg(cfg)
    videos = cfg.TRAIN.BATCH_SIZE // processes
    if videos * crops * samples_of_a_clip_from_cfg(cfg) < 2:
        raise ValueError(
            "MIXUP.ENABLE mixes the clips of a batch, but TRAIN.BATCH_SIZE "
            f"{cfg.TRAIN.BATCH_SIZE} leaves a process one clip; set it to at least "
            f"{2 * processes}, or MIXUP.ENABLE to False"
        )
    if data.MULTI_LABEL and mixup.LABEL_SMOOTH_VALUE:
        raise ValueError(
            f"MIXUP.LABEL_SMOOTH_VALUE is {mixup.LABEL_SMOOTH_VALUE:g}, which spreads the one "
            "label of a video over all classes, but with DATA.MULTI_LABEL there may be several; "
            "set it to 0.0"
        )
    if cfg.MODEL.LABEL_SMOOTHING and mixup.LABEL_SMOOTH_VALUE:
        raise ValueError(
            f"MODEL.LABEL_SMOOTHING ({cfg.MODEL.LABEL_SMOOTHING:g}) and MIXUP.LABEL_SMOOTH_VALUE "
            f"({mixup.LABEL_SMOOTH_VALUE:g}) would smooth labels twice; set one of them to 0"
        )
    return Mixing(
        alpha=mixup.ALPHA,
        cutmix_alpha=mixup.CUTMIX_ALPHA,
        probability=mixup.PROB,
        switch_probability=mixup.SWITCH_PROB,
        smoothing=mixup.LABEL_SMOOTH_VALUE,
        num_classes=cfg.MODEL.NUM_CLASSES,
        seed=cfg.RNG_SEED,
    )


def _refuse_contradictions_from_cfg(cfg: Any) -> None:
    for key, value in (
        ("AUG.ENABLE", cfg.AUG.ENABLE),
        ("MIXUP.ENABLE", cfg.MIXUP.ENABLE),
        ("DATA.TRAIN_JITTER_MOTION_SHIFT", cfg.DATA.TRAIN_JITTER_MOTION_SHIFT),
    ):
        if value and cfg.DETECTION.ENABLE:
            raise ValueError(
                f"{key} is True, but DETECTION.ENABLE too: it moves or mixes pixels, and boxes "
                "would stay where they are; set one of them to False"
            )
    for key, value in (
        ("AUG.ENABLE", cfg.AUG.ENABLE),
        ("DATA.TRAIN_JITTER_MOTION_SHIFT", cfg.DATA.TRAIN_JITTER_MOTION_SHIFT),
        ("DATA.SSL_COLOR_JITTER", cfg.DATA.SSL_COLOR_JITTER),
        ("DATA.COLOR_RND_GRAYSCALE", cfg.DATA.COLOR_RND_GRAYSCALE),
        ("DATA.TIME_DIFF_PROB", cfg.DATA.TIME_DIFF_PROB),
    ):
        if value and cfg.DATA.PIXELS == "strict":
            raise ValueError(
                f"{key} is {value!r}, but DATA.PIXELS 'strict' normalises pixels before anything "
                "else; set DATA.PIXELS to 'rgb' to augment them"
            )
    if cfg.DATA.SSL_MOCOV2_AUG and not cfg.DATA.SSL_COLOR_JITTER:
        raise ValueError(
            "DATA.SSL_MOCOV2_AUG is True, but it adds to DATA.SSL_COLOR_JITTER, which is False; "
            "set both or neither"
        )
