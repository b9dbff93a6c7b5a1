"""Crops that are not drawn, and where a crop takes the boxes of a frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from slowfast.data.transforms.spatial import (
    CropPlan,
    clip_boxes,
    hflip_boxes,
    scale_factor,
    short_side_size,
    uniform_offset,
)


@dataclass(frozen=True)
class CentralCrop:
    """Scale the short side, then cut the square in the middle.

    Args:
        short_side: of the scaled frame, pixels.
        size: side of the crop, pixels.
    """

    short_side: int
    size: int

    def __call__(self, height: int, width: int, generator: Generator) -> CropPlan:
        scaled = short_side_size(height, width, self.short_side)
        top, left = uniform_offset(*scaled, self.size, 1)
        return CropPlan((0, 0, height, width), scaled, top, left, self.size)


@dataclass(frozen=True)
class WholeFrame:
    """Scale the short side and cut nothing, as detection is tested.

    Args:
        short_side: of the scaled frame, pixels.
    """

    short_side: int

    def __call__(self, height: int, width: int, generator: Generator) -> CropPlan:
        scaled = short_side_size(height, width, self.short_side)
        return CropPlan((0, 0, height, width), scaled, 0, 0, max(scaled))


def boxes_in_crop(shares: Tensor, plan: CropPlan, height: int, width: int) -> Tensor:
    """Where boxes of a frame are in the crop that ``plan`` makes of it.

    Args:
        shares: float (R, 4), x1 y1 x2 y2 as shares of the frame's width and height.
        height, width: of the decoded frame, pixels.

    Returns:
        float32 (R, 4) in pixels of the crop, with corners on its pixels; a box outside of the crop
        has no area.
    """
    boxes = shares.float() * torch.tensor([width, height, width, height], dtype=torch.float32)
    boxes = clip_boxes(boxes, height, width)
    top, left, region_height, region_width = plan.region
    boxes = boxes - boxes.new_tensor([left, top, left, top])
    boxes = boxes * boxes.new_tensor(_factors((region_height, region_width), plan.scaled))
    boxes = boxes - boxes.new_tensor([plan.left, plan.top, plan.left, plan.top])
    out_height = min(plan.size, plan.scaled[0] - plan.top)
    out_width = min(plan.size, plan.scaled[1] - plan.left)
    if plan.flip:
        boxes = hflip_boxes(boxes, out_width)
    return clip_boxes(boxes, out_height, out_width)


def _factors(old: tuple[int, int], new: tuple[int, int]) -> tuple[float, float, float, float]:
    """By how much x1 y1 x2 y2 grow."""
    if short_side_size(*old, min(new)) == new:  # the aspect was kept
        factor = scale_factor(old, new)
        return factor, factor, factor, factor
    across, down = new[1] / old[1], new[0] / old[0]
    return across, down, across, down
