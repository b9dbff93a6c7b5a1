"""Writes a file like those of Kinetics, so that a benchmark needs no data."""

from __future__ import annotations

from fractions import Fraction
from math import cos, sin
from pathlib import Path

import av
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

_DISCS = 6
_ROUGHNESS = 1.25  # amplitudes fall with this power of the frequency; photographs: about 1
_NOISE = 1.0  # standard deviation of brightness, in levels of 255


def write_benchmark_video(
    path: Path,
    *,
    width: int,
    height: int,
    seconds: int = 10,
    fps: int = 30,
    gop: int = 250,
    tune: str = "",
) -> None:
    """H.264 in MP4 with B-frames: a hand-held camera, discs that fly and turn, and noise.

    Bytes a frame and time to decode a frame are about those of real Kinetics clips.

    Args:
        gop: frames from one key frame to the next.
        tune: what x264 is to favour, such as "fastdecode".
    """
    scene = _Scene(width, height)
    with av.open(str(path), "w") as container:
        options = {"g": str(gop), "crf": "23", "preset": "medium", "threads": "2"}
        options |= {"tune": tune} if tune else {}
        stream = container.add_stream("libx264", rate=Fraction(fps), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * fps):
            picture = scene.at(number / fps)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.numpy())))
        container.mux(stream.encode(None))


class _Scene:
    """What the camera sees; lengths in half heights of the picture, from its centre."""

    def __init__(self, width: int, height: int) -> None:
        self._random = torch.Generator().manual_seed(0)
        self._aspect = width / height
        self._texture = self._make_texture(height, width)
        self._paths = torch.rand(_DISCS, 6, generator=self._random).tolist()
        self._y = torch.linspace(-1, 1, height)
        self._x = torch.linspace(-self._aspect, self._aspect, width)

    def at(self, t: float) -> Tensor:
        """uint8 (H, W, 3) after ``t`` seconds."""
        shake = 0.01 * sin(9 * t), 0.01 * sin(11 * t)
        centre = 0.25 * sin(0.9 * t) + shake[0], 0.1 * sin(1.3 * t) + shake[1]
        picture = self._seen(self._texture, 0.03 * sin(t), 1 + 0.1 * sin(0.7 * t), centre)
        behind = self._texture.flip(1, 2)
        for a, b, c, d, e, f in self._paths:
            x = self._aspect * sin(6.28 * a + (0.5 + 2 * b) * t)
            y = 0.8 * sin(6.28 * c + (0.5 + 2 * d) * t)
            radius = 0.1 + 0.25 * e
            box = self._between(self._y, y, radius), self._between(self._x, x, radius)
            distance = torch.hypot(self._y[box[0], None] - y, self._x[box[1]] - x)
            edge = len(self._y) / 4  # soft over a few pixels
            disc = ((radius - distance) * edge).clamp(0, 1)
            place = a - x / self._aspect, c - y
            turned = self._seen(behind, (4 * f - 2) * t, 1.0, place, box)
            part = picture[:, box[0], box[1]]
            part.lerp_(turned, disc)
        noise = torch.randn(picture.shape[1:], generator=self._random)
        return (picture + _NOISE * noise).clamp(0, 255).byte().permute(1, 2, 0).contiguous()

    @staticmethod
    def _between(axis: Tensor, middle: float, reach: float) -> slice:
        """The pixels of an axis that are within ``reach``."""
        first = torch.searchsorted(axis, middle - reach)
        return slice(int(first), int(torch.searchsorted(axis, middle + reach)))

    def _seen(
        self,
        texture: Tensor,
        angle: float,
        zoom: float,
        centre: tuple[float, float],
        box: tuple[slice, slice] = (slice(None), slice(None)),
    ) -> Tensor:
        """The texture, turned, scaled and moved, where the box is: float32 (3, h, w)."""
        c, s = zoom * cos(angle), zoom * sin(angle)
        rows = [[c, -s / self._aspect, centre[0]], [s * self._aspect, c, centre[1]]]
        grid = affine_grid(torch.tensor([rows]), [1, *texture.shape], align_corners=False)
        part = grid[:, box[0], box[1]]
        return grid_sample(texture[None], part, padding_mode="reflection", align_corners=False)[0]

    def _make_texture(self, height: int, width: int) -> Tensor:
        """Random, with the spectrum of a photograph, mostly grey: float32 (3, H, W)."""
        rows = torch.fft.fftfreq(height)[:, None] * height
        columns = torch.fft.rfftfreq(width) * width
        frequency = torch.hypot(rows, columns).clamp(min=1)
        white = torch.randn(3, height, width, generator=self._random)
        spectrum = torch.fft.rfft2(white) / frequency**_ROUGHNESS
        colours = torch.fft.irfft2(spectrum, s=(height, width))
        mixed = colours.mean(0) + 0.15 * colours
        return 128 + 55 * (mixed - mixed.mean()) / mixed.std()
