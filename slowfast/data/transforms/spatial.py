"""Scale, crop and flip frames (and boxes with them).

Frames are (F, H, W, C), uint8 or float, everywhere in this file: the layout in which a decoder
hands them over. Boxes are float (N, 4), x1 y1 x2 y2 in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from slowfast.data.sampling import uniform

FULL_TRIES = 10  # random-area crops tried before the central one is taken


def short_side_size(height: int, width: int, short: int) -> tuple[int, int]:
    """(height, width) after scaling the short side to ``short``; the long side is floored."""
    if min(height, width) == short:
        return height, width
    if width < height:
        return math.floor(height / width * short), short
    return short, math.floor(width / height * short)


def resize(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, without antialiasing; uint8 stays uint8, rounded.

    Args:
        size: new (height, width).
    """
    if tuple(frames.shape[1:3]) == tuple(size):
        return frames
    # The permuted view is channels_last in memory, which has a fast path for uint8.
    scaled = F.interpolate(
        frames.permute(0, 3, 1, 2), size=size, mode="bilinear", align_corners=False
    )
    return scaled.permute(0, 2, 3, 1)


def scale_short_side(
    frames: Tensor, short: int, boxes: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Frames with their short side at ``short`` pixels, and the boxes in them."""
    height, width = frames.shape[1:3]
    size = short_side_size(height, width, short)
    if boxes is not None:
        boxes = boxes * scale_factor((height, width), size)
    return resize(frames, size), boxes


def scale_factor(old: tuple[int, int], new: tuple[int, int]) -> float:
    """By how much both coordinates of a box grow when a frame's short side is scaled.

    The ratio of the long side, which is the floored one.
    """
    return new[1] / old[1] if old[0] < old[1] else new[0] / old[0]


def uniform_offset(height: int, width: int, size: int, position: int) -> tuple[int, int]:
    """(top, left) of crop ``position``: 0 start, 1 center, 2 end of the longer side.

    Raises:
        ValueError: the frame is smaller than the crop.
    """
    check_fits(height, width, size)
    top, left = math.ceil((height - size) / 2), math.ceil((width - size) / 2)
    if position != 1:
        far_end = position == 2
        if height > width:
            top = (height - size) * far_end
        else:
            left = (width - size) * far_end
    return top, left


def check_fits(height: int, width: int, size: int) -> None:
    if min(height, width) < size:
        raise ValueError(
            f"a frame of {height}x{width} pixels is smaller than the {size}-pixel crop; scale it "
            "first: DATA.TRAIN_JITTER_SCALES must start at DATA.TRAIN_CROP_SIZE or above"
        )


def uniform_crop(
    frames: Tensor,
    size: int,
    position: int,
    boxes: Tensor | None = None,
    *,
    scale_size: int | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Square crop at one of three positions, after scaling the short side to ``scale_size``."""
    if scale_size is not None:
        frames, boxes = scale_short_side(frames, scale_size, boxes)
    top, left = uniform_offset(frames.shape[1], frames.shape[2], size, position)
    return frames[:, top : top + size, left : left + size], crop_boxes(boxes, top, left)


def crop_boxes(boxes: Tensor | None, top: int, left: int) -> Tensor | None:
    return None if boxes is None else boxes - boxes.new_tensor([left, top, left, top])


def clip_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes with their corners on pixels of the frame."""
    limit = boxes.new_tensor([width - 1, height - 1, width - 1, height - 1])
    return torch.minimum(boxes.clamp(min=0), limit)


def hflip_boxes(boxes: Tensor, width: int) -> Tensor:
    """Boxes in the mirrored frame; pixel x becomes width - 1 - x."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([width - x2 - 1, y1, width - x1 - 1, y2], dim=-1)


@dataclass(frozen=True)
class CropPlan:
    """What a random crop does to every frame of a clip: cut, scale, cut, mirror.

    Args:
        region: top, left, height, width cut from the decoded frame.
        scaled: (height, width) that the region is scaled to.
        top, left, size: the square kept of that.
        flip: mirror left to right.
    """

    region: tuple[int, int, int, int]
    scaled: tuple[int, int]
    top: int
    left: int
    size: int
    flip: bool = False

    def __call__(self, frames: Tensor) -> Tensor:
        """(F, H, W, C) -> (F, size, size, C)."""
        top, left, height, width = self.region
        frames = resize(frames[:, top : top + height, left : left + width], self.scaled)
        bottom, right = self.top + self.size, self.left + self.size
        frames = frames[:, self.top : bottom, self.left : right]
        return frames.flip(2) if self.flip else frames


@dataclass(frozen=True)
class RandomShortSideCrop:
    """Short side drawn from a range, then a square at random (SlowFast, 1812.03982, Sec. 4).

    Args:
        low, high: range of the short side, pixels, both ends included.
        size: side of the crop, pixels.
        flip: mirror half of the clips.
        inverse: draw 1 / side uniformly from [1 / high, 1 / low] instead of the side.
    """

    low: int
    high: int
    size: int
    flip: bool = True
    inverse: bool = False

    def __call__(self, height: int, width: int, generator: Generator) -> CropPlan:
        if self.inverse:
            short = round(1 / uniform(1 / self.high, 1 / self.low, generator))
        else:
            short = round(uniform(self.low, self.high, generator))
        scaled = short_side_size(height, width, short)
        check_fits(*scaled, self.size)
        # The last offset is never drawn: published recipes were trained like that.
        top, left = (_integer_below(side - self.size, generator) for side in scaled)
        flip = self.flip and coin(generator)
        return CropPlan((0, 0, height, width), scaled, top, left, self.size, flip)


@dataclass(frozen=True)
class RandomAreaCrop:
    """A random share of the area at a random aspect, scaled to a square (1409.4842, Sec. 6).

    Args:
        area: range of the share of the frame's area.
        aspect: range of width / height, drawn on a log scale.
        size: side of the result, pixels.
        flip: mirror half of the clips.
    """

    area: tuple[float, float]
    aspect: tuple[float, float]
    size: int
    flip: bool = True

    def __call__(self, height: int, width: int, generator: Generator) -> CropPlan:
        region = self._region(height, width, generator)
        flip = self.flip and coin(generator)
        return CropPlan(region, (self.size, self.size), 0, 0, self.size, flip)

    def _region(self, height: int, width: int, generator: Generator) -> tuple[int, int, int, int]:
        log_low, log_high = map(math.log, self.aspect)
        for _ in range(FULL_TRIES):
            area = height * width * uniform(*self.area, generator)
            aspect = math.exp(uniform(log_low, log_high, generator))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top = _integer_below(height - h + 1, generator)
                left = _integer_below(width - w + 1, generator)
                return top, left, h, w
        # No luck: the largest central part whose aspect is in the range.
        w, h = width, height
        if width / height < self.aspect[0]:
            h = round(w / self.aspect[0])
        elif width / height > self.aspect[1]:
            w = round(h * self.aspect[1])
        return (height - h) // 2, (width - w) // 2, h, w


def coin(generator: Generator) -> bool:
    return uniform(0.0, 1.0, generator) < 0.5


def _integer_below(limit: int, generator: Generator) -> int:
    """A whole number from [0, limit); 0 if there is no other."""
    if limit <= 1:
        return 0
    return int(torch.randint(limit, (), generator=generator))
