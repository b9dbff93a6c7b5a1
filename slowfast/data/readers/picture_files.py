"""A video kept as pictures: a list of files, a folder of them, or a single one."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from slowfast.data.readers.container import open_regular
from slowfast.data.readers.indices import checked_indices
from slowfast.data.readers.video_error import VideoError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # what a file may be, whatever it is called
_WIDE = ("I;16", "I;16B", "I;16L", "I")  # modes of 16-bit gray pictures
Natural = tuple[tuple[int, str], ...]  # a name in parts: text, and numbers by their value
_AGAIN = "get it again, or leave such videos out (DATA.ON_BAD_SAMPLE)"


class PictureFiles:
    """Frame ``i`` is the i-th file. Nothing is read before a frame is asked for.

    Attributes:
        num_frames: how many pictures there are.
        fps: frames per second, as whoever opened it says: pictures do not.
    """

    def __init__(self, files: Sequence[str], *, fps: float, max_pixels: int) -> None:
        self.files, self.fps, self.max_pixels = files, fps, max_pixels
        self.num_frames = len(files)

    def frames(self, indices: Tensor | Sequence[int]) -> Iterator[Tensor]:
        """Frames of increasing indices one by one, uint8 (H, W, 3) in RGB.

        Raises:
            VideoError: a picture is missing, damaged, too large or of another size than the first.
        """
        first: Tensor | None = None
        wanted = checked_indices(indices, self.num_frames)
        for number in wanted:
            frame = read_picture(self.files[number], max_pixels=self.max_pixels)
            first = frame if first is None else first
            if frame.shape != first.shape:
                raise VideoError(
                    f"{self.files[number]}: expected {_size(first)} pixels as in "
                    f"{os.path.basename(self.files[wanted[0]])}, found {_size(frame)}",
                    advice="extract the frames of this video again",
                )
            yield frame


def list_pictures(folder: str) -> tuple[str, ...]:
    """The pictures in a folder, by their names with numbers in them counted: 2 before 10.

    Raises:
        VideoError: there are none, or two for one frame.
    """
    try:
        names = [name for name in os.listdir(folder) if _is_picture(name)]
    except OSError as error:
        raise VideoError(
            f"{folder}: expected a folder of pictures, found {error.strerror}",
            advice="check the list of videos and DATA.PATH_PREFIX, or AVA.FRAME_DIR",
        ) from error
    if not names:
        raise VideoError(
            f"{folder}: expected a folder of pictures, found none ({', '.join(SUFFIXES)})",
            advice="check the list of videos and DATA.PATH_PREFIX, or AVA.FRAME_DIR",
        )
    names.sort(key=_natural)
    frames: dict[Natural, str] = {}
    for name in names:
        other = frames.setdefault(_natural(os.path.splitext(name)[0]), name)
        if other != name:
            raise VideoError(
                f"{folder}: expected one picture a frame, found {other} and {name}",
                advice="remove one kind",
            )
    return tuple(os.path.join(folder, name) for name in names)


def is_picture(path: str) -> bool:
    """Whether a file's name is one of a picture."""
    return _is_picture(os.path.basename(path))


def read_picture(path: str, *, max_pixels: int) -> Tensor:
    """A picture as displayed, uint8 (H, W, 3) in RGB; of an animated one the first.

    Gray becomes RGB, 16 bits become their upper 8, transparency is dropped as in the colours
    that lie below it.

    Raises:
        VideoError: it is no picture, damaged, or has more pixels than ``max_pixels``.
    """
    with open_regular(path, expected="a picture") as file:
        try:
            with warnings.catch_warnings():
                # The limit is ours; Pillow's own would be a warning among those of the user.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                picture: Image.Image = Image.open(file, formats=_FORMATS)
        except Image.DecompressionBombError as error:
            raise _too_large(path, f"more ({error})", max_pixels) from error
        except Exception as error:  # Pillow's readers fail in as many ways as a file can be wrong
            raise _unreadable(path, error) from error
        if picture.width * picture.height > max_pixels:
            raise _too_large(path, f"{picture.width}x{picture.height}", max_pixels)
        try:
            return torch.from_numpy(_rgb(picture))
        except Exception as error:
            raise _unreadable(path, error) from error


def _rgb(picture: Image.Image) -> np.ndarray:
    if picture.mode in _WIDE:
        values = np.asarray(ImageOps.exif_transpose(picture)).astype(np.int32)
        return np.repeat((values.clip(0, 65535) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    picture.load()
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    # A picture that is turned on its side by its metadata is turned as a viewer would.
    return np.array(ImageOps.exif_transpose(picture).convert("RGB"))


def _is_picture(name: str) -> bool:
    # Names that begin with a dot are those that file managers leave behind.
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def _natural(name: str) -> Natural:
    parts = [part for part in re.split(r"(\d+)", name) if part]
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def _size(frame: Tensor) -> str:
    return f"{frame.shape[1]}x{frame.shape[0]}"


def _too_large(path: str, found: str, max_pixels: int) -> VideoError:
    return VideoError(
        f"{path}: expected a picture of at most {max_pixels} pixels, found {found}",
        advice="raise DATA.MAX_PIXELS if that is no mistake",
    )


def _unreadable(path: str, error: Exception) -> VideoError:
    if isinstance(error, Image.UnidentifiedImageError):
        found = f"none of {', '.join(_FORMATS)}"
    else:
        found = " ".join(str(error).split()) or type(error).__name__
    return VideoError(f"{path}: expected a picture that can be read, found {found}", advice=_AGAIN)
