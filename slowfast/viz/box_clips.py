"""The frames around keyframes with their boxes drawn in, as a film or as a preview in a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import torch
from PIL import Image
from torch import Tensor

from slowfast.data.readers.clock import frames_at
from slowfast.data.readers.source import Source
from slowfast.engine.keyframe_boxes import Moment
from slowfast.viz.box_overlay import add_caption, draw_boxes

FAINT = 0.35  # outlines between keyframes, where what moves has left its box
REACH = 0.5  # seconds around a keyframe that are shown, unless the next one is nearer
_SAME = 1e-6  # seconds; moments as near as that to each other are one


@dataclass(frozen=True)
class Shot:
    """Frames of a video that show a keyframe.

    Attributes:
        frames: numbers at even moments, so that one that is shown for long is there repeatedly.
        key: the one that the boxes are of; it is there once.
    """

    moment: Moment
    frames: tuple[int, ...]
    key: int


def shots(moments: Sequence[Moment], times: Tensor, *, fps: float) -> list[Shot]:
    """The frames of each keyframe, by the clock of the video.

    Args:
        moments: of one video, in order of time.
        times: of its frames from the first one, seconds, float64 (F,).
        fps: how many frames a second are shown.

    Raises:
        ValueError: a keyframe is more than a second after the end.
    """
    end = float(times[-1])
    for moment in moments:
        if not 0 <= moment.time <= end + 1 / fps + 1:
            raise ValueError(
                f"expected keyframes within its {end + 1 / fps:.1f} s, found second "
                f"{moment.second:g}, which is {moment.time:.1f} s after its beginning; check what "
                "the list calls the first frame (AVA.START_SECOND, --start-second)"
            )
    asked = torch.tensor([moment.time for moment in moments], dtype=torch.float64)
    keys: list[int] = frames_at(times, asked).tolist()
    at: list[float] = times[keys].tolist()
    # A keyframe has the moments that are nearer to it than to its neighbours.
    middles = [-0.6 / fps, *((a + b) / 2 for a, b in pairwise(at)), end + 0.6 / fps]
    reach, found = int(REACH * fps + _SAME), []
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64) / fps
    for i, (moment, key) in enumerate(zip(moments, keys, strict=True)):
        shown = at[i] + steps
        own = (shown > middles[i] + _SAME) & (shown <= middles[i + 1] + _SAME)
        numbers = frames_at(times, shown)
        own &= numbers != key
        own[reach] = True
        found.append(Shot(moment, tuple(numbers[own].tolist()), key))
    return found


def shown_frames(
    source: Source,
    planned: Sequence[Shot],
    *,
    short_side: int,
    long_side: int,
    threshold: float,
    name: str,
) -> Iterator[tuple[Image.Image, bool]]:
    """Each frame with the boxes of its keyframe, and whether it is the keyframe.

    Args:
        short_side, long_side: the frame is made to fit one of them, pixels; larger or smaller.
        name: of the video, for the caption.
    """
    place = [(number, shot) for shot in planned for number in shot.frames]
    frames = source.frames(list(dict.fromkeys(number for number, _ in place)))
    last, frame = -1, torch.empty(0)
    for (number, shot), same in groupby(place):
        if number != last:  # else two keyframes are nearest to the same frame
            last, frame = number, next(frames)
        moment, is_key = shot.moment, number == shot.key
        picture = draw_boxes(
            _fitted(frame, short_side, long_side),
            moment.found,
            moment.annotated,
            outline=1.0 if is_key else FAINT,
        )
        picture = add_caption(picture, f"{name}  {moment.second:g} s", threshold)
        for _ in same:
            yield picture, is_key


def _fitted(frame: Tensor, short_side: int, long_side: int) -> Image.Image:
    """Sides are even, as H.264 wants them."""
    image = Image.fromarray(frame.numpy())
    scale = min(short_side / min(image.size), long_side / max(image.size))
    width, height = (max(2, round(side * scale / 2) * 2) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)
