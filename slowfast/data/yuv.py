"""Frames as decoders leave them, YUV 4:2:0: a third of the bytes, turned into RGB on the device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from slowfast.data.sendable import cat_to_send
from slowfast.data.window import Axis

# Weights of red and blue in brightness, by the number that video files have for them (ITU-T
# H.273, Table 4): BT.709, FCC, SMPTE 240M, BT.2020. Everything else is BT.601.
_LUMA = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
_LUMA_601 = (0.299, 0.114)
_ON_CPU, _ON_GPU = 4, 256  # frames converted at a time: float32 of a few stays in the cache


@dataclass(frozen=True)
class YuvLayout:
    """What ``frames`` frames of bytes hold, one after the other, and what is to become of them.

    A frame is its planes Y (height, width), U and V (half of both, rounded up); or, for a source
    that has no such planes, finished RGB (height, width, 3).

    Attributes:
        frames, height, width: of what is stored, pixels.
        rows, columns: the result, before it is turned, in pixels of what is stored.
        transpose, mirror_x, mirror_y: how the result is turned, in this order.
        colorspace: number of the matrix (H.273).
        full_range: Y goes from 0 to 255 instead of 16 to 235.
        finished: it is RGB, and stays as it is.
    """

    frames: int
    height: int
    width: int
    rows: Axis
    columns: Axis
    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False
    colorspace: int = 2
    full_range: bool = False
    finished: bool = False

    @property
    def frame_bytes(self) -> int:
        if self.finished:
            return self.height * self.width * 3
        return self.height * self.width + 2 * _half(self.height) * _half(self.width)

    @property
    def size(self) -> int:
        """Bytes of all frames."""
        return self.frames * self.frame_bytes

    def rgb(self, data: Tensor) -> Tensor:
        """uint8 (frames, frame_bytes) -> uint8 (frames, H, W, 3), on the device of ``data``."""
        if self.finished:
            return data.view(self.frames, self.height, self.width, 3)
        device = data.device
        rows = _Taps.of(self.rows, self.height, device, across=False)
        columns = _Taps.of(self.columns, self.width, device, across=True)
        size = (self.columns.count, self.rows.count) if self.transpose else None
        size = size or (self.rows.count, self.columns.count)
        out = torch.empty((self.frames, *size, 3), dtype=torch.uint8, device=device)
        at_a_time = _ON_CPU if device.type == "cpu" else _ON_GPU
        for done, part in zip(out.split(at_a_time), data.split(at_a_time), strict=True):
            # Written through a view in which the result lies as it is stored.
            self._convert(part, rows, columns, done.transpose(1, 2) if self.transpose else done)
        mirrored = [d for d, on in ((2, self.mirror_x), (1, self.mirror_y)) if on]
        return out.flip(mirrored) if mirrored else out

    def _convert(self, data: Tensor, rows: _Taps, columns: _Taps, out: Tensor) -> None:
        """Write the frames of ``data`` into ``out`` (F, H, W, 3); BT.601, Sec. 2.5.1 and on."""
        luma, chroma = self.height * self.width, _half(self.height) * _half(self.width)
        y, u, v = data.split([luma, chroma, chroma], dim=1)
        half = (_half(self.height), _half(self.width))
        bright = columns.sample(rows.sample(y.view(-1, self.height, self.width).float()))
        # A colour sample stands for the four pixels around it, as where frames are converted.
        blue = columns.halved(rows.halved(u.reshape(-1, *half).float().sub_(128)))
        red = columns.halved(rows.halved(v.reshape(-1, *half).float().sub_(128)))
        kr, kb = _LUMA.get(self.colorspace, _LUMA_601)
        black, span, colour = (0.0, 1.0, 2.0) if self.full_range else (16, 255 / 219, 510 / 224)
        # FFmpeg's conversion, which frames of published results went through, truncates more than
        # once: it is darker than an exact one, green most of all.
        bright = bright.sub_(black).mul_(span).sub_(0.0 if self.full_range else 0.5)
        of_green = 1 - kr - kb
        green = bright.sub(0.5).add_(blue, alpha=-colour * kb * (1 - kb) / of_green)
        green.add_(red, alpha=-colour * kr * (1 - kr) / of_green)
        planes = (
            red.mul_(colour * (1 - kr)).add_(bright),
            green,
            blue.mul_(colour * (1 - kb)).add_(bright),
        )
        for channel, plane in enumerate(planes):
            out[..., channel] = plane.clamp_(0, 255)


@dataclass(frozen=True)
class YuvFrames:
    """Frames of several videos or crops in one run of bytes, which is one copy to the device.

    Attributes:
        data: uint8 (bytes,).
        layouts: what it holds, in order.
    """

    data: Tensor
    layouts: tuple[YuvLayout, ...]

    def __len__(self) -> int:
        return sum(layout.frames for layout in self.layouts)

    @property
    def nbytes(self) -> int:
        return self.data.nbytes

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> YuvFrames:
        return replace(self, data=self.data.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> YuvFrames:
        return replace(self, data=self.data.pin_memory())

    def rgb(self) -> Tensor:
        """uint8 (F, H, W, 3); the frames of all layouts, which must come out in one size."""
        parts = self.data.split([layout.size for layout in self.layouts])
        return torch.cat(
            [
                layout.rgb(part.view(layout.frames, -1))
                for layout, part in zip(self.layouts, parts, strict=True)
            ]
        )

    @staticmethod
    def join(parts: list[YuvFrames]) -> YuvFrames:
        return YuvFrames(
            cat_to_send([part.data for part in parts]),
            tuple(layout for part in parts for layout in part.layouts),
        )


def _half(length: int) -> int:
    return (length + 1) // 2


@dataclass(frozen=True)
class _Taps:
    """Which source pixels make the output pixels along one axis: rows first, then columns.

    Attributes:
        low, high: int64 (count,), the two source pixels of each.
        weight: float32 (count,), of the second.
        first: where the output begins if it is the source's own pixels, else None.
        length: of the source.
        across: this axis is the last one of the planes.
    """

    low: Tensor
    high: Tensor
    weight: Tensor
    first: int | None
    length: int
    across: bool

    @classmethod
    def of(cls, axis: Axis, length: int, device: torch.device, *, across: bool) -> _Taps:
        place = axis.start + (torch.arange(axis.count, dtype=torch.float64) + 0.5) * axis.step
        place = (place - 0.5).clamp(0, length - 1)
        low = place.long()
        weight = (place - low).float()
        high = (low + 1).clamp(max=length - 1)
        return cls(
            low.to(device, non_blocking=True),
            high.to(device, non_blocking=True),
            weight.to(device, non_blocking=True),
            int(low[0]) if axis.step == 1 and not weight.any() else None,
            length,
            across,
        )

    def sample(self, planes: Tensor) -> Tensor:
        """Bilinear along this axis, float32 (F, h, w) -> (F, H, w) or (F, h, W)."""
        if self.first is not None:
            return planes.narrow(2 if self.across else 1, self.first, len(self.low))
        return self._sample(planes, self.low, self.high, self.length)

    def halved(self, planes: Tensor) -> Tensor:
        """The same of planes whose pixels are two wide."""
        if self.first is not None:
            axis = 2 if self.across else 1
            return planes.repeat_interleave(2, axis).narrow(axis, self.first, len(self.low))
        return self._sample(planes, self.low // 2, self.high // 2, _half(self.length))

    def _sample(self, planes: Tensor, low: Tensor, high: Tensor, length: int) -> Tensor:
        if not self.across:
            first = planes.index_select(1, low)
            return first.lerp_(planes.index_select(1, high), self.weight[:, None])
        # Single pixels of a row are slow to gather: a product with a thin matrix is faster.
        matrix = planes.new_zeros((length, len(low)))
        at = torch.arange(len(low), device=low.device)
        matrix.index_put_((low, at), 1 - self.weight, accumulate=True)
        matrix.index_put_((high, at), self.weight, accumulate=True)
        return planes @ matrix
