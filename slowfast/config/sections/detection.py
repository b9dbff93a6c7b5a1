"""DETECTION and AVA: actions of persons in boxes."""

from __future__ import annotations

from slowfast.config.schema import (
    Key,
    Section,
    above,
    at_least,
    between,
    empty_or,
    is_whole,
    numbers,
    texts,
)


def _sizes(value: list[object]) -> bool:
    return all(map(is_whole, value)) and len(set(map(str, value))) == len(value)


NAMES = "a list of file names"
TEXT_OR_NONE = (str, type(None))
LIST_OR_NONE = (list, type(None))
DETECTION = Section(
    "DETECTION",
    "A head on regions of interest.",
    (
        Key("ENABLE", False, "Classify boxes instead of whole clips."),
        Key(
            "SPATIAL_SCALE_FACTOR",
            16,
            "Pixels of the input for one of the features that boxes are cut from.",
            check=above(0),
            rule="above 0",
        ),
        Key(
            "ROI_XFORM_RESOLUTION",
            7,
            "Side of a box's features after RoIAlign.",
            check=at_least(1),
            rule="at least 1",
        ),
        Key("ALIGNED", True, "Shift boxes by half a feature in RoIAlign; False: as Caffe2 did."),
    ),
)
AVA = Section(
    "AVA",
    "Files and boxes of AVA, or of data in its format (1705.08421).",
    (
        Key("FRAME_DIR", "", "Folder of the frames, one folder a video.", kinds=TEXT_OR_NONE),
        Key("VIDEO_DIR", "", "Folder of videos, <video>.mp4 or the like, to read instead of "
            "frames; empty: frames.", kinds=TEXT_OR_NONE),
        Key("FPS", 30, "Frames per second of the extracted frames, and what SAMPLING_RATE counts "
            "in.", above(0), "above 0", kinds=(int, float)),
        Key("START_SECOND", 900, "What the lists of boxes call the moment of a video's first "
            "frame; 0 for videos that are not cut.", kinds=(int, float)),
        Key("VALID_SECONDS", [902, 1798], "First and last second with keyframes; empty: all.",
            empty_or(numbers(2)), "empty or two numbers"),
        Key("VAL_EVERY_SECONDS", 4, "While training, validate on seconds that are a multiple of "
            "this, unless FULL_TEST_ON_VAL.", at_least(1), "at least 1"),
        Key("FRAME_LIST_DIR", "", "Folder of the lists of frames.", kinds=TEXT_OR_NONE),
        Key("TRAIN_LISTS", ["train.csv"], "Lists of training frames.", texts, NAMES),
        Key("TEST_LISTS", ["val.csv"], "Lists of test frames.", texts, NAMES),
        Key("ANNOTATION_DIR", "", "Folder of boxes, label map and exclusions.",
            kinds=TEXT_OR_NONE),
        Key("TRAIN_GT_BOX_LISTS", ["ava_train_v2.2.csv"], "Annotated training boxes.",
            texts, NAMES),
        Key("TRAIN_PREDICT_BOX_LISTS", [], "Detected boxes to train on as well.", texts, NAMES,
            kinds=LIST_OR_NONE),
        Key("TEST_PREDICT_BOX_LISTS", ["ava_val_predicted_boxes.csv"], "Detected boxes to test on.",
            texts, NAMES, kinds=LIST_OR_NONE),
        Key("DETECTION_SCORE_THRESH", 0.9, "Least score of a detected box.",
            between(0, 1), "from 0 to 1"),
        Key("GROUNDTRUTH_FILE", "ava_val_v2.2.csv", "Annotated boxes to evaluate against; empty: "
            "a test predicts and has no figure."),
        Key("EXCLUSION_FILE", "ava_val_excluded_timestamps_v2.2.csv", "Seconds left out of the "
            "evaluation."),
        Key("LABEL_MAP_FILE", "ava_action_list_v2.2_for_activitynet_2019.pbtxt", "Names and "
            "numbers of the classes that are evaluated."),
        Key("FULL_TEST_ON_VAL", False, "Validate on all keyframes while training, not on every "
            "fourth."),
        Key("TEST_FORCE_FLIP", False, "Mirror clips of validation and test."),
        Key("TEST_FLIP", False, "Test each clip as it is and mirrored, and average the scores of a "
            "box over both (whatever TEST_FORCE_FLIP says)."),
        Key("TEST_SCALES", [], "Short sides, in pixels, at which frames are tested, averaging the "
            "scores of a box over them; empty: DATA.TEST_CROP_SIZE only.", _sizes,
            "a list of different whole numbers from 1"),
        Key("TEST_CLIPS", 1, "Clips around each keyframe in the test, averaging the scores of a "
            "box over them.", at_least(1), "at least 1"),
        Key("TEST_CLIP_SHIFT", 0.25, "Seconds from the middle of one of these clips to that of the "
            "next.", above(0), "above 0", kinds=(int, float)),
        Key("BGR", False, "Give frames as BGR."),
        Key("IMG_PROC_BACKEND", "cv2", "Library that resized frames in the public code.",
            choices=("cv2", "pytorch")),
        Key("TRAIN_USE_COLOR_AUGMENTATION", False, "Augment colours in training."),
        Key("TRAIN_PCA_JITTER_ONLY", True, "Of colour augmentation, only lighting jitter."),
    ),
)  # fmt: skip
