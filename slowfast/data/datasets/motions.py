"""The built-in data set: short H.264 clips of moving objects, made from a seed.

It needs no download, and shows in minutes what the Fast pathway is for: a network that sees only
every fifth frame cannot pass 8 of the 12 classes (see motions_scene.py for why). Take 16 frames
at SAMPLING_RATE 1 and ALPHA 4, so that the Slow frames lie exactly five apart.
"""

from __future__ import annotations

import difflib
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from slowfast.data.datasets.motions_scene import (
    CLASSES,
    draw_look,
    draw_motion,
    render,
    trajectory,
)
from slowfast.randomness import seed_from_key

SPLITS = ("train", "val", "test")
STAMP = "motions.json"
VERSION = 2  # of the drawing and encoding: raise it when the same settings give other files

# Each frame is coded by itself and with one quantiser. Prediction between frames, or a bit rate
# that looks ahead, would leave a trace of the movement in the single frame.
X264 = {"g": "1", "qp": "20", "preset": "superfast", "x264-params": "threads=1:scenecut=0"}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Settings:
    """All that the files depend on; kept beside them as ``motions.json``."""

    seed: int
    sizes: tuple[int, int, int]  # clips in train, val and test
    classes: tuple[str, ...]
    width: int  # pixels
    height: int
    frames: int
    fps: int
    version: int = VERSION


def make_motions(
    out_dir: str | os.PathLike[str],
    *,
    seed: int = 0,
    sizes: Sequence[int] = (960, 240, 240),
    classes: Sequence[str] = CLASSES,
    size: tuple[int, int] = (64, 48),
    frames: int = 26,
    fps: int = 30,
    workers: int = 2,
    progress: Progress | None = None,
) -> Path:
    """Write the clips, ``train.csv``, ``val.csv``, ``test.csv`` and ``classes.txt``.

    Read it like Kinetics, with DATA.PATH_TO_DATA_DIR and DATA.PATH_PREFIX set to ``out_dir``.
    Files that an earlier call with the same settings has written are kept; missing ones are made.

    Args:
        out_dir: folder, made if need be.
        seed: same seed, same clips; each clip depends on seed, split and its number only.
        sizes: clips in train, val and test; classes take turns.
        classes: which of ``CLASSES``; the label is the place in this list.
        size: width and height, pixels, even.
        frames: length of a clip. Ten more than the network takes let the ten test clips start
            at each phase of a swing once, so that even all views together hide the rate from
            the Slow frames.
        fps: of the files; rates are per frame, so it changes how fast they look, not what is in
            them.
        workers: processes; 0 makes all in this one.
        progress: called with (clips done, clips to make).

    Returns:
        ``out_dir``.

    Raises:
        ValueError: a setting cannot be, or the folder holds a set made with other settings.
    """
    if len(sizes) != len(SPLITS):
        raise ValueError(
            f"motions: expected three sizes, of train, val and test, got {tuple(sizes)}"
        )
    settings = Settings(
        seed, (sizes[0], sizes[1], sizes[2]), tuple(classes), *size, frames=frames, fps=fps
    )
    _check(settings)
    folder = Path(out_dir)
    _claim(folder, settings)
    tasks = [
        (split, index)
        for split, count in zip(SPLITS, settings.sizes, strict=True)
        for index in range(count)
        if not (folder / clip_path(settings, split, index)).exists()
    ]
    write_all(partial(_write_clip, folder, settings), tasks, workers=workers, progress=progress)
    return folder


def clip_path(settings: Settings, split: str, index: int) -> str:
    """Path of a clip below the folder of the set."""
    name = settings.classes[index % len(settings.classes)]
    return f"{split}/{index:05d}_{name}.mp4"


def draw_clip(settings: Settings, split: str, index: int) -> NDArray[np.uint8]:
    """Frames of a clip as they are before encoding, uint8 RGB (frames, height, width, 3)."""
    random = np.random.default_rng(seed_from_key("motions", settings.seed, split, index))
    look = draw_look(random, width=settings.width, height=settings.height)
    motion = draw_motion(random, look.spacing)
    name = settings.classes[index % len(settings.classes)]
    states = trajectory(name, np.arange(settings.frames, dtype=np.float64), motion)
    return render(states, look, random)


def encode(path: Path, frames: NDArray[np.uint8], *, fps: int) -> None:
    """Write frames (T, H, W, 3) as an H.264 file, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options=X264)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    part.replace(path)


def write_all(
    write: Callable[[tuple[str, int]], None],
    tasks: Sequence[tuple[str, int]],
    *,
    workers: int,
    progress: Progress | None,
) -> None:
    """Call `write` for each (split, number), in ``workers`` processes; 0: in this one."""
    if workers and len(tasks) > 1:
        # A fork would copy this process with the locks of its other threads.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            chunk = max(1, min(32, len(tasks) // (2 * workers)))
            _count(pool.map(write, tasks, chunksize=chunk), len(tasks), progress)
    else:
        _count(map(write, tasks), len(tasks), progress)


def _write_clip(folder: Path, settings: Settings, task: tuple[str, int]) -> None:
    path = folder / clip_path(settings, *task)
    encode(path, draw_clip(settings, *task), fps=settings.fps)


def _count(done: object, total: int, progress: Progress | None) -> None:
    for number, _ in enumerate(done, start=1):  # type: ignore[arg-type, var-annotated]
        if progress:
            progress(number, total)


def check_classes(names: Sequence[str]) -> None:
    """Raise ValueError unless they are some of ``CLASSES``, each once."""
    unknown = [name for name in names if name not in CLASSES]
    if unknown or not names or len(set(names)) < len(names):
        near = difflib.get_close_matches(unknown[0], CLASSES, n=2) if unknown else []
        hint = f". Did you mean {' or '.join(near)} for {unknown[0]!r}?" if near else ""
        raise ValueError(
            f"motions: expected classes from {', '.join(CLASSES)}, each once; "
            f"got {', '.join(names) or 'none'}{hint}"
        )


def _check(settings: Settings) -> None:
    check_classes(settings.classes)
    if settings.width % 2 or settings.height % 2 or min(settings.width, settings.height) < 16:
        raise ValueError(
            f"motions: expected an even width and height of at least 16 pixels, got "
            f"{settings.width}x{settings.height}; H.264 halves its colour planes"
        )
    if min(settings.sizes) < 0 or settings.frames < 1 or settings.fps < 1:
        raise ValueError(
            f"motions: expected sizes of at least 0 and frames and fps of at least 1, got sizes "
            f"{settings.sizes}, frames {settings.frames}, fps {settings.fps}"
        )


def check_stamp(folder: Path, settings: Any) -> str:
    """What is to be written to ``STAMP`` of a set with these settings, a dataclass.

    Raises:
        ValueError: the folder holds a set that was made with others.
    """
    stamp = folder / STAMP
    wanted = json.loads(json.dumps(asdict(settings)))  # tuples become lists, as in the file
    if stamp.exists():
        found = json.loads(stamp.read_text())
        if found != wanted:
            differ = {k: found.get(k) for k in wanted if found.get(k) != wanted[k]}
            asked = {k: wanted[k] for k in differ}
            raise ValueError(
                f"{stamp}: expected a set made with {asked}, found one made with {differ}; "
                "choose another folder, or delete this one to make it anew"
            )
    return json.dumps(wanted, indent=1) + "\n"


def _claim(folder: Path, settings: Settings) -> None:
    """Make the folder this set's, or find that it is; lists and names are written here."""
    stamp = check_stamp(folder, settings)
    for split, count in zip(SPLITS, settings.sizes, strict=True):
        (folder / split).mkdir(parents=True, exist_ok=True)
        lines = (
            f"{clip_path(settings, split, index)} {index % len(settings.classes)}\n"
            for index in range(count)
        )
        (folder / f"{split}.csv").write_text("".join(lines))
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in settings.classes))
    (folder / STAMP).write_text(stamp)
