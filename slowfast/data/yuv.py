"""Frames as decoders leave them, YUV 4:2:0: a third of the bytes, turned into RGB on the device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from slowfast.data.window import Axis

# Weights of red and blue in brightness, by the number that video files have for them (ITU-T
# H.273, Table 4): BT.709, FCC, SMPTE 240M, BT.2020. Everything else is BT.601.
_LUMA = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
_LUMA_601 = (0.299, 0.114)
CHUNK = 64  # frames that are converted at a time: what lies between is float32


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
        return torch.cat([self._convert(part) for part in data.split(CHUNK)])

    def _convert(self, data: Tensor) -> Tensor:
        luma, chroma = self.height * self.width, _half(self.height) * _half(self.width)
        y, u, v = data.split([luma, chroma, chroma], dim=1)
        rows = _taps(self.rows, self.height, data.device)
        columns = _taps(self.columns, self.width, data.device)
        half = (_half(self.height), _half(self.width))
        bright = _sample(y.view(-1, self.height, self.width), rows, columns)
        # A colour sample stands for the four pixels around it, as in the conversion of frames.
        rows, columns = ((low // 2, high // 2, w) for low, high, w in (rows, columns))
        blue = _sample(u.reshape(-1, *half), rows, columns)
        red = _sample(v.reshape(-1, *half), rows, columns)
        image = self._to_rgb(bright, blue, red)
        if self.transpose:
            image = image.transpose(1, 2)
        mirrored = [d for d, on in ((2, self.mirror_x), (1, self.mirror_y)) if on]
        return (image.flip(mirrored) if mirrored else image).contiguous()

    def _to_rgb(self, y: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Float planes (F, H, W) of 0 to 255 -> uint8 (F, H, W, 3); BT.601, Sec. 2.5.1 and on."""
        kr, kb = _LUMA.get(self.colorspace, _LUMA_601)
        black, y_span, c_span = (0.0, 1.0, 1.0) if self.full_range else (16, 255 / 219, 255 / 224)
        u, v = (u - 128).mul_(2 * c_span), (v - 128).mul_(2 * c_span)
        y = (y - black).mul_(y_span)
        red, blue = y + (1 - kr) * v, y + (1 - kb) * u
        green = y - (kb * (1 - kb) / (1 - kr - kb)) * u - (kr * (1 - kr) / (1 - kr - kb)) * v
        out = torch.empty((*y.shape, 3), dtype=torch.uint8, device=y.device)
        for channel, plane in enumerate((red, green, blue)):
            out[..., channel] = plane.sub_(0.5).clamp_(0, 255)  # truncated as it is stored
        return out


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
            torch.cat([part.data for part in parts]),
            tuple(layout for part in parts for layout in part.layouts),
        )


def _half(length: int) -> int:
    return (length + 1) // 2


def _taps(axis: Axis, length: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The two source pixels of each output pixel, and the weight of the second."""
    place = torch.arange(axis.count, dtype=torch.float64) + 0.5
    place = (axis.start + place * axis.step - 0.5).clamp(0, length - 1)
    low = place.long()
    weight = (place - low).float()
    taps = (low, (low + 1).clamp(max=length - 1), weight)
    low, high, weight = (t.to(device, non_blocking=True) for t in taps)
    return low, high, weight


def _sample(
    plane: Tensor,
    rows: tuple[Tensor, Tensor, Tensor],
    columns: tuple[Tensor, Tensor, Tensor],
) -> Tensor:
    """Bilinear, uint8 (F, h, w) -> float32 (F, H, W)."""
    low, high, weight = rows
    across = torch.lerp(
        plane.index_select(1, low).float(),
        plane.index_select(1, high).float(),
        weight[:, None].expand(-1, plane.shape[2]),
    )
    low, high, weight = columns
    return torch.lerp(across.index_select(2, low), across.index_select(2, high), weight)
