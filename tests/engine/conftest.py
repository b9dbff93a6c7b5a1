"""A config for each task; files in the layout of AVA, with rectangles for persons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from slowfast.config import load_cfg

CONFIGS = Path(__file__).parents[2] / "configs" / "Motions"
RECIPES = {
    "classification": "SLOWFAST_TINY.yaml",
    "labels": "SLOWFAST_TINY.yaml",
    "boxes": "SLOWFAST_TINY_DETECTION.yaml",
}

FPS, FIRST, SECONDS = 30, 900, 6
WIDTH, HEIGHT = 64, 48
KEYFRAMES = (902, 903, 904)
VIDEOS = {"train": ("-5KQ66BBWC4", "053oq2xB3oU"), "val": ("1j20qq1JyX4", "2PpxiG0WU18")}
# The classes that are evaluated are 60 of 80, here those that 4 does not divide.
EVALUATED = [number for number in range(1, 81) if number % 4]
ACTIONS = (
    (12, 80),
    (11, 17, 80),
    (3,),
    (12, 4),
)  # of each kind of person; 4, 12 and 80 are not evaluated
COLOURS = ((220, 40, 40), (40, 220, 40), (40, 40, 220), (220, 220, 40))
HEADER = "original_vido_id video_id frame_id path labels"

Person = tuple[tuple[float, float, float, float], int]  # corners as shares of the frame, kind


def persons(video: int, second: float) -> list[Person]:
    """One or two, who walk to the right."""
    found: list[Person] = []
    for which in range(1 + video % 2):
        left = 0.08 + 0.45 * which + 0.03 * (second - FIRST)
        found.append(((left, 0.2 + 0.1 * which, left + 0.2, 0.85), (2 * which + video) % 4))
    return found


def frame_of(video: int, number: int) -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT), (70, 70, 90))
    draw = ImageDraw.Draw(picture)
    for (x1, y1, x2, y2), kind in persons(video, FIRST + number / FPS):
        corners = (x1 * WIDTH, y1 * HEIGHT, x2 * WIDTH, y2 * HEIGHT)
        draw.rectangle(corners, fill=COLOURS[kind])
    return picture


def boxes_at(split: str) -> Iterator[tuple[str, str, int]]:
    """(start of a line with video, second and corners; kind of the person; number of the box)."""
    for place, name in enumerate(VIDEOS[split]):
        for second in KEYFRAMES:
            for number, (corners, kind) in enumerate(persons(place, second)):
                shares = ",".join(f"{value:.3f}" for value in corners)
                yield f"{name},{second:04d},{shares}", kind, number


def write_ava(folder: Path) -> Path:
    """``frames``, ``frame_lists`` and ``annotations``, as scripts of the public code leave them."""
    notes = folder / "annotations"
    for name in ("person_box_67091280_iou90", "person_box_67091280_iou75"):
        (notes / name).mkdir(parents=True)
    (folder / "frame_lists").mkdir()
    for split, videos in VIDEOS.items():
        rows = [HEADER]
        for place, name in enumerate(videos):
            (folder / "frames" / name).mkdir(parents=True)
            for i in range(FPS * SECONDS):
                file = f"{name}/{name}_{i + 1:06d}.jpg"
                frame_of(place, i).save(folder / "frames" / file, quality=90)
                rows.append(f'{name} {place} {i} {file} ""')
        (folder / "frame_lists" / f"{split}.csv").write_text("\n".join([*rows, ""]))
        write_boxes(notes, split)
    for version, year in (("v2.2", 2019), ("v2.1", 2018)):
        blocks = [f'item {{\n  name: "action {n}"\n  id: {n}\n}}\n' for n in EVALUATED]
        (notes / f"ava_action_list_{version}_for_activitynet_{year}.pbtxt").write_text(
            "".join(blocks)
        )
        excluded = f"{VIDEOS['val'][0]},0903\n"
        (notes / f"ava_val_excluded_timestamps_{version}.csv").write_text(excluded)
    return folder


def write_boxes(notes: Path, split: str) -> None:
    annotated, detected = [], []
    random = np.random.default_rng(0)
    for start, kind, number in boxes_at(split):
        annotated += [f"{start},{action},{number}" for action in ACTIONS[kind]]
        video, second, *corners = start.split(",")
        near = [f"{float(c) + random.uniform(-0.02, 0.02):.3f}" for c in corners]
        labels = ACTIONS[kind] if split == "train" else ("",)
        head = ",".join((video, second, *near))
        detected += [f"{head},{label},{0.95 + number / 100:.6f}" for label in labels]
        detected.append(f"{video},{second},0.000,0.000,0.100,0.100,,0.300000")  # unsure
    if split == "train":  # boxes of nobody who does anything
        detected.append(f"{VIDEOS[split][0]},0902,0.600,0.100,0.900,0.900,-1,0.970000")
    for version in ("v2.2", "v2.1"):
        (notes / f"ava_{split}_{version}.csv").write_text("\n".join([*annotated, ""]))
    name = "ava_detection_val_boxes_and_labels.csv"
    if split == "train":
        name = "ava_detection_train_boxes_and_labels_include_negative_v2.2.csv"
    for folder in notes.glob("person_box_*"):
        (folder / name).write_text("\n".join([*detected, ""]))


@pytest.fixture(scope="session")
def ava_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training and two validation videos; keyframes at 902, 903 and 904."""
    return write_ava(tmp_path_factory.mktemp("ava"))


@pytest.fixture(scope="session")
def small_ava(ava_files: Path) -> Callable[[Path], list[str]]:
    """Overrides that make a recipe of configs/AVA a matter of seconds, for an OUTPUT_DIR."""
    settings = {
        "AVA.FRAME_DIR": ava_files / "frames",
        "AVA.FRAME_LIST_DIR": ava_files / "frame_lists",
        "AVA.ANNOTATION_DIR": ava_files / "annotations",
        "DATA.TRAIN_CROP_SIZE": 32,
        "DATA.TRAIN_JITTER_SCALES": [36, 44],
        "DATA.TEST_CROP_SIZE": 32,
        "DATA_LOADER.NUM_WORKERS": 0,
        "LOG_MODEL_INFO": False,
        "LOG_PERIOD": 1,
        "NUM_GPUS": 0,
        "RESNET.WIDTH_PER_GROUP": 8,
        "SOLVER.MAX_EPOCH": 1,
        "TEST.BATCH_SIZE": 2,
        "TRAIN.BATCH_SIZE": 2,
        "TRAIN.CHECKPOINT_FILE_PATH": "",
        "TRAIN.EVAL_PERIOD": 1,
        "TRAIN.MIXED_PRECISION": False,
    }
    shared = [str(part) for pair in settings.items() for part in pair]
    return lambda folder: [*shared, "OUTPUT_DIR", str(folder)]


@pytest.fixture
def configure(
    tiny_in: Callable[[Path], list[str]], objects: Path, tmp_path: Path
) -> Callable[..., Any]:
    """(task, name of the run, settings) -> its config: 12 clips, 3 steps an epoch."""
    settings = {
        "AVA.ANNOTATION_DIR": objects / "boxes",
        "AVA.VIDEO_DIR": objects / "videos",
        "SOLVER.MAX_EPOCH": 1,
        "DATA.LOADER_CHUNK_OVERALL_SIZE": 12,
    }
    labels = {
        "TRAIN.DATASET": "charades",
        "TEST.DATASET": "charades",
        "DATA.PATH_TO_DATA_DIR": objects / "labels",
        "DATA.PATH_PREFIX": objects / "frames",
        "DATA.MULTI_LABEL": True,
        "MODEL.LOSS_FUNC": "bce_logit",
        "MODEL.HEAD_ACT": "sigmoid",
    }

    def of(task: str, name: str, **more: Any) -> Any:
        more = {key.replace("__", "."): value for key, value in more.items()}
        every = settings | (labels if task == "labels" else {}) | more
        words = [str(word) for pair in every.items() for word in pair]
        return load_cfg(CONFIGS / RECIPES[task], [*tiny_in(tmp_path / name), *words])

    return of
