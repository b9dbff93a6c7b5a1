"""DATA and DATA_LOADER: where videos are, which frames are taken and how they are cropped."""

from __future__ import annotations

from slowfast.config.names import ENSEMBLES
from slowfast.config.schema import (
    Key,
    Section,
    above,
    at_least,
    between,
    empty_or,
    numbers,
)
from slowfast.config.sections.colour import COLOUR, PROBABILITY, SSL


def _range(value: list[float]) -> bool:
    return numbers(2)(value) and value[0] <= value[1]


def _shares(value: list[float]) -> bool:
    return _range(value) and value[0] > 0 and value[1] <= 1


def _ratios(value: list[float]) -> bool:
    return _range(value) and value[0] > 0


FILES = (
    Key(
        "PATH_TO_DATA_DIR",
        "",
        "Folder of train.csv, val.csv and test.csv, or of the data set itself (docs/data.md).",
        kinds=(str, type(None)),
    ),
    Key(
        "PATH_PREFIX",
        "",
        "Folder put in front of each path of a list.",
        kinds=(str, type(None)),
    ),
    Key(
        "PATH_LABEL_SEPARATOR",
        " ",
        "What divides path and label in a list; a line is split at its last one.",
        check=lambda value: len(value) > 0,
        rule="at least one character",
    ),
    Key(
        "CLASS_NAMES_FILE",
        "",
        "Names of the classes, one a line or JSON {name: id}; empty: classes.txt of "
        "PATH_TO_DATA_DIR if it is there.",
    ),
    Key(
        "OFFICIAL_SPLIT",
        1,
        "Which of the three official splits of UCF101 and HMDB51.",
        check=between(1, 3),
        rule="1, 2 or 3",
    ),
    Key(
        "FOLDER_SPLIT",
        [0.8, 0.1, 0.1],
        "Shares of train, val and test in a folder of classes that is not split (data set folder).",
        check=lambda value: numbers(3, low=0)(value) and value[0] > 0,
        rule="three numbers from 0, the first above 0",
    ),
    Key(
        "PATH_TO_PRELOAD_IMDB",
        "",
        "Folder of train.json and val.json, lists of images (ImageNet); empty: none.",
    ),
    Key("IN22K_TRAINVAL", False, "Train on ImageNet-22k, validation images included."),
    Key("IN22k_VAL_IN1K", "", "Folder of the ImageNet-1k images to validate on; empty: none."),
    Key(
        "SKIP_ROWS",
        0,
        "Rows to pass over at the start of the training list.",
        check=at_least(0),
        rule="at least 0",
    ),
    Key(
        "LOADER_CHUNK_SIZE",
        0,
        "Rows of the training list that an epoch takes, the next ones in the next epoch; 0: all.",
        check=at_least(0),
        rule="at least 0",
    ),
    Key(
        "LOADER_CHUNK_OVERALL_SIZE",
        0,
        "Rows of the training list that are used; 0: all.",
        check=at_least(0),
        rule="at least 0",
    ),
    Key(
        "DECODING_BACKEND",
        "torchvision",
        "Video decoder. 'torchcodec' reads H.264 and HEVC with it where it is installed and works; "
        "all others stand for PyAV. Each gives the same frames.",
        choices=("torchvision", "pyav", "decord", "torchcodec"),
    ),
    Key(
        "DECODE_DEVICE",
        "cpu",
        "Where 'torchcodec' decodes; 'cuda' needs a loader without worker processes.",
        choices=("cpu", "cuda"),
    ),
    Key(
        "PICTURE_FPS",
        30.0,
        "Frames per second of videos kept as folders of pictures, where the data set doesn't say.",
        check=above(0),
        rule="more than 0",
    ),
    Key(
        "DECODING_SHORT_SIZE",
        256,
        "Short side, pixels, to which larger frames are scaled down before RandAugment; 0: as "
        "stored. Without it clips are cut from frames as stored.",
        check=at_least(0),
        rule="at least 0",
    ),
    Key(
        "PIXELS",
        "rgb",
        "What loader processes send: 'rgb', finished crops; 'yuv', cut frames as decoded, which "
        "the device converts and scales (least work for the CPU, fewest bytes); 'strict', floats "
        "in the very order of the public code, to compare with it.",
        choices=("rgb", "yuv", "strict"),
    ),
    Key(
        "MAX_PIXELS",
        33554432,
        "Largest frame that is decoded, in pixels (default: 8K); larger ones are refused.",
        check=at_least(1),
        rule="at least 1",
    ),
    Key(
        "ON_BAD_SAMPLE",
        "raise",
        "What a training video that can't be read does: stop the run, leave it out of its "
        "batch, or let another take its place.",
        choices=("raise", "skip", "substitute"),
    ),
    Key(
        "MAX_BAD_FRACTION",
        0.01,
        "Share of unreadable videos in an epoch that stops the run.",
        check=between(0, 1),
        rule=PROBABILITY,
    ),
    Key(
        "QUARANTINE",
        "",
        "File of videos to leave out, as `slowfast check-data --fix` writes it; empty: "
        "quarantine.txt of PATH_TO_DATA_DIR if it is there; 'off': leave out none.",
    ),
    Key(
        "VERIFY_CONTENT",
        "",
        "Compare each file with manifest.<split>.jsonl of PATH_TO_DATA_DIR, which `slowfast "
        "check-data` writes, before it is decoded; a file that differs is a bad sample.",
        choices=("", "size", "sha256"),
    ),
    Key("DUMMY_LOAD", False, "Load one sample and repeat it, to time everything else."),
)
CLIP = (
    Key("NUM_FRAMES", 8, "Frames of a clip (of the Fast pathway).", at_least(1), "at least 1"),
    Key(
        "SAMPLING_RATE",
        8,
        "Distance between two frames of a clip, in frames at TARGET_FPS.",
        check=at_least(1),
        rule="at least 1",
    ),
    Key(
        "TARGET_FPS",
        30,
        "Frames per second that SAMPLING_RATE is meant for; clips of other videos cover the "
        "same time.",
        check=above(0),
        rule="more than 0",
        kinds=(int, float),
    ),
    Key(
        "TRAIN_JITTER_FPS",
        0.0,
        "Largest random change of TARGET_FPS in training, frames per second.",
        check=at_least(0),
        rule="at least 0",
    ),
    Key(
        "USE_OFFSET_SAMPLING",
        False,
        "Spread test clips from the first frame to the last, at whole frames; one clip is centred.",
    ),
    Key(
        "TRAIN_CROP_NUM_TEMPORAL",
        1,
        "Clips of a video in one training sample.",
        check=at_least(1),
        rule="at least 1",
    ),
    Key(
        "TRAIN_CROP_NUM_SPATIAL",
        1,
        "Crops of each of these clips.",
        check=at_least(1),
        rule="at least 1",
    ),
    Key(
        "MULTI_LABEL",
        False,
        "A video may have several labels, or none: charades, and kinetics or csv with such lists; "
        "needs MODEL.LOSS_FUNC bce_logit and MODEL.HEAD_ACT sigmoid.",
    ),
    Key(
        "ENSEMBLE_METHOD",
        "sum",
        "How the scores of a video's views become one.",
        choices=ENSEMBLES,
    ),
)
CROP = (
    Key("TRAIN_CROP_SIZE", 224, "Side of a training crop, pixels.", at_least(1), "at least 1"),
    Key(
        "TEST_CROP_SIZE",
        256,
        "Side of a test crop and short side of the frame it is cut from, pixels.",
        check=at_least(1),
        rule="at least 1",
    ),
    Key(
        "TRAIN_JITTER_SCALES",
        [256, 320],
        "Range of the random short side in training, pixels.",
        check=_range,
        rule="two numbers, the lower first",
    ),
    Key(
        "INV_UNIFORM_SAMPLE",
        False,
        "Draw the inverse of the short side uniformly, not the short side.",
    ),
    Key(
        "TRAIN_JITTER_SCALES_RELATIVE",
        [],
        "Range of a training crop's area as a share of the frame; empty: TRAIN_JITTER_SCALES.",
        check=empty_or(_shares),
        rule="empty or two numbers above 0, at most 1, the lower first",
    ),
    Key(
        "TRAIN_JITTER_ASPECT_RELATIVE",
        [],
        "Range of its width over its height; empty if TRAIN_JITTER_SCALES_RELATIVE is.",
        check=empty_or(_ratios),
        rule="empty or two numbers above 0, the lower first",
    ),
    Key(
        "TRAIN_JITTER_MOTION_SHIFT",
        False,
        "Move the relative crop from its first position to a second over the clip.",
    ),
    Key(
        "RANDOM_FLIP",
        True,
        "Mirror half of the training clips; never those of ssv2, whose classes tell the sides.",
    ),
    Key(
        "IN_VAL_CROP_RATIO",
        0.875,
        "Side of the validation crop over the image's short side (ImageNet).",
        check=lambda value: 0 < value <= 1,
        rule="above 0 and at most 1",
    ),
)
DATA = Section(
    "DATA",
    "Files, clips, crops and colours.",
    (*FILES, *CLIP, *CROP, *COLOUR, *SSL),
)
DATA_LOADER = Section(
    "DATA_LOADER",
    "The processes that decode.",
    (
        Key(
            "NUM_WORKERS",
            8,
            "Loader processes for each GPU; 0: load in the training process; -1: one a core, less "
            "one for each training process.",
            check=at_least(-1),
            rule="at least -1",
        ),
        Key(
            "PREFETCH_FACTOR",
            2,
            "Batches that each worker has ready; -1: two, or fewer if shared memory is short.",
            check=lambda value: value == -1 or value >= 1,
            rule="at least 1, or -1",
        ),
        Key("PIN_MEMORY", True, "Put batches in page-locked memory for faster copies to the GPU."),
        Key(
            "ENABLE_MULTI_THREAD_DECODE",
            False,
            "Let a decoder use several threads; more workers are faster.",
        ),
    ),
)
