"""A video -> the frames of its clips, scaled and cropped: at random, or the views of a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from slowfast.data.batch import Sample
from slowfast.data.pixels import MakeStore, RgbStore
from slowfast.data.readers.picture import pictures_of
from slowfast.data.readers.source import OpenSource, Source
from slowfast.data.record import Record
from slowfast.data.sampling import ANY_SPACING, ClipSpacing, DrawClip
from slowfast.data.sendable import empty_to_send
from slowfast.data.transforms.spatial import CropPlan, short_side_size, uniform_offset
from slowfast.data.view import View
from slowfast.data.window import Window
from slowfast.data.yuv import YuvFrames
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
        make_store: what takes the pixels of a number of frames.
    """

    open_source: OpenSource
    views: Sequence[View]
    sampler: DrawClip
    crop: CropRule
    seed: int
    split: str
    spacing: ClipSpacing = ANY_SPACING
    make_store: MakeStore = RgbStore

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample:
        """The views of row ``row`` in ``epoch``, the same whoever asks and whenever."""
        key = (self.seed, self.split, epoch, row)
        with self.open_source(record) as source:
            wanted = self.wanted(source, key)
            frames, index, size = self._cut(source, wanted, key)
        return Sample(
            frames=frames,
            index=index,
            offsets=torch.zeros(len(self.views), 2, dtype=torch.int64),
            size=size,
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
    ) -> tuple[Tensor | YuvFrames, Tensor, int]:
        """Crop each frame for each view that has it, as it is decoded: frames, (V, T), S."""
        union = torch.cat(wanted).unique().tolist()
        members = [indices.unique().tolist() for indices in wanted]
        stores = [self.make_store(len(numbers)) for numbers in members]
        of_view = [set(numbers) for numbers in members]
        windows: list[Window] = []
        for number, picture in zip(union, pictures_of(source, union), strict=True):
            if not windows:  # the size of a frame is known once one is decoded
                size = picture.height, picture.width
                windows = [
                    Window.of(self.crop(*size, generator_for(*key, "crop", view.id)))
                    for view in self.views
                ]
            for store, numbers, window in zip(stores, of_view, windows, strict=True):
                if number in numbers:
                    store.add(picture, window)
        index, before = [], 0  # frames of the views follow one another
        for indices, numbers in zip(wanted, members, strict=True):
            index.append(before + torch.searchsorted(torch.tensor(numbers), indices))
            before += len(numbers)
        frames = _join([store.finish() for store in stores])
        return frames, torch.stack(index), windows[0].height


def _join(frames: list[Tensor | YuvFrames]) -> Tensor | YuvFrames:
    if len(frames) == 1:
        return frames[0]
    if isinstance(frames[0], YuvFrames):
        return YuvFrames.join(frames)  # type: ignore[arg-type]
    return torch.cat(frames)  # type: ignore[arg-type]


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
        make_store: as in `RandomViews`.
    """

    open_source: OpenSource
    views: Sequence[View]
    sampler: ClipRule
    short_side: int
    size: int
    make_store: MakeStore = RgbStore

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample:
        """All views of row ``row``; ``epoch`` makes no difference."""
        with self.open_source(record) as source:
            wanted = torch.stack(
                [self.sampler(view, source.num_frames, source.fps) for view in self.views]
            )
            union, index = wanted.unique(return_inverse=True)
            store, touched = self.make_store(len(union), empty=empty_to_send), None
            offsets: list[tuple[int, int]] = []
            for picture in pictures_of(source, union):
                if touched is None:
                    touched, offsets = self._touched(picture.height, picture.width)
                store.add(picture, touched)
            frames = store.finish()
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

    def _touched(self, height: int, width: int) -> tuple[Window, list[tuple[int, int]]]:
        """The part of a frame that crops show, and where each crop lies in it: (top, left)."""
        scaled = short_side_size(height, width, self.short_side)
        places = [
            uniform_offset(*scaled, self.size, view.crop if view.num_crops > 1 else 1)
            for view in self.views
        ]
        top, left = min(t for t, _ in places), min(x for _, x in places)
        window = Window(
            region=(0, 0, height, width),
            scaled=scaled,
            top=top,
            left=left,
            height=max(t for t, _ in places) - top + self.size,
            width=max(x for _, x in places) - left + self.size,
        )
        return window, [(t - top, x - left) for t, x in places]
