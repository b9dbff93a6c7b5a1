"""AUG: RandAugment, random erasing, repeated samples and masks."""

from __future__ import annotations

from slowfast.config.schema import Key, Section, at_least, between, numbers

AUG = Section(
    "AUG",
    "Augmentation of training clips on top of crop and flip.",
    (
        Key("ENABLE", False, "Use this section."),
        Key(
            "NUM_SAMPLE",
            1,
            "Times that a clip is taken in a batch, each augmented anew (1902.05509).",
            check=at_least(1),
            rule="at least 1",
        ),
        Key(
            "AA_TYPE",
            "rand-m9-mstd0.5-inc1",
            "RandAugment of whole frames: m magnitude (0..10), mstd its deviation, n operations, "
            "inc1 stronger with magnitude, w0 mostly geometric, p their probability; empty: none.",
        ),
        Key(
            "COLOR_JITTER",
            0.4,
            "Strength of colour jitter where AA_TYPE is empty; None: none.",
            check=at_least(0),
            rule="at least 0 or None",
            kinds=(float, type(None)),
        ),
        Key(
            "INTERPOLATION",
            "bicubic",
            "Interpolation of frames that RandAugment moves; random: bilinear or bicubic.",
            choices=("bicubic", "bilinear", "nearest", "random"),
        ),
        Key(
            "RE_PROB",
            0.25,
            "Probability of erasing a random box (1708.04896).",
            check=between(0, 1),
            rule="from 0 to 1",
        ),
        Key(
            "RE_MODE",
            "pixel",
            "What fills the box: noise in each pixel, one random colour, or the mean colour.",
            choices=("pixel", "rand", "const"),
        ),
        Key("RE_COUNT", 1, "Most boxes to erase in a clip.", at_least(1), "at least 1"),
        Key("RE_SPLIT", False, "Leave the first of the repeated samples without erasing."),
        Key("GEN_MASK_LOADER", False, "Let the loader draw the masks of masked pre-training."),
        Key(
            "MASK_RATIO",
            0.0,
            "Share of patches to mask.",
            check=between(0, 1),
            rule="from 0 to 1",
        ),
        Key("MASK_TUBE", False, "Mask the same patches in all frames."),
        Key("MASK_FRAMES", False, "Mask whole frames."),
        Key(
            "MASK_WINDOW_SIZE",
            [8, 7, 7],
            "Size of the mask in time, height and width, in patches.",
            check=numbers(3, low=1),
            rule="three whole numbers from 1",
        ),
        Key(
            "MAX_MASK_PATCHES_PER_BLOCK",
            None,
            "Most patches of one masked block; None: no limit.",
            check=at_least(1),
            rule="at least 1 or None",
            kinds=(int, type(None)),
        ),
    ),
)
