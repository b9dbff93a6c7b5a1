"""Training views whose whole frames are augmented, and views with masks drawn beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Generator, Tensor

from slowfast.data.batch import Sample
from slowfast.data.clip_dataset import Clips
from slowfast.data.clips import RandomViews
from slowfast.data.record import Record
from slowfast.data.transforms.spatial import resize, short_side_size
from slowfast.data.view import View
from slowfast.randomness import generator_for

# (frames of a clip in order, uint8 (T, H, W, 3), generator) -> the same shape.
FrameAugment = Callable[[Tensor, Generator], Tensor]


class ClipCrop(Protocol):
    """Draws what crops the frames of a clip, (T, H, W, C) -> (T, size, size, C)."""

    def __call__(
        self, height: int, width: int, generator: Generator
    ) -> Callable[[Tensor], Tensor]: ...


@dataclass(frozen=True)
class AugmentedViews:
    """The clips of `RandomViews`, with whole frames augmented on the way.

    Kept apart from `RandomViews`, which never makes the pixels that a crop leaves out.

    Args:
        base: which frames make the clips, and what all randomness is keyed by.
        crop: drawn for each view.
        augments: done to the frames of each view, in this order.
        short_side: larger frames are scaled down to it first, pixels; 0: never.
    """

    base: RandomViews
    crop: ClipCrop
    augments: Sequence[FrameAugment] = ()
    short_side: int = 0

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample:
        """The views of row ``row`` in ``epoch``, decoded once, the same whoever asks."""
        base = self.base
        key = (base.seed, base.split, epoch, row)
        with base.open_source(record) as source:
            wanted = base.wanted(source, key)
            union = torch.cat(wanted).unique()
            frames = torch.stack([self._scale(frame) for frame in source.frames(union)])
        clips = [
            self._cut(frames[torch.searchsorted(union, indices)], view, key)
            for view, indices in zip(base.views, wanted, strict=True)
        ]
        count, length, size = len(clips), len(wanted[0]), clips[0].shape[1]
        return Sample(
            frames=torch.cat(clips),
            index=torch.arange(count * length).view(count, length),
            offsets=torch.zeros(count, 2, dtype=torch.int64),
            size=size,
            label=record.label_between(int(wanted[0].min()), int(wanted[0].max())),
            video=row,
            views=torch.tensor([view.id for view in base.views]),
            path=record.path,
            epoch=epoch,
        )

    def _scale(self, frame: Tensor) -> Tensor:
        height, width = frame.shape[:2]
        if not 0 < self.short_side < min(height, width):
            return frame
        return resize(frame[None], short_side_size(height, width, self.short_side))[0]

    def _cut(self, clip: Tensor, view: View, key: tuple[int | str, ...]) -> Tensor:
        height, width = clip.shape[1:3]
        plan = self.crop(height, width, generator_for(*key, "crop", view.id))
        generator = generator_for(*key, "frames", view.id)
        for augment in self.augments:
            clip = augment(clip, generator)
        return plan(clip)


class MaskRule(Protocol):
    """Draws which patches of a clip are hidden, bool (t, h, w)."""

    def __call__(self, generator: Generator) -> Tensor: ...


@dataclass(frozen=True)
class MaskedViews:
    """Views of any kind, each with a mask of its own.

    Args:
        clips: reads the views.
        mask: drawn for each of them.
        seed, split: first parts of the key that masks are drawn from.
    """

    clips: Clips
    mask: MaskRule
    seed: int
    split: str

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample:
        sample = self.clips(record, epoch=epoch, row=row)
        key = (self.seed, self.split, epoch, row, "mask")
        masks = [self.mask(generator_for(*key, view)) for view in sample.views.tolist()]
        return replace(sample, masks=torch.stack(masks))
