"""Random erasing (1708.04896): boxes of a clip filled with noise, the same in all frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from slowfast.data.sampling import uniform
from slowfast.data.transforms.augment_stage import ClipKey

AREA = (0.02, 1 / 3)  # of the picture
LOG_ASPECT = math.log(1 / 0.3)  # largest, of height / width, either way
TRIES = 10  # boxes drawn until one lies within the picture


@dataclass(frozen=True)
class RandomErasing:
    """Fill boxes with what is noise once colours are normalised.

    Args:
        probability: that anything of a clip is erased.
        mode: "pixel": normal noise, "rand": one random colour, "const": the mean colour.
        mean, std: of the normalisation, of colours from 0 to 1.
        most: boxes at most; several share the area that one would have.
        spared: with 2 or more samples of a clip, the first of each so many is never erased.
    """

    probability: float
    mode: str
    mean: Sequence[float]
    std: Sequence[float]
    most: int = 1
    spared: int = 0

    def __call__(self, clip: Tensor, key: ClipKey) -> Tensor:
        """Change a clip (T, C, H, W) in place."""
        if self.spared > 1 and key.view % self.spared == 0:
            return clip
        generator = key.generator("erase")
        if uniform(0.0, 1.0, generator) >= self.probability:
            return clip
        boxes = self.boxes(clip.shape[-2], clip.shape[-1], generator)
        for number, (top, left, height, width) in enumerate(boxes):
            box = clip[..., top : top + height, left : left + width]
            box.copy_(self._filling(box, key, number))
        return clip

    def boxes(
        self, height: int, width: int, generator: Generator
    ) -> list[tuple[int, int, int, int]]:
        """Top, left, height and width of what is erased."""
        count = int(torch.randint(1, self.most + 1, (), generator=generator))
        found = []
        for _ in range(count):
            for _ in range(TRIES):
                area = uniform(*AREA, generator) * height * width / count
                aspect = math.exp(uniform(-LOG_ASPECT, LOG_ASPECT, generator))
                h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
                if h < height and w < width:
                    top = int(torch.randint(height - h + 1, (), generator=generator))
                    left = int(torch.randint(width - w + 1, (), generator=generator))
                    found.append((top, left, h, w))
                    break
        return found

    def _filling(self, box: Tensor, key: ClipKey, number: int) -> Tensor:
        frames, channels, height, width = box.shape
        mean, std = (
            torch.tensor(v).to(box.device, non_blocking=True)[:, None, None]
            for v in (self.mean, self.std)
        )
        if self.mode == "const":
            return mean
        shape = (frames, channels, height, width) if self.mode == "pixel" else (channels, 1, 1)
        seed = key.number(f"erase {number}")
        return normal_noise(shape, seed, device=box.device) * std + mean


def normal_noise(shape: Sequence[int], seed: int, *, device: torch.device | str) -> Tensor:
    """Standard normal float32 numbers that the seed alone determines, on any device.

    A hash of each number's place: generators of PyTorch differ between CPU and GPU, and noise for
    a batch made on the CPU would cost more than all else that is done there.
    """
    mask = 0xFFFFFFFF
    place = torch.arange(math.prod(shape), device=device)  # int64, used as unsigned 32 bits
    mixed = _hash32((place ^ (seed & mask)) & mask)
    mixed = _hash32((mixed + (seed >> 32)) & mask)
    # 23 bits are exact in float32, and leave out 0 and 1, whose normal numbers are infinite.
    even = ((mixed >> 9).float() + 0.5) / 2**23
    return torch.erfinv(2 * even - 1).mul_(math.sqrt(2)).view(*shape)


def _hash32(x: Tensor) -> Tensor:
    """Two rounds of shift and multiply, which mix 32 bits well; products stay within int64."""
    x = ((x ^ (x >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x735A2D97) & 0xFFFFFFFF
    return x ^ (x >> 15)
