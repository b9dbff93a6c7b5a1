"""Augmentation of a training batch on its device, between the loader and `InputStage`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Generator, Tensor

from slowfast.data.batch import Batch
from slowfast.randomness import generator_for, seed_from_key


@dataclass(frozen=True)
class ClipKey:
    """What the random numbers of a clip depend on: never the batch, rank or worker it is in."""

    seed: int
    epoch: int
    video: int
    view: int

    def generator(self, purpose: str) -> Generator:
        """On the CPU, so that a GPU gets the same numbers and nobody waits for it."""
        return generator_for(self.seed, "augment", self.epoch, self.video, self.view, purpose)

    def number(self, purpose: str) -> int:
        """A 63-bit whole number."""
        return seed_from_key(self.seed, "augment", self.epoch, self.video, self.view, purpose)


class ClipAugment(Protocol):
    """Changes a clip of colours from 0 to 1, float32 (T, 3, H, W), in place or not."""

    def __call__(self, clip: Tensor, key: ClipKey) -> Tensor: ...


class BatchAugment(Protocol):
    """Changes a batch as a whole; nothing that it is given is changed in place."""

    def __call__(self, batch: Batch) -> Batch: ...


class AugmentStage:
    """Each clip by itself, then all of them together.

    All parameters are drawn on the CPU and reach the device as plain numbers.

    Args:
        clip_augments: done to each clip, in this order.
        batch_augments: done to the batch after that (mixup).
        seed: first part of the key that all randomness is drawn from.
    """

    def __init__(
        self,
        clip_augments: Sequence[ClipAugment] = (),
        batch_augments: Sequence[BatchAugment] = (),
        *,
        seed: int = 0,
    ) -> None:
        self.clip_augments, self.batch_augments = tuple(clip_augments), tuple(batch_augments)
        self.seed = seed

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Batch:
        """The batch with float32 clips, still from 0 to 255; or itself if nothing is done."""
        if not len(batch):
            return batch
        if self.clip_augments:
            names = zip(batch.videos.tolist(), batch.views.tolist(), strict=True)
            keys = [ClipKey(self.seed, batch.epoch, video, view) for video, view in names]
            clips = [self._clip(*pair) for pair in zip(batch.clips, keys, strict=True)]
            batch = replace(batch, clips=torch.stack(clips).mul_(255))
        for augment in self.batch_augments:
            batch = augment(batch)
        return batch

    def _clip(self, clip: Tensor, key: ClipKey) -> Tensor:
        """(T, H, W, C) from 0 to 255 -> the same shape, from 0 to 1."""
        clip = (clip.float() / 255).permute(0, 3, 1, 2)
        for augment in self.clip_augments:
            clip = augment(clip, key)
        return clip.permute(0, 2, 3, 1)
