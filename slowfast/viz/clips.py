"""Short animated previews of videos, small enough to lie inside a page."""

from __future__ import annotations

import base64
import io
import os
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from slowfast.data.readers.source import open_source
from slowfast.data.record import Record

LONG_SIDE = 200  # pixels at most; smaller videos keep their size
MAX_FRAMES = 32
MIN_STEP = 1 / 15  # seconds between frames of a preview of a long video
QUALITY = 60  # of WebP, 0..100


@dataclass(frozen=True)
class Preview:
    """Data URIs of an animation and of its middle frame, for those who asked for no motion."""

    animated: str
    still: str
    width: int  # pixels
    height: int


def preview(path: str | os.PathLike[str]) -> Preview:
    """Animate a video, however it is kept: all frames of a short one, else evenly spaced ones.

    Raises:
        ValueError: the file is not there or is not a video that can be decoded.
    """
    with open_source(Record(os.fspath(path))) as source:
        count, fps = int(source.num_frames), float(source.fps)
        step = max(1, -(-count // MAX_FRAMES), round(MIN_STEP * fps) if count > MAX_FRAMES else 1)
        indices = list(range(0, count, step))
        images = [_shrink(frame) for frame in source.frames(indices)]
    # Time-lapse a long video: nobody waits a minute for a preview.
    milliseconds = max(round(1000 * step / fps), 33) if step * len(images) < 5 * fps else 100
    return encode_preview(images, milliseconds, still=images[len(images) // 2])


def encode_preview(
    images: list[Image.Image], milliseconds: int | list[int], *, still: Image.Image
) -> Preview:
    """An animation of pictures of one size.

    Args:
        milliseconds: of each picture, or of one after the other.
        still: for those who asked for no motion.
    """
    return Preview(
        animated=_encode(images, milliseconds),
        still=_encode([still], 100),
        width=still.width,
        height=still.height,
    )


def _shrink(frame: Tensor) -> Image.Image:
    image = Image.fromarray(frame.numpy())
    image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    return image


def _encode(images: list[Image.Image], milliseconds: int | list[int]) -> str:
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        format="WEBP",
        save_all=True,
        append_images=images[1:],
        duration=milliseconds,
        loop=0,
        quality=QUALITY,
    )
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
