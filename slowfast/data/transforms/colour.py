"""Colours of a clip changed at random: jitter, gray, blur, lighting, differences of frames.

A clip is float32 (T, 3, H, W) from 0 to 1, on any device; all its frames are changed alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Generator, Tensor

from slowfast.data.sampling import uniform
from slowfast.data.transforms.augment_stage import ClipKey

BLUR_REACH = 3  # standard deviations


@cache
def _functions() -> Any:
    """torchvision's, which take longer to import than all else here: only if colours change."""
    from torchvision.transforms.v2 import functional

    return functional


def _happens(probability: float, generator: Generator) -> bool:
    return uniform(0.0, 1.0, generator) < probability


@dataclass(frozen=True)
class ColourJitter:
    """Brightness, contrast, saturation and hue, in random order.

    Args:
        brightness, contrast, saturation: factors are drawn from 1 - this (at least 0) to 1 + this.
        hue: largest shift to either side, as a share of the colour circle.
        probability: that a clip is changed.
    """

    brightness: float
    contrast: float
    saturation: float
    hue: float = 0.0
    probability: float = 1.0

    def __call__(self, clip: Tensor, key: ClipKey) -> Tensor:
        generator = key.generator("jitter")
        if not _happens(self.probability, generator):
            return clip
        order = torch.randperm(4, generator=generator).tolist()
        amounts = (self.brightness, self.contrast, self.saturation)
        factors = [uniform(max(1 - a, 0.0), 1 + a, generator) for a in amounts]
        shift = uniform(-self.hue, self.hue, generator)
        for which in order:
            if which == 3:
                clip = _functions().adjust_hue(clip, shift) if self.hue else clip
            else:
                name = ("brightness", "contrast", "saturation")[which]
                change = getattr(_functions(), f"adjust_{name}")
                clip = change(clip, factors[which]) if amounts[which] else clip
        return clip


@dataclass(frozen=True)
class RandomGray:
    """Brightness in place of colour, for a share of the clips."""

    probability: float

    def __call__(self, clip: Tensor, key: ClipKey) -> Tensor:
        if not _happens(self.probability, key.generator("gray")):
            return clip
        return _functions().rgb_to_grayscale(clip, num_output_channels=3)


@dataclass(frozen=True)
class RandomBlur:
    """Gaussian blur in time and space.

    Args:
        low, high: range of the standard deviation in time (frames) and in space (pixels).
        probability: that a clip is blurred (MoCo v2, 2003.04297: a half).
    """

    low: tuple[float, float]
    high: tuple[float, float]
    probability: float = 0.5

    def __call__(self, clip: Tensor, key: ClipKey) -> Tensor:
        generator = key.generator("blur")
        if not _happens(self.probability, generator):
            return clip
        time, space = (
            uniform(low, high, generator) for low, high in zip(self.low, self.high, strict=True)
        )
        if space > 0:
            # The border is mirrored, which a kernel must not reach beyond.
            longest = 2 * min(clip.shape[-2:]) - 1
            length = min(2 * math.ceil(BLUR_REACH * space) + 1, longest)
            clip = _functions().gaussian_blur(clip, [length, length], [space, space])
        return blur_in_time(clip, time) if time > 0 else clip


def blur_in_time(clip: Tensor, sigma: float) -> Tensor:
    """Each frame a mean of those around it; at the ends, of those there are."""
    frames = torch.arange(len(clip), dtype=torch.float32)
    weights = torch.exp(-(((frames - frames[:, None]) / sigma) ** 2) / 2)
    weights = (weights / weights.sum(1, keepdim=True)).to(clip.device, non_blocking=True)
    return torch.tensordot(weights, clip, dims=1)


@dataclass(frozen=True)
class Lighting:
    """A shift along the main axes of natural colours (Krizhevsky et al. 2012, Sec. 4.1).

    Args:
        values, vectors: eigenvalues and eigenvectors (as columns) of colours from 0 to 1, in RGB.
        deviation: standard deviation of the shift along each, in eigenvalues.
    """

    values: Sequence[float]
    vectors: Sequence[Sequence[float]]
    deviation: float = 0.1

    def __call__(self, clip: Tensor, key: ClipKey) -> Tensor:
        drawn = torch.randn(3, generator=key.generator("lighting"))
        shift = torch.tensor(self.vectors) @ (drawn * self.deviation * torch.tensor(self.values))
        return clip + shift.to(clip.device, non_blocking=True)[:, None, None]


@dataclass(frozen=True)
class TimeDifference:
    """Changes from the frame before in place of a clip, for a share of the clips.

    They are added to the mean colour, so that no change becomes 0 once colours are normalised;
    the first frame has none before it and is that colour.
    """

    probability: float
    mean: Sequence[float]

    def __call__(self, clip: Tensor, key: ClipKey) -> Tensor:
        if not _happens(self.probability, key.generator("difference")):
            return clip
        before = torch.cat([clip[:1], clip[:-1]])
        mean = torch.tensor(self.mean).to(clip.device, non_blocking=True)
        return clip - before + mean[:, None, None]
