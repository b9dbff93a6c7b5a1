"""The frames around keyframes with their boxes drawn in, as a film or as a preview in a page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image
from torch import Tensor

from slowfast.data.readers.source import Source
from slowfast.engine.keyframe_boxes import Moment
from slowfast.viz.box_overlay import add_caption, draw_boxes

FAINT = 0.35  # outlines between keyframes, where what moves has left its box
REACH = 0.5  # seconds around a keyframe that are shown, unless the next one is nearer


@dataclass(frozen=True)
class Shot:
    """Frames of a video that show a keyframe.

    Attributes:
        frames: numbers, rising.
        key: the one that the boxes are of.
    """

    moment: Moment
    frames: tuple[int, ...]
    key: int


def shots(moments: Sequence[Moment], *, num_frames: int, fps: float, step: int = 1) -> list[Shot]:
    """The frames of each keyframe, none twice.

    Args:
        moments: of one video, in order of time.
        step: only every so many frames, from each keyframe on.

    Raises:
        ValueError: a keyframe is more than a second after the end.
    """
    for moment in moments:
        if not 0 <= moment.time <= num_frames / fps + 1:
            raise ValueError(
                f"expected keyframes within its {num_frames / fps:.1f} s, found second "
                f"{moment.second:g}, which is {moment.time:.1f} s after its beginning; check what "
                "the list calls the first frame (AVA.START_SECOND, --start-second)"
            )
    keys = [min(round(moment.time * fps), num_frames - 1) for moment in moments]
    # A keyframe has the frames that are nearer to it than to its neighbours.
    middles = [-1, *((a + b) // 2 for a, b in pairwise(keys)), num_frames - 1]
    reach, found = REACH * fps, []
    for moment, key, before, after in zip(moments, keys, middles, middles[1:], strict=False):
        first = max(before + 1, math.ceil(key - reach))
        last = min(after, math.floor(key + reach))
        earlier, later = range(key - step, first - 1, -step), range(key + step, last + 1, step)
        found.append(Shot(moment, (*reversed(earlier), key, *later), key))
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
    place = {number: shot for shot in planned for number in shot.frames}
    numbers = sorted(place)
    for number, frame in zip(numbers, source.frames(numbers), strict=True):
        shot = place[number]
        moment, is_key = shot.moment, number == shot.key
        picture = draw_boxes(
            _fitted(frame, short_side, long_side),
            moment.found,
            moment.annotated,
            outline=1.0 if is_key else FAINT,
        )
        yield add_caption(picture, f"{name}  {moment.second:g} s", threshold), is_key


def _fitted(frame: Tensor, short_side: int, long_side: int) -> Image.Image:
    """Sides are even, as H.264 wants them."""
    image = Image.fromarray(frame.numpy())
    scale = min(short_side / min(image.size), long_side / max(image.size))
    width, height = (max(2, round(side * scale / 2) * 2) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)
