"""Which patches of a clip masked pre-training hides: blocks, tubes, frames or single patches.

A mask is bool (t, h, w) in patches, True where hidden. A rule hides the same number in each clip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from slowfast.data.sampling import uniform

SMALLEST = 16  # patches of a block of space and time, at least
SMALLEST_2D = 4  # and of one picture (BEiT, 2106.08254, Alg. 1)
LOG_ASPECT = math.log(1 / 0.3)  # largest, of height / width of a block, either way
TRIES = 10  # blocks drawn in a row that hide nothing new or too much


@dataclass(frozen=True)
class BlockMask:
    """Blocks of space and time until the share is reached (MaskFeat, 2112.09133).

    Args:
        window: patches in time, height and width.
        ratio: share of patches to hide.
        largest: patches of a block at most; None: what is still to be hidden.
        smallest: patches of a block at least, while so many are left to hide.
    """

    window: tuple[int, int, int]
    ratio: float
    largest: int | None = None
    smallest: int = SMALLEST

    def __call__(self, generator: Generator) -> Tensor:
        mask = torch.zeros(self.window, dtype=torch.bool)
        left = round(self.ratio * mask.numel())
        tries = 0
        while left > 0 and tries < TRIES:
            block = self._block(min(left, self.largest or left), generator)
            new = 0 if block is None else int((~mask[block]).sum())
            if block is None or not 0 < new <= left:
                tries += 1
                continue
            mask[block] = True
            left, tries = left - new, 0
        return _hide_patches(mask, left, generator)

    def _block(self, most: int, generator: Generator) -> tuple[slice, slice, slice] | None:
        """A block of ``most`` patches at most; None if it does not fit in the window."""
        frames, height, width = self.window
        volume = uniform(min(self.smallest, most), most, generator)
        t = int(torch.randint(1, frames + 1, (), generator=generator))
        aspect = math.exp(uniform(-LOG_ASPECT, LOG_ASPECT, generator))
        h, w = round(math.sqrt(volume / t * aspect)), round(math.sqrt(volume / t / aspect))
        if not (0 < h <= height and 0 < w <= width):
            return None
        places = zip((t, h, w), self.window, strict=True)
        starts = [int(torch.randint(n - s + 1, (), generator=generator)) for s, n in places]
        first, top, edge = starts
        return slice(first, first + t), slice(top, top + h), slice(edge, edge + w)


@dataclass(frozen=True)
class TubeMask:
    """Blocks of one picture, the same in all frames."""

    window: tuple[int, int, int]
    ratio: float
    largest: int | None = None

    def __call__(self, generator: Generator) -> Tensor:
        frames, height, width = self.window
        block = BlockMask((1, height, width), self.ratio, self.largest, SMALLEST_2D)
        return block(generator).expand(frames, -1, -1).clone()


@dataclass(frozen=True)
class FrameMask:
    """Whole frames."""

    window: tuple[int, int, int]
    ratio: float

    def __call__(self, generator: Generator) -> Tensor:
        mask = torch.zeros(self.window, dtype=torch.bool)
        hidden = torch.randperm(len(mask), generator=generator)[: round(self.ratio * len(mask))]
        mask[hidden] = True
        return mask


@dataclass(frozen=True)
class PatchMask:
    """Single patches (2205.09113).

    Args:
        per_frame: hide the same number in each frame.
    """

    window: tuple[int, int, int]
    ratio: float
    per_frame: bool = False

    def __call__(self, generator: Generator) -> Tensor:
        if not self.per_frame:
            mask = torch.zeros(self.window, dtype=torch.bool)
            return _hide_patches(mask, round(self.ratio * mask.numel()), generator)
        frame = torch.zeros(self.window[1:], dtype=torch.bool)
        count = round(self.ratio * frame.numel())
        return torch.stack(
            [_hide_patches(frame.clone(), count, generator) for _ in range(self.window[0])]
        )


def _hide_patches(mask: Tensor, count: int, generator: Generator) -> Tensor:
    """Hide ``count`` more patches, anywhere."""
    free = (~mask.flatten()).nonzero().flatten()
    chosen = free[torch.randperm(len(free), generator=generator)[:count]]
    mask.view(-1)[chosen] = True
    return mask
