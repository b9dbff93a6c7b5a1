"""A video -> the frames of its clips, scaled and cropped: at random, or the views of a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from slowfast.data.batch import Sample
from slowfast.data.readers.source import OpenSource, Source
from slowfast.data.record import Record
from slowfast.data.sampling import ANY_SPACING, ClipSpacing, DrawClip
from slowfast.data.transforms.spatial import (
    CropPlan,
    resize,
    short_side_size,
    uniform_offset,
)
from slowfast.data.view import View
from slowfast.randomness import generator_for


class CropRule(Protocol):
    """Draws one crop for frames of a given height and width."""

    def __call__(self, height: int, width: int, generator: Generator) -> CropPlan: ...


class ClipRule(Protocol):
    """Says which frames make a clip of a test: `UniformClips` and the like."""

    def __call__(self, view: View, video_frames: int, fps: float) -> Tensor: ...


@dataclass(frozen=True)
class RandomViews:
    """Training views: clips that start anywhere, each crop of a clip drawn for itself.

    Args:
        open_source: record -> its frames.
        views: which views a sample has.
        sampler, crop: what is drawn for each clip and each view.
        seed, split: first parts of the key that all randomness is drawn from.
        spacing: how far apart the clips of a sample lie.
    """

    open_source: OpenSource
    views: Sequence[View]
    sampler: DrawClip
    crop: CropRule
    seed: int
    split: str
    spacing: ClipSpacing = ANY_SPACING

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample:
        """The views of row ``row`` in ``epoch``, the same whoever asks and whenever."""
        key = (self.seed, self.split, epoch, row)
        with self.open_source(record) as source:
            wanted = self.wanted(source, key)
            frames, index = self._cut(source, wanted, key)
        return Sample(
            frames=frames,
            index=index,
            offsets=torch.zeros(len(self.views), 2, dtype=torch.int64),
            size=frames.shape[1],
            label=record.label_between(int(wanted[0].min()), int(wanted[0].max())),
            video=row,
            views=torch.tensor([view.id for view in self.views]),
            path=record.path,
            epoch=epoch,
        )

    def wanted(self, source: Source, key: tuple[int | str, ...]) -> list[Tensor]:
        """Frames of each view, int64 (T,)."""
        numbers = sorted({view.clip for view in self.views})
        drawn = self.spacing(
            self.sampler,
            source.num_frames,
            source.fps,
            [generator_for(*key, "clip", number) for number in numbers],
        )
        clips = dict(zip(numbers, drawn, strict=True))
        return [clips[view.clip] for view in self.views]

    def _cut(
        self, source: Source, wanted: list[Tensor], key: tuple[int | str, ...]
    ) -> tuple[Tensor, Tensor]:
        """Crop each frame for each view that has it, as it is decoded: (F, S, S, 3), (V, T)."""
        union = torch.cat(wanted).unique().tolist()
        members = [set(indices.tolist()) for indices in wanted]
        plans: list[CropPlan] = []
        cropped: list[Tensor] = []
        place: dict[tuple[int, int], int] = {}
        for number, frame in zip(union, source.frames(union), strict=True):
            if not plans:  # the size of a frame is known once one is decoded
                height, width = frame.shape[:2]
                plans = [
                    self.crop(height, width, generator_for(*key, "crop", view.id))
                    for view in self.views
                ]
            for v, plan in enumerate(plans):
                if number in members[v]:
                    place[v, number] = len(cropped)
                    cropped.append(plan(frame[None])[0])
        index = [[place[v, n] for n in indices.tolist()] for v, indices in enumerate(wanted)]
        return torch.stack(cropped), torch.tensor(index)


@dataclass(frozen=True)
class UniformViews:
    """Test views: clips spread over the video, each at one or three places of the frame.

    All of them come from one pass over the file, and a frame is scaled once.

    Args:
        open_source: record -> its frames.
        views: clips times crops.
        sampler: which frames make a clip.
        short_side: of the scaled frames, pixels.
        size: side of the crops, pixels.
    """

    open_source: OpenSource
    views: Sequence[View]
    sampler: ClipRule
    short_side: int
    size: int

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample:
        """All views of row ``row``; ``epoch`` makes no difference."""
        with self.open_source(record) as source:
            wanted = torch.stack(
                [self.sampler(view, source.num_frames, source.fps) for view in self.views]
            )
            union, index = wanted.unique(return_inverse=True)
            scaled = [self._scale(frame) for frame in source.frames(union)]
        frames = torch.stack(scaled)
        height, width = frames.shape[1:3]
        offsets = [
            uniform_offset(height, width, self.size, view.crop if view.num_crops > 1 else 1)
            for view in self.views
        ]
        return Sample(
            frames=frames,
            index=index,
            offsets=torch.tensor(offsets),
            size=self.size,
            label=record.label,
            video=row,
            views=torch.tensor([view.id for view in self.views]),
            path=record.path,
        )

    def _scale(self, frame: Tensor) -> Tensor:
        height, width = frame.shape[:2]
        return resize(frame[None], short_side_size(height, width, self.short_side))[0]
