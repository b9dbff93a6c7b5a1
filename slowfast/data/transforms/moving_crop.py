"""A crop that moves over the clip, from one random region of the frame to another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from slowfast.data.transforms.spatial import CropPlan, RandomAreaCrop


@dataclass(frozen=True)
class MovingCropPlan:
    """Regions in between of two, evenly over the frames of a clip; scaled and mirrored alike.

    Args:
        first, last: what is done to the first and to the last frame.
    """

    first: CropPlan
    last: CropPlan

    def __call__(self, frames: Tensor) -> Tensor:
        """(T, H, W, C), the frames of a clip in order -> (T, size, size, C)."""
        plans = self.plans(len(frames))
        return torch.cat([plan(frames[t : t + 1]) for t, plan in enumerate(plans)])

    def plans(self, num_frames: int) -> list[CropPlan]:
        ends = torch.tensor([self.first.region, self.last.region], dtype=torch.float64)
        shares = torch.linspace(0, 1, num_frames, dtype=torch.float64)[:, None]
        # Rounding keeps each region inside of the frame: its far side is rounded, not its length.
        near = torch.lerp(ends[0, :2], ends[1, :2], shares).round()
        far = torch.lerp(ends[0, :2] + ends[0, 2:], ends[1, :2] + ends[1, 2:], shares).round()
        regions = torch.cat([near, far - near], dim=1).long().tolist()
        return [replace(self.first, region=tuple(region)) for region in regions]


@dataclass(frozen=True)
class MovingAreaCrop:
    """Two random-area crops of a clip and the way from one to the other.

    Args:
        crop: how each of the two is drawn; the first one says whether the clip is mirrored.
    """

    crop: RandomAreaCrop

    def __call__(self, height: int, width: int, generator: Generator) -> MovingCropPlan:
        first = self.crop(height, width, generator)
        return MovingCropPlan(first, self.crop(height, width, generator))
