"""A picture -> a clip that stands still, scaled the way networks of pictures are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from slowfast.data.augmented_clips import FrameAugment
from slowfast.data.batch import Sample
from slowfast.data.clips import CropRule
from slowfast.data.readers.source import OpenSource
from slowfast.data.record import Record
from slowfast.data.transforms.spatial import CropPlan
from slowfast.data.view import View, all_views
from slowfast.randomness import generator_for


@dataclass(frozen=True)
class PictureViews:
    """Views of the whole of a picture or part of it; train, val and test differ in ``crop``.

    Pictures are far larger than the crop, so that they are scaled with antialiasing, bicubic, as
    published networks of ImageNet were trained. Clips of videos are not.

    Args:
        open_source: record -> its frame.
        num_frames: times that it is repeated, T.
        crop: what is cut from it.
        seed, split: first parts of the key that all randomness is drawn from.
        views: which views a sample has; each has a crop of its own.
        augments: done to what the crop leaves, in this order.
    """

    open_source: OpenSource
    num_frames: int
    crop: CropRule
    seed: int
    split: str
    views: Sequence[View] = all_views(1, 1)
    augments: Sequence[FrameAugment] = ()

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample:
        """The views of row ``row`` in ``epoch``, the same whoever asks and whenever."""
        with self.open_source(record) as source:
            (picture,) = source.frames([0])
        key = (self.seed, self.split, epoch, row)
        cuts = torch.stack([self._cut(picture, view, key) for view in self.views])
        count = len(cuts)
        return Sample(
            frames=cuts,
            index=torch.arange(count)[:, None].repeat(1, self.num_frames),
            offsets=torch.zeros(count, 2, dtype=torch.int64),
            size=max(cuts.shape[1:3]),
            label=record.label,
            video=row,
            views=torch.tensor([view.id for view in self.views]),
            path=record.path,
            epoch=epoch,
        )

    def _cut(self, picture: Tensor, view: View, key: tuple[int | str, ...]) -> Tensor:
        height, width = picture.shape[:2]
        plan = self.crop(height, width, generator_for(*key, "crop", view.id))
        cut = smooth_crop(picture, plan)[None]
        generator = generator_for(*key, "frames", view.id)
        for augment in self.augments:
            cut = augment(cut, generator)
        return cut[0]


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
