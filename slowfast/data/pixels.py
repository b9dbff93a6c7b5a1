"""What workers send: finished RGB crops, cut YUV planes, or the floats of the public order.

A `Store` takes the wanted windows of a view's frames one by one, as they are decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Protocol

import torch
from torch import Tensor

from slowfast.data.readers.picture import Picture
from slowfast.data.sendable import Empty, empty_pixels
from slowfast.data.window import Axis, Window
from slowfast.data.yuv import YuvFrames, YuvLayout


class Store(Protocol):
    """The frames of one view."""

    def add(self, picture: Picture, window: Window) -> None: ...

    def finish(self) -> Tensor | YuvFrames: ...


class MakeStore(Protocol):
    """A store for ``count`` frames, in memory from ``empty``."""

    def __call__(self, count: int, *, empty: Empty = empty_pixels) -> Store: ...


class RgbStore:
    """uint8 (F, H, W, 3)."""

    def __init__(self, count: int, *, empty: Empty = empty_pixels) -> None:
        self._count, self._filled, self._empty = count, 0, empty
        self._out = torch.empty(0, dtype=torch.uint8)

    def add(self, picture: Picture, window: Window) -> None:
        if not self._filled:
            self._out = self._empty((self._count, window.height, window.width, 3))
        self._out[self._filled] = picture.cut(window)
        self._filled += 1

    def finish(self) -> Tensor:
        return self._out


class YuvStore:
    """The planes that windows touch, unscaled; finished RGB of frames that have no such planes."""

    def __init__(self, count: int, *, empty: Empty = empty_pixels) -> None:
        self._count, self._empty = count, empty
        self._layouts: list[YuvLayout] = []
        self._out, self._end = torch.empty(0, dtype=torch.uint8), 0

    def add(self, picture: Picture, window: Window) -> None:
        found = picture.yuv(window)
        if found is None:
            layout, planes = _finished(window), [picture.cut(window).numpy()]
        else:
            layout, planes = found
        if not self._layouts:
            self._out = self._empty([self._count * layout.frame_bytes])
        out = self._out.numpy()
        for plane in planes:
            end = self._end + plane.size
            out[self._end : end].reshape(plane.shape)[:] = plane
            self._end = end
        self._layouts.append(layout)

    def finish(self) -> YuvFrames:
        runs = [replace(layout, frames=len([*same])) for layout, same in groupby(self._layouts)]
        return YuvFrames(self._out, tuple(runs))


class StrictStore:
    """float32 (F, H, W, 3), normalised first and scaled after that, as published models were fed.

    The public order: to [0, 1], less the mean, by the deviation, bilinear, crop.

    Args:
        count: frames.
        mean, std: one value a channel.
    """

    def __init__(
        self,
        count: int,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        empty: Empty = empty_pixels,
    ) -> None:
        self._count, self._filled, self._empty = count, 0, empty
        self._mean, self._std = torch.tensor(mean), torch.tensor(std)
        self._out = torch.empty(0)

    def add(self, picture: Picture, window: Window) -> None:
        if not self._filled:
            channels = 3 * torch.float32.itemsize
            pixels = self._empty((self._count, window.height, window.width, channels))
            self._out = pixels.view(torch.float32)
        frame = (picture.rgb().float() / 255 - self._mean) / self._std
        # A plane at a time, as PyTorch scales clips of four frames and more that have their
        # channels first: it rounds otherwise where channels lie innermost.
        planes = window.cut(frame.permute(2, 0, 1)[..., None])
        self._out[self._filled] = planes[..., 0].permute(1, 2, 0)
        self._filled += 1

    def finish(self) -> Tensor:
        return self._out


def _finished(window: Window) -> YuvLayout:
    rows, columns = Axis(0, 1, window.height), Axis(0, 1, window.width)
    return YuvLayout(1, window.height, window.width, rows, columns, finished=True)
