"""What workers send: finished RGB crops, cut YUV planes, or the floats of the public order.

A `Store` takes the wanted windows of a view's frames one by one, as they are decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from slowfast.data.readers.picture import Picture
from slowfast.data.window import Axis, Window
from slowfast.data.yuv import YuvFrames, YuvLayout


class Store(Protocol):
    """The frames of one view."""

    def add(self, picture: Picture, window: Window) -> None: ...

    def finish(self) -> Tensor | YuvFrames: ...


MakeStore = Callable[[int], Store]  # called with the number of frames


class RgbStore:
    """uint8 (F, H, W, 3)."""

    def __init__(self, count: int) -> None:
        self._count, self._filled = count, 0
        self._out = torch.empty(0, dtype=torch.uint8)

    def add(self, picture: Picture, window: Window) -> None:
        if not self._filled:
            shape = self._count, window.height, window.width, 3
            # NumPy asks for large pages: filling them costs little more than half as much.
            self._out = torch.from_numpy(np.empty(shape, np.uint8))
        self._out[self._filled] = picture.cut(window)
        self._filled += 1

    def finish(self) -> Tensor:
        return self._out


class YuvStore:
    """The planes that windows touch, unscaled; finished RGB of frames that have no such planes."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._layouts: list[YuvLayout] = []
        self._out = np.empty(0, np.uint8)
        self._end = 0

    def add(self, picture: Picture, window: Window) -> None:
        found = picture.yuv(window)
        if found is None:
            layout, planes = _finished(window), [picture.cut(window).numpy()]
        else:
            layout, planes = found
        if not self._layouts:
            self._out = np.empty(self._count * layout.frame_bytes, np.uint8)
        for plane in planes:
            end = self._end + plane.size
            self._out[self._end : end].reshape(plane.shape)[:] = plane
            self._end = end
        last = self._layouts[-1] if self._layouts else None
        if last is not None and replace(last, frames=1) == layout:
            self._layouts[-1] = replace(last, frames=last.frames + 1)
        else:
            self._layouts.append(layout)

    def finish(self) -> YuvFrames:
        return YuvFrames(torch.from_numpy(self._out), tuple(self._layouts))


@dataclass
class StrictStore:
    """float32 (F, H, W, 3), normalised first and scaled after that, as published models were fed.

    The public order: to [0, 1], less the mean, by the deviation, bilinear, crop.

    Args:
        count: frames.
        mean, std: one value a channel.
    """

    count: int
    mean: Sequence[float]
    std: Sequence[float]

    def __post_init__(self) -> None:
        self._frames: list[Tensor] = []

    def add(self, picture: Picture, window: Window) -> None:
        frame = (picture.rgb().float() / 255 - torch.tensor(self.mean)) / torch.tensor(self.std)
        # A plane at a time, as PyTorch scales clips of four frames and more that have their
        # channels first: it rounds otherwise where channels lie innermost.
        planes = window.cut(frame.permute(2, 0, 1)[..., None])
        self._frames.append(planes[..., 0].permute(1, 2, 0))

    def finish(self) -> Tensor:
        return torch.stack(self._frames)


def _finished(window: Window) -> YuvLayout:
    rows, columns = Axis(0, 1, window.height), Axis(0, 1, window.width)
    return YuvLayout(1, window.height, window.width, rows, columns, finished=True)
