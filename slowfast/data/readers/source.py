"""Where frames come from, whatever they are kept in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from torch import Tensor

from slowfast.data.readers.container import FilePart
from slowfast.data.readers.picture_files import PictureFiles, is_picture, list_pictures
from slowfast.data.readers.pyav import MAX_PIXELS, open_video
from slowfast.data.readers.tar_shard import find_member, is_member
from slowfast.data.record import Record

PICTURE_FPS = 30.0  # frames per second of pictures that nothing is known of


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


class OpenFile(Protocol):
    """Opens a video file: `open_video`, or another decoder's."""

    def __call__(
        self, path: str, *, max_pixels: int, part: FilePart | None = None
    ) -> AbstractContextManager[Source]: ...


def open_source(
    record: Record,
    *,
    max_pixels: int = MAX_PIXELS,
    picture_fps: float = PICTURE_FPS,
    open_file: OpenFile = open_video,
) -> AbstractContextManager[Source]:
    """The frames of a record, opened to be read by number.

    Pictures that the record lists; or its path, which is a folder of pictures, a video in a
    shard (``shard.tar#name.mp4``), a single picture, or a video file.

    Args:
        max_pixels: larger frames are refused before memory is taken for them.
        picture_fps: frames per second of pictures, unless the record says.
        open_file: decoder of video files.

    Raises:
        VideoError: there is nothing that can be read, or it is too large.
    """
    path = os.fspath(record.path)
    files = record.frames
    if not files and is_member(path):
        return open_file(path, max_pixels=max_pixels, part=find_member(path))
    if not files and os.path.isdir(path):
        files = list_pictures(path)
    elif not files and is_picture(path):
        files = (path,)
    if files:
        fps = record.fps or picture_fps
        return nullcontext(PictureFiles(files, fps=fps, max_pixels=max_pixels))
    return open_file(path, max_pixels=max_pixels)
