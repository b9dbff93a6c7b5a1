"""Mixup (1710.09412) and cutmix (1905.04899) of a batch with itself in reverse order."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from slowfast.data.batch import Batch
from slowfast.randomness import seed_from_key


@dataclass(frozen=True)
class Mix:
    """What is done to a batch: ``share`` of each clip is its own.

    Args:
        share: lambda; 1 leaves the clips as they are.
        box: top, bottom, left, right of the other clip's part (cutmix); None: all is blended.
    """

    share: float = 1.0
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Mixing:
    """One lambda and one box for a batch; labels become shares of classes.

    Clip i meets clip N - 1 - i. In a batch of odd size the middle one meets itself.

    Args:
        alpha, cutmix_alpha: of the Beta distribution of lambda; 0: never this kind.
        probability: that a batch is mixed at all.
        switch_probability: that cutmix is taken where both are possible.
        smoothing: share of a label that is spread evenly over all classes, also where nothing is
            mixed (1512.00567, Sec. 7).
        num_classes: K.
        seed: first part of the key that all randomness is drawn from.
    """

    alpha: float
    cutmix_alpha: float
    probability: float
    switch_probability: float
    smoothing: float
    num_classes: int
    seed: int

    def __call__(self, batch: Batch) -> Batch:
        """Clips (N, T, S, S, C), mixed; labels float32 (N, K)."""
        mix = self.draw(batch, *batch.clips.shape[2:4])
        labels = soft_labels(batch.labels, self.num_classes, smoothing=self.smoothing)
        labels = mix.share * labels + (1 - mix.share) * labels.flip(0)
        return replace(batch, clips=mix_clips(batch.clips, mix), labels=labels)

    def draw(self, batch: Batch, height: int, width: int) -> Mix:
        """Depends on the clips of the batch, and on nothing that came before it."""
        first = (int(batch.videos[0]), int(batch.views[0]))
        key = (self.seed, "mix", batch.epoch, *first, len(batch))
        # PyTorch has no Beta distribution that takes a generator.
        random = np.random.default_rng(seed_from_key(*key))
        possible = self.alpha > 0 or self.cutmix_alpha > 0
        if not possible or random.random() >= self.probability:
            return Mix()
        cut = self.cutmix_alpha > 0 and (
            self.alpha <= 0 or random.random() < self.switch_probability
        )
        alpha = self.cutmix_alpha if cut else self.alpha
        share = float(random.beta(alpha, alpha))
        if not cut:
            return Mix(share)
        box = _box(share, height, width, random)
        top, bottom, left, right = box
        # The box may reach over the edge: lambda is what is really left.
        return Mix(1 - (bottom - top) * (right - left) / (height * width), box)


def _box(
    share: float, height: int, width: int, random: np.random.Generator
) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of a box of 1 - ``share`` of the area around any pixel."""
    ratio = math.sqrt(1 - share)
    h, w = int(height * ratio), int(width * ratio)
    y, x = int(random.integers(height)), int(random.integers(width))
    top, bottom = (min(max(v, 0), height) for v in (y - h // 2, y + h // 2))
    left, right = (min(max(v, 0), width) for v in (x - w // 2, x + w // 2))
    return top, bottom, left, right


def mix_clips(clips: Tensor, mix: Mix) -> Tensor:
    """Clips (N, T, H, W, C) of any type; blended ones are float32."""
    if mix.box is not None:
        top, bottom, left, right = mix.box
        mixed = clips.clone()
        mixed[:, :, top:bottom, left:right] = clips.flip(0)[:, :, top:bottom, left:right]
        return mixed
    if mix.share == 1.0:
        return clips
    clips = clips.float()
    return torch.lerp(clips.flip(0), clips, mix.share)


def soft_labels(labels: Tensor, num_classes: int, *, smoothing: float = 0.0) -> Tensor:
    """float32 (N, K): class numbers (N,), smoothed; or labels that are (N, K) already, as they are.

    A wrong class gets smoothing / K, the right one 1 - smoothing more.
    """
    if labels.ndim == 2:
        return labels.float()
    even = smoothing / num_classes
    soft = torch.full((len(labels), num_classes), even, device=labels.device)
    return soft.scatter_(1, labels[:, None], 1 - smoothing + even)
