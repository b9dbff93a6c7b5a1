"""Where frames come from, whatever they are kept in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from torch import Tensor

from slowfast.data.readers.pyav import MAX_PIXELS, open_video
from slowfast.data.record import Record


class Source(Protocol):
    """An open video.

    Attributes:
        num_frames: frames that can be read.
        fps: mean frame rate.
    """

    num_frames: int
    fps: float

    def frames(self, indices: Tensor | Sequence[int]) -> Iterator[Tensor]:
        """Frames of increasing indices one by one, uint8 (H, W, 3) in RGB.

        Raises:
            VideoError: one of them, or one that it is predicted from, is damaged.
        """
        ...


OpenSource = Callable[[Record], AbstractContextManager[Source]]


def open_source(record: Record, *, max_pixels: int = MAX_PIXELS) -> AbstractContextManager[Source]:
    """The frames of a record, opened to be read by number.

    Args:
        max_pixels: larger frames are refused before memory is taken for them.

    Raises:
        VideoError: there is nothing that can be read, or it is too large.
    """
    return open_video(record.path, max_pixels=max_pixels)
