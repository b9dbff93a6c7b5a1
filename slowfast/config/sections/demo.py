"""DEMO: predictions drawn into a video or a camera's picture."""

from __future__ import annotations

from slowfast.config.schema import Key, Section, above, at_least, between, texts

INPUT = (
    Key("ENABLE", False, "Run the demo instead of training and testing."),
    Key("INPUT_VIDEO", "", "Video file to read."),
    Key("WEBCAM", -1, "Number of the camera to read; -1: none.", at_least(-1), "at least -1"),
    Key("LABEL_FILE_PATH", "", "JSON {name: id} of the classes."),
    Key("INPUT_FORMAT", "BGR", "Channel order of the frames.", choices=("BGR", "RGB")),
    Key("FPS", 30, "Frames per second of the input.", above(0), "above 0", kinds=(int, float)),
    Key("STARTING_SECOND", 900, "Second of the video at which annotations begin.",
        at_least(0), "at least 0"),
    Key("BUFFER_SIZE", 0, "Frames that a clip shares with the one before.",
        at_least(0), "at least 0"),
    Key("NUM_CLIPS_SKIP", 0, "Clips to leave out between two predictions.",
        at_least(0), "at least 0"),
    Key("THREAD_ENABLE", False, "Read and draw in threads of their own."),
    Key("PREDS_BOXES", "", "File of boxes with predictions to draw instead of running."),
    Key("GT_BOXES", "", "File of annotated boxes to draw."),
)  # fmt: skip
PICTURE = (
    Key("OUTPUT_FILE", "", "Video file to write; empty: a window."),
    Key("OUTPUT_FPS", -1, "Frames per second of that file; -1: as the input.",
        at_least(-1), "at least -1"),
    Key("DISPLAY_WIDTH", 0, "Width of the picture, pixels; 0: as the input.",
        at_least(0), "at least 0"),
    Key("DISPLAY_HEIGHT", 0, "Height of the picture, pixels; 0: as the input.",
        at_least(0), "at least 0"),
    Key("CLIP_VIS_SIZE", 10, "Frames around a clip's middle that show its predictions.",
        at_least(1), "at least 1"),
    Key("NUM_VIS_INSTANCES", 2, "Processes that draw.", at_least(1), "at least 1"),
    Key("SLOWMO", 1, "Times that each frame is shown.", at_least(1), "at least 1"),
    Key("VIS_MODE", "thres", "Show classes above a threshold, or the best ones.",
        choices=("thres", "top-k")),
    Key("COMMON_CLASS_NAMES", [
        "watch (a person)",
        "talk to (e.g., self, a person, a group)",
        "listen to (a person)",
        "touch (an object)",
        "carry/hold (an object)",
        "walk",
        "sit",
        "lie/sleep",
        "bend/bow (at the waist)",
    ], "Frequent classes, which need the higher score.", texts, "a list of class names"),
    Key("COMMON_CLASS_THRES", 0.7, "Least score at which a frequent class is shown.",
        between(0, 1), "from 0 to 1"),
    Key("UNCOMMON_CLASS_THRES", 0.3, "Least score at which another class is shown.",
        between(0, 1), "from 0 to 1"),
)  # fmt: skip
DETECTOR = (
    Key("DETECTRON2_CFG", "COCO-Detection/faster_rcnn_R_50_FPN_3x.yaml",
        "Config of the public code's person detector."),
    Key("DETECTRON2_WEIGHTS", "detectron2://COCO-Detection/faster_rcnn_R_50_FPN_3x/137849458/"
        "model_final_280758.pkl", "Weights of that detector."),
    Key("DETECTRON2_THRESH", 0.9, "Least score of a detected person.",
        between(0, 1), "from 0 to 1"),
)  # fmt: skip
DEMO = Section("DEMO", "Predictions drawn into a video.", (*INPUT, *PICTURE, *DETECTOR))
