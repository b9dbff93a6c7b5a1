"""`motions` with several objects a clip: boxes in AVA's files, and labels in those of Charades."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from slowfast.data.datasets.label_map import write_label_map
from slowfast.data.datasets.motions import (
    STAMP,
    Progress,
    check_classes,
    check_stamp,
    encode,
    write_all,
)
from slowfast.data.datasets.motions_scene import CLASSES
from slowfast.data.datasets.objects_scene import Scene, draw_scene, render_scene
from slowfast.randomness import seed_from_key

SPLITS = ("train", "val")
SECOND = 1  # of the keyframe, from the beginning of the file
VERSION = 1  # raise it when the same settings give other files

MISSED = 0.02  # share of objects that no detected box is of
STRAY = 0.1  # share of clips with a detected box of nothing
JITTER = 0.04  # standard deviation of detected corners, in sides of the box


@dataclass(frozen=True)
class ObjectSettings:
    """All that the files depend on; kept beside them as ``motions.json``."""

    seed: int
    sizes: tuple[int, int]  # clips in train and val
    classes: tuple[str, ...]
    most: int  # objects in a clip
    width: int  # pixels
    height: int
    fps: int
    pictures: bool
    version: int = VERSION

    @property
    def frames(self) -> int:
        """Length of a clip, with the keyframe in its middle."""
        return 2 * SECOND * self.fps

    @property
    def keyframe(self) -> int:
        return SECOND * self.fps


def make_motion_objects(
    out_dir: str | os.PathLike[str],
    *,
    seed: int = 0,
    sizes: Sequence[int] = (600, 200),
    classes: Sequence[str] = CLASSES,
    most: int = 4,
    size: tuple[int, int] = (96, 72),
    fps: int = 15,
    pictures: bool = False,
    workers: int = 2,
    progress: Progress | None = None,
) -> Path:
    """Write clips of two seconds with one to ``most`` objects, each with a movement of its own.

    ``videos/`` holds them; ``boxes/`` in the formats of AVA: ``train.csv`` and ``val.csv`` with a
    row for each object at second 1, ``train_detected.csv`` and ``val_detected.csv`` as a person
    detector would find them, and ``actions.pbtxt``. With ``pictures``, ``frames/`` holds the frames
    of each clip as JPEG, and ``labels/train.csv`` and ``val.csv`` say in the format of Charades
    which movements are in them. Files that an earlier call with the same settings has written are
    kept.

    Args:
        sizes: clips in train and val.
        classes: which of ``CLASSES``; numbers begin with 1 in ``actions.pbtxt``, with 0 in
            ``labels``.
        size: width and height, pixels, even.
        workers: processes; 0 makes all in this one.

    Returns:
        ``out_dir``.

    Raises:
        ValueError: a setting cannot be, or the folder holds a set made with other settings.
    """
    _check_sizes(sizes, most, size, fps)
    check_classes(classes)
    settings = ObjectSettings(
        seed, (sizes[0], sizes[1]), tuple(classes), most, *size, fps=fps, pictures=pictures
    )
    folder = Path(out_dir)
    stamp = check_stamp(folder, settings)
    tasks = [
        (split, index)
        for split, count in zip(SPLITS, settings.sizes, strict=True)
        for index in range(count)
    ]
    _write_lists(folder, settings, tasks)
    (folder / STAMP).write_text(stamp)
    missing = [task for task in tasks if not _last_file(folder, settings, *task).exists()]
    write_all(partial(_write_clip, folder, settings), missing, workers=workers, progress=progress)
    return folder


def _check_sizes(sizes: Sequence[int], most: int, size: tuple[int, int], fps: int) -> None:
    if len(sizes) != len(SPLITS) or min(sizes) < 0 or not 1 <= most <= 8:
        raise ValueError(
            f"motions: expected two sizes, of train and val, and 1 to 8 objects a clip, got sizes "
            f"{tuple(sizes)} and {most} objects; correct --sizes or --most"
        )
    if min(size) < 48 or size[0] % 2 or size[1] % 2 or fps < 9:
        raise ValueError(
            "motions: expected an even width and height of at least 48 pixels and fps of at least "
            f"9, got {size[0]}x{size[1]} at {fps}"
        )


def name_of(split: str, index: int) -> str:
    """Name of a clip, as lists have it."""
    return f"{split}_{index:05d}"


def scene_of(settings: ObjectSettings, split: str, index: int) -> Scene:
    random = np.random.default_rng(seed_from_key("objects", settings.seed, split, index))
    count = int(random.integers(1, settings.most + 1))
    actions = random.choice(settings.classes, count).tolist()
    return draw_scene(
        random, actions, width=settings.width, height=settings.height, span=settings.fps // 2 + 1
    )


def draw_object_clip(settings: ObjectSettings, split: str, index: int) -> NDArray[np.uint8]:
    """Frames of a clip before encoding, uint8 RGB (frames, height, width, 3)."""
    random = np.random.default_rng(seed_from_key("noise", settings.seed, split, index))
    scene = scene_of(settings, split, index)
    return render_scene(scene, settings.frames, settings.keyframe, random)


def _last_file(folder: Path, settings: ObjectSettings, split: str, index: int) -> Path:
    return folder / "videos" / f"{name_of(split, index)}.mp4"


def _picture(settings: ObjectSettings, split: str, index: int, frame: int) -> str:
    return f"{name_of(split, index)}/{frame + 1:05d}.jpg"


def _write_clip(folder: Path, settings: ObjectSettings, task: tuple[str, int]) -> None:
    frames = draw_object_clip(settings, *task)
    if settings.pictures:
        (folder / "frames" / name_of(*task)).mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(frames):
            path = folder / "frames" / _picture(settings, *task, number)
            Image.fromarray(frame).save(path, quality=95, subsampling=0)
    encode(_last_file(folder, settings, *task), frames, fps=settings.fps)


def _write_lists(folder: Path, settings: ObjectSettings, tasks: Sequence[tuple[str, int]]) -> None:
    for name in ("videos", "boxes", *(("frames", "labels") if settings.pictures else ())):
        (folder / name).mkdir(parents=True, exist_ok=True)
    numbered = dict(enumerate(settings.classes, start=1))
    write_label_map(folder / "boxes" / "actions.pbtxt", numbered)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in settings.classes))
    writers: dict[str, Callable[..., list[str]]] = {
        "boxes/{}.csv": _annotated_rows,
        "boxes/{}_detected.csv": _detected_rows,
    }
    if settings.pictures:
        writers["labels/{}.csv"] = _label_rows
    for split in SPLITS:
        scenes = [(i, scene_of(settings, split, i)) for s, i in tasks if s == split]
        for pattern, rows in writers.items():
            lines = [line for i, scene in scenes for line in rows(settings, split, i, scene)]
            if rows is _label_rows:
                lines.insert(0, "original_vido_id video_id frame_id path labels")
            text = "".join(f"{line}\n" for line in lines)
            (folder / pattern.format(split)).write_text(text)


def _annotated_rows(settings: ObjectSettings, split: str, index: int, scene: Scene) -> list[str]:
    return [
        f"{_head(settings, split, index, thing.box(settings.keyframe))},"
        f"{settings.classes.index(thing.action) + 1},{number}"
        for number, thing in enumerate(scene.things)
    ]


def _detected_rows(settings: ObjectSettings, split: str, index: int, scene: Scene) -> list[str]:
    """Boxes as a detector finds them: a little off, some missed, some of nothing."""
    random = np.random.default_rng(seed_from_key("detector", settings.seed, split, index))
    rows = []
    for thing in scene.things:
        box = thing.box(settings.keyframe)
        box = box + random.normal(0, JITTER, 4) * (box[2] - box[0])
        if random.random() >= MISSED:
            head = _head(settings, split, index, box)
            rows.append(f"{head},,{random.uniform(0.9, 1):.4f}")
    if random.random() < STRAY:
        x, y = random.uniform(0, settings.width - 24), random.uniform(0, settings.height - 24)
        box = np.array([x, y, x + 24, y + 24])
        rows.append(f"{_head(settings, split, index, box)},,{random.uniform(0.3, 1):.4f}")
    return rows


def _label_rows(settings: ObjectSettings, split: str, index: int, scene: Scene) -> list[str]:
    present = sorted({settings.classes.index(thing.action) for thing in scene.things})
    name, labels = name_of(split, index), ",".join(map(str, present))
    return [
        f'{name} {index} {frame} {_picture(settings, split, index, frame)} "{labels}"'
        for frame in range(settings.frames)
    ]


def _head(settings: ObjectSettings, split: str, index: int, box: NDArray[np.float64]) -> str:
    """Video, second and corners as shares of the frame."""
    size = np.array([settings.width, settings.height] * 2)
    corners = ",".join(f"{value:.4f}" for value in np.clip(box / size, 0, 1))
    return f"{name_of(split, index)},{SECOND:04d},{corners}"
