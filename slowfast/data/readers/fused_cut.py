"""A window of a YUV 4:2:0 frame: cut first, so that nothing else is scaled or converted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import av
import numpy as np
import torch
from torch import Tensor

from slowfast.data.transforms.spatial import resize
from slowfast.data.window import Axis

Planes = list[np.ndarray]

_FORMATS = ("yuv420p", "yuvj420p")
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_REACH = 12  # output pixels by which a cut may be longer on either side, to begin on a pixel
_GOOD = 0.07  # source pixels off that are good enough
_LIMIT = 0.3  # source pixels off that are still taken; beyond, the frame is converted whole
# FFmpeg's scaler averages where it makes frames smaller, and published results were trained
# without that; up to here the difference is small.
_LARGEST_STEP = 1.15
_SCALER = "flags=bilinear:threads=1"


class Fit(NamedTuple):
    """An axis in whole source pixels: those from ``first`` to ``end`` become ``length`` output
    pixels, of which the wanted ones begin at ``skip``."""

    first: int
    end: int
    length: int
    skip: int


@dataclass(frozen=True)
class PlaneCut:
    """Cuts the planes of source pixels that a window touches; they are scaled elsewhere.

    Attributes:
        rows, columns: where the window lies in them.
        full_range: the frames use all 256 levels.
    """

    rows: Axis
    columns: Axis
    full_range: bool
    cover: tuple[int, int, int, int]  # top, bottom, left, right

    @classmethod
    def of(cls, frame: Any, rows: Axis, columns: Axis) -> PlaneCut | None:
        """None if the frame is of another kind, or the planes were more bytes than RGB."""
        if frame.format.name not in _FORMATS or rows.step * columns.step > 2:
            return None
        top, bottom = _even_cover(rows, frame.height)
        left, right = _even_cover(columns, frame.width)
        return cls(
            replace(rows, start=rows.start - top),
            replace(columns, start=columns.start - left),
            frame.format.name == "yuvj420p" or frame.color_range == _FULL_RANGE,
            (top, bottom, left, right),
        )

    def __call__(self, frame: Any) -> Planes:
        """Y, U and V; views that must be copied before the next frame is decoded."""
        top, bottom, left, right = self.cover
        y, u, v = stored_planes(frame)
        half = slice(top // 2, (bottom + 1) // 2), slice(left // 2, (right + 1) // 2)
        return [y[top:bottom, left:right], u[half], v[half]]


class RgbCut:
    """Makes one window of each frame of a video. Made by `of`."""

    def __init__(
        self,
        frame: Any,
        axes: tuple[Axis, Axis],
        fits: tuple[Fit, Fit],
        *,
        by_ffmpeg: bool,
        mirror: bool,
    ) -> None:
        self._fits = fits
        kept = [
            slice(fit.skip, fit.skip + axis.count) for fit, axis in zip(fits, axes, strict=True)
        ]
        inner: list[slice] = []
        if by_ffmpeg:
            self._graph = _make_graph(frame, *fits, scale=True, mirror=mirror)
        else:
            around = [Fit(_even(fit.first), _even(fit.end + 1), 0, 0) for fit in fits]
            self._graph = _make_graph(frame, *around, scale=False, mirror=mirror)
            inner = [
                slice(fit.first - outer.first, fit.end - outer.first)
                for fit, outer in zip(fits, around, strict=True)
            ]
            if mirror:
                inner[1] = _from_the_end(inner[1], around[1].end - around[1].first)
        if mirror:
            kept[1] = _from_the_end(kept[1], fits[1].length)
        self._kept, self._inner = tuple(kept), tuple(inner)

    @classmethod
    def of(cls, frame: Any, rows: Axis, columns: Axis, *, mirror: bool = False) -> RgbCut | None:
        """None if the frame is of another kind, or the window not on pixels well enough.

        Args:
            mirror: the result is mirrored left to right.
        """
        if frame.format.name not in _FORMATS:
            return None
        # FFmpeg cuts 4:2:0 at even pixels; where none is near, the region is scaled after it was
        # converted.
        for grain in (2, 1) if max(rows.step, columns.step) <= _LARGEST_STEP else (1,):
            row_fit = _fit(rows, frame.height, grain)
            column_fit = _fit(columns, frame.width, grain)
            if row_fit is not None and column_fit is not None:
                fits = row_fit, column_fit
                return cls(frame, (rows, columns), fits, by_ffmpeg=grain == 2, mirror=mirror)
        return None

    def __call__(self, frame: Any) -> Tensor:
        """uint8 (rows, columns, 3), as stored; a view of memory that lives as long as it does."""
        self._graph.push(frame)
        (image,) = stored_planes(self._graph.pull())
        tensor = torch.from_numpy(image)
        if self._inner:
            size = self._fits[0].length, self._fits[1].length
            tensor = resize(tensor[self._inner][None], size)[0]
        return tensor[self._kept]


def _from_the_end(part: slice, length: int) -> slice:
    """The same pixels of ``length`` that are read backwards."""
    return slice(length - part.stop, length - part.start)


def _even(pixel: int) -> int:
    return pixel - pixel % 2


def stored_planes(frame: Any) -> Planes:
    """Views of the planes: (H, W, 3) for RGB; (H, W) and twice (H / 2, W / 2) for YUV 4:2:0."""
    planes = []
    depth = 3 if frame.format.name == "rgb24" else 1
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        part = rows[: plane.height, : plane.width * depth]
        planes.append(part.reshape(plane.height, plane.width, depth) if depth > 1 else part)
    return planes


def _even_cover(axis: Axis, length: int) -> tuple[int, int]:
    """First and end of the source pixels that bilinear sampling of the axis touches."""
    first = math.floor(axis.start + 0.5 * axis.step - 0.5)
    last = math.ceil(axis.start + (axis.count - 0.5) * axis.step - 0.5)
    first, end = max(first, 0), min(last + 1, length)
    return first - first % 2, min(end + end % 2, length)


def _fit(axis: Axis, length: int, grain: int) -> Fit | None:
    """The axis, made a little longer on both sides, between multiples of ``grain``.

    A window that began wherever the scaled frame was cut would be shifted by up to one pixel; a
    few output pixels more, which are cut off again, almost always end on a whole one.

    The length is a multiple of ``grain`` too: FFmpeg converts an odd number of rows or columns of
    4:2:0 in another way, in which colours lie elsewhere and pictures are brighter.
    """
    before = _reach(axis.start, -axis.step, length, grain)
    if before is None:
        return None
    choices = range((before[1] + axis.count) % grain, _REACH + 1, grain)
    after = _reach(axis.start + axis.count * axis.step, axis.step, length, grain, choices)
    if after is None or after[0] - before[0] < 4:
        return None
    return Fit(before[0], after[0], before[1] + axis.count + after[1], before[1])


def _reach(
    place: float, step: float, length: int, grain: int, choices: range = range(_REACH + 1)
) -> tuple[int, int] | None:
    """(source pixel, output pixels beyond ``place``) that fit together best."""
    best: tuple[float, int, int] | None = None
    for more in choices:
        at = place + more * step
        pixel = min(max(grain * round(at / grain), 0), length - length % 2)
        off = abs(at - pixel)
        if best is None or off < best[0]:
            best = off, pixel, more
        if off <= _GOOD:
            break
    return None if best is None or best[0] > _LIMIT else best[1:]


def _make_graph(
    frame: Any, rows: Fit, columns: Fit, *, scale: bool, mirror: bool
) -> av.filter.Graph:
    """Scaled as YUV and converted after that: faster than FFmpeg's scaling to RGB."""
    graph = av.filter.Graph()
    graph.threads = 1  # else each graph starts as many as there are cores
    source = (
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1"
        f":colorspace={int(frame.colorspace)}:range={int(frame.color_range)}"
    )
    height, width = rows.end - rows.first, columns.end - columns.first
    steps = [("buffer", source), ("crop", f"{width}:{height}:{columns.first}:{rows.first}")]
    if scale:
        steps.append(("scale", f"{columns.length}:{rows.length}:{_SCALER}"))
        steps.append(("format", frame.format.name))
    if mirror:  # of planes, which is fast; their width is even, so that colour stays in its place
        steps.append(("hflip", ""))
    steps += [("scale", _SCALER), ("format", "rgb24")]
    last = None
    for name, options in [*steps, ("buffersink", None)]:
        step = graph.add(name, options)
        if last is not None:
            last.link_to(step)
        last = step
    graph.configure()
    return graph
