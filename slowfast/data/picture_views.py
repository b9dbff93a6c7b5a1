"""A picture -> a clip that stands still, scaled the way networks of pictures are trained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from slowfast.data.batch import Sample
from slowfast.data.clips import CropRule
from slowfast.data.readers.source import OpenSource
from slowfast.data.record import Record
from slowfast.data.transforms.spatial import CropPlan
from slowfast.randomness import generator_for


@dataclass(frozen=True)
class PictureViews:
    """One view; train, val and test differ in ``crop``.

    Pictures are far larger than the crop, so that they are scaled with antialiasing, bicubic, as
    published networks of ImageNet were trained. Clips of videos are not.

    Args:
        open_source: record -> its frame.
        num_frames: times that it is repeated, T.
        crop: what is cut from it.
        seed, split: first parts of the key that the crop is drawn from.
    """

    open_source: OpenSource
    num_frames: int
    crop: CropRule
    seed: int
    split: str

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample:
        """The view of row ``row`` in ``epoch``, the same whoever asks and whenever."""
        with self.open_source(record) as source:
            (picture,) = source.frames([0])
        height, width = picture.shape[:2]
        generator = generator_for(self.seed, self.split, epoch, row, "crop", 0)
        cut = smooth_crop(picture, self.crop(height, width, generator))
        return Sample(
            frames=cut[None],
            index=torch.zeros(1, self.num_frames, dtype=torch.int64),
            offsets=torch.zeros(1, 2, dtype=torch.int64),
            size=max(cut.shape[:2]),
            label=record.label,
            video=row,
            views=torch.zeros(1, dtype=torch.int64),
            path=record.path,
            epoch=epoch,
        )


def smooth_crop(picture: Tensor, plan: CropPlan) -> Tensor:
    """What ``plan`` cuts from uint8 (H, W, 3), scaled bicubic with antialiasing."""
    top, left, height, width = plan.region
    region = picture[top : top + height, left : left + width].permute(2, 0, 1)[None]
    scaled = F.interpolate(
        region.float(), size=plan.scaled, mode="bicubic", align_corners=False, antialias=True
    )
    scaled = scaled.round_().clamp_(0, 255).byte()[0].permute(1, 2, 0)
    cut = scaled[plan.top : plan.top + plan.size, plan.left : plan.left + plan.size]
    return cut.flip(1) if plan.flip else cut.contiguous()
