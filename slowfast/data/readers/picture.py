"""A decoded frame that is not yet converted: RGB of all of it, or of a window, as displayed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from torch import Tensor

from slowfast.data.readers.fused_cut import PlaneCut, Planes, RgbCut, stored_planes
from slowfast.data.window import Axis, Window
from slowfast.data.yuv import YuvLayout

# PyAV starts threads for the conversion where it can; older versions have no such argument.
_ONE_THREAD = {"threads": 1} if "threads" in (VideoReformatter.reformat.__doc__ or "") else {}
Kind = tuple[str, int, int]  # pixel format, matrix and range of a decoded frame
# Matrices by the number that video files have for them (ITU-T H.273, Table 4).
_BT2020_NCL, _BT2020_CL = 9, 10
_OTHER_MATRICES = {
    8: "YCgCo",
    11: "Y'D'zD'x",
    12: "constants of the primaries",
    13: "constants of the primaries",
    14: "ICtCp",
    15: "IPT",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}
_KEPT_CUTS = 16  # windows of a video whose conversion is kept ready


class Picture(Protocol):
    """A frame of known size.

    Attributes:
        height, width: as displayed, pixels.
    """

    height: int
    width: int

    def rgb(self) -> Tensor:
        """All of it, uint8 (H, W, 3)."""
        ...

    def cut(self, window: Window) -> Tensor:
        """A part of it, scaled, uint8 (height, width, 3) of the window."""
        ...

    def yuv(self, window: Window) -> tuple[YuvLayout, list[np.ndarray]] | None:
        """The bytes that the window shows, and how they become it; None if it is not YUV 4:2:0."""
        ...


@runtime_checkable
class PictureSource(Protocol):
    """A `Source` whose frames can be cut before they are converted."""

    def pictures(self, indices: Tensor | Sequence[int]) -> Iterator[Picture]:
        """Frames of increasing indices, as `Source.frames`; each until the next is asked for."""
        ...


def pictures_of(source: Any, indices: Tensor | Sequence[int]) -> Iterator[Picture]:
    """Frames of any `Source` as pictures."""
    if isinstance(source, PictureSource):
        yield from source.pictures(indices)
    else:
        for frame in source.frames(indices):
            yield RgbPicture(frame)


class RgbPicture:
    """A frame that is RGB already, uint8 (H, W, 3)."""

    def __init__(self, frame: Tensor) -> None:
        self._frame = frame
        self.height, self.width = frame.shape[:2]

    def rgb(self) -> Tensor:
        return self._frame

    def cut(self, window: Window) -> Tensor:
        return window.cut(self._frame[None])[0]

    def yuv(self, window: Window) -> tuple[YuvLayout, list[np.ndarray]] | None:
        return None


class DecodedPicture:
    """A frame as the decoder left it."""

    def __init__(self, frame: Any, converter: Converter) -> None:
        self._frame, self._convert = frame, converter
        self.height, self.width = converter.displayed(frame)

    def rgb(self) -> Tensor:
        return self._convert(self._frame)

    def cut(self, window: Window) -> Tensor:
        """Cut, scaled and converted in one go where the frame can be; else the plain way."""
        return self._convert.cut(self._frame, window)

    def yuv(self, window: Window) -> tuple[YuvLayout, list[np.ndarray]] | None:
        return self._convert.yuv(self._frame, window)


class Converter:
    """Converts the frames of one video, turned the way they are displayed.

    Phones store what their sensor sees and note the turn; so a decoded frame may lie on its side.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._turn: tuple[bool, bool, bool] | None = None  # transpose, mirror x, mirror y
        self._rgb_cuts: dict[tuple[Window, Kind], RgbCut | None] = {}
        self._plane_cuts: dict[tuple[Window, Kind], tuple[PlaneCut, YuvLayout] | None] = {}

    def displayed(self, frame: Any) -> tuple[int, int]:
        """(height, width) of the frame as displayed."""
        size = frame.height, frame.width
        return size[::-1] if self._turn_of(frame)[0] else size

    def __call__(self, frame: Any) -> Tensor:
        """uint8 (H, W, 3); a view of memory that the result keeps alive."""
        return _turned(self._plain(frame), self._turn_of(frame))

    def cut(self, frame: Any, window: Window) -> Tensor:
        """uint8 (h, w, 3) of the window."""
        transpose, mirror_x, mirror_y = self._turn_of(frame)
        mirror_x = mirror_x != window.flip
        key = window, _kind(frame)
        if key not in self._rgb_cuts:
            _forget(self._rgb_cuts)
            axes = self._stored(frame, window)
            # FFmpeg mirrors faster, where rows are still rows.
            self._rgb_cuts[key] = RgbCut.of(frame, *axes, mirror=mirror_x and not transpose)
        cut = self._rgb_cuts[key]
        if cut is None:
            return window.cut(self(frame)[None])[0]
        return _turned(cut(frame).numpy(), (transpose, mirror_x and transpose, mirror_y))

    def yuv(self, frame: Any, window: Window) -> tuple[YuvLayout, Planes] | None:
        """Planes that hold the window, and their layout for one frame."""
        key = window, _kind(frame)
        if key not in self._plane_cuts:
            _forget(self._plane_cuts)
            self._plane_cuts[key] = self._plane_cut(frame, window)
        known = self._plane_cuts[key]
        return None if known is None else (known[1], known[0](frame))

    def _plane_cut(self, frame: Any, window: Window) -> tuple[PlaneCut, YuvLayout] | None:
        cut = PlaneCut.of(frame, *self._stored(frame, window))
        if cut is None:
            return None
        transpose, mirror_x, mirror_y = self._turn_of(frame)
        height, width = cut(frame)[0].shape
        layout = YuvLayout(
            frames=1,
            height=height,
            width=width,
            rows=cut.rows,
            columns=cut.columns,
            transpose=transpose,
            mirror_x=mirror_x != window.flip,
            mirror_y=mirror_y,
            colorspace=int(frame.colorspace),
            full_range=cut.full_range,
        )
        return cut, layout

    def _turn_of(self, frame: Any) -> tuple[bool, bool, bool]:
        if self._turn is None:
            self._turn = display_turn(frame)
        return self._turn

    def _stored(self, frame: Any, window: Window) -> tuple[Axis, Axis]:
        """Rows and columns of the window in the frame as it is stored."""
        transpose, mirror_x, mirror_y = self._turn_of(frame)
        height, width = self.displayed(frame)
        rows = window.rows.mirrored(height) if mirror_y else window.rows
        columns = window.columns.mirrored(width) if mirror_x else window.columns
        return (columns, rows) if transpose else (rows, columns)

    def _plain(self, frame: Any) -> np.ndarray:
        rgb = self._reformatter.reformat(frame, format="rgb24", **_ONE_THREAD)
        (image,) = stored_planes(rgb)
        return image


def colour_fault(frame: Any) -> str:
    """Why the colours of a decoded frame can't be converted; "" if they can.

    FFmpeg's scaler knows no others, and fails without a word on them.
    """
    if int(frame.colorspace) == _BT2020_CL:  # nearly the same, and what older versions took it for
        frame.colorspace = _BT2020_NCL
    if int(frame.colorspace) in _OTHER_MATRICES and not frame.format.is_rgb:
        name = _OTHER_MATRICES[int(frame.colorspace)]
        return f"expected colours of BT.601, BT.709 or BT.2020, found {name}"
    return ""


def _kind(frame: Any) -> Kind:
    """What a conversion is made for; videos that were joined of several may change it midway."""
    return frame.format.name, int(frame.colorspace), int(frame.color_range)


def _forget(cuts: dict[tuple[Window, Kind], Any]) -> None:
    """A caller that asks for ever other windows does not fill the memory."""
    if len(cuts) >= _KEPT_CUTS:
        cuts.clear()


def _turned(image: np.ndarray, turn: tuple[bool, bool, bool]) -> Tensor:
    transpose, mirror_x, mirror_y = turn
    if transpose:
        image = image.transpose(1, 0, 2)
    if mirror_x:
        image = image[:, ::-1]
    if mirror_y:
        image = image[::-1]
    return torch.from_numpy(np.ascontiguousarray(image) if any(turn) else image)


def display_turn(frame: Any) -> tuple[bool, bool, bool]:
    """(transpose, then mirror in x, mirror in y) that the frame's display matrix asks for.

    The matrix (a b u, c d v, x y w) takes column p and row q to a p + c q and b p + d q
    (ISO/IEC 14496-12, Sec. 6.2.2); other angles than right ones are rounded to the nearest.
    """
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(data, np.int32)[:5].tolist()
            if abs(a) + abs(d) >= abs(b) + abs(c):
                return False, a < 0, d < 0
            return True, c < 0, b < 0
    return False, False, False
