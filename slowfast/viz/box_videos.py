"""A video for each clip with its boxes, keyframe after keyframe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from PIL import Image

from slowfast.data.readers.clock import times_of
from slowfast.data.readers.source import Source
from slowfast.engine.keyframe_boxes import ComparedBoxes
from slowfast.viz.box_clips import Shot, shots, shown_frames
from slowfast.viz.video_file import write_video

SHORT_SIDE, LONG_SIDE = 480, 1280  # pixels
MOST_FPS = 30


@dataclass(frozen=True)
class BoxVideo:
    """What was written of one clip."""

    path: Path
    keyframes: int
    seconds: float


def write_box_videos(
    boxes: ComparedBoxes, folder: Path, *, clips: int | None = None, hold: float = 1.0
) -> Iterator[BoxVideo]:
    """Write ``folder/<name>.mp4`` for each clip, one after the other as they are asked for.

    Args:
        clips: the first so many; None: all.
        hold: seconds that a film stands still at each keyframe, to read the labels.

    Raises:
        ValueError: the frames of a clip are not there, or there is nothing to show.
    """
    if not boxes.moments:
        raise ValueError(
            f"{boxes.source}: expected keyframes with boxes, found none: the lists are empty, or "
            "none of their seconds is in AVA.VALID_SECONDS"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, moments in islice(boxes.moments.items(), clips):
        with boxes.read(boxes.record(name)) as source:
            fps = source.fps / max(1, round(source.fps / MOST_FPS))
            try:
                planned = shots(moments, times_of(source), fps=fps)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
            pictures = _film(source, planned, boxes.threshold, name, max(1, round(hold * fps)))
            path = folder / f"{_file_name(name)}.mp4"
            count = write_video(path, pictures, fps=fps)
        yield BoxVideo(path, len(planned), count / fps)


def _film(
    source: Source, planned: list[Shot], threshold: float, name: str, hold: int
) -> Iterator[Image.Image]:
    frames = shown_frames(
        source,
        planned,
        short_side=SHORT_SIDE,
        long_side=LONG_SIDE,
        threshold=threshold,
        name=name,
    )
    for picture, is_key in frames:
        for _ in range(hold if is_key else 1):
            yield picture


def _file_name(name: str) -> str:
    """Names of videos may have folders in them."""
    return re.sub(r"[/\\\0]", "_", name)
