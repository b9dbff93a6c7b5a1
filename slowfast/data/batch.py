"""What the data layer hands on: a sample (one video), a batch of clips, and what was unreadable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import Tensor

from slowfast.data.boxes import Boxes
from slowfast.data.yuv import YuvFrames


@dataclass(frozen=True)
class BadSample:
    """What could not be read: a video, or the clip around a keyframe of one.

    Attributes:
        video: its row in the manifest.
        path: the file.
        cause: where, what was expected and what was found.
        replaced_by: the row that took its place, if any.
        second: of the keyframe, as the lists have it; None for a whole video.
    """

    video: int
    path: str
    cause: str
    replaced_by: int | None = None
    second: float | None = None


@dataclass(frozen=True)
class Sample:
    """One video: each frame that was decoded, once, and where its clips lie in them.

    Attributes:
        frames: uint8 (F, H, W, C), RGB, scaled; in training already cropped and flipped. Floats
            that are normalised already in strict mode; or YUV, which `to` makes RGB.
        index: int64 (V, T), the frames of clip v.
        offsets: int64 (V, 2), top and left of the crop of view v in ``frames``, pixels.
        size: side of the crop, pixels; a side of ``frames`` that is shorter is taken whole.
        label: class of the video, or float32 (K,) with 1 for each class that it has.
        video: its row in the manifest.
        views: int64 (V,), ids of the views (``View.id``).
        path: the file.
        epoch: that random views were drawn for.
        bad: the videos that this one stands in for.
        masks: bool (V, t, h, w), the hidden patches of each view, if masks are drawn.
        boxes: persons in the clips; None where a clip has labels as a whole.
        cost: seconds that reading it took, and those within them when it needed a core.
        mirrored: numbers of the views that are mirrored left to right when they are cut.
        other_sizes: more views of the same video, whose frames were scaled to other sizes.
    """

    frames: Tensor | YuvFrames
    index: Tensor
    offsets: Tensor
    size: int
    label: int | Tensor
    video: int
    views: Tensor
    path: str = ""
    epoch: int = 0
    bad: tuple[BadSample, ...] = ()
    masks: Tensor | None = None
    boxes: Boxes | None = None
    cost: tuple[float, float] = (0.0, 0.0)
    mirrored: frozenset[int] = frozenset()
    other_sizes: tuple[Sample, ...] = ()

    def by_size(self) -> tuple[Sample, ...]:
        """All views, in samples whose views have one size each."""
        return replace(self, other_sizes=()), *self.other_sizes

    def clips(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Views ``start`` to ``stop`` as uint8 (v, T, size, size, C), on the device of frames."""
        assert isinstance(self.frames, Tensor), "frames are YUV until `to` moves them"
        frames, places = self.frames, self.offsets[start:stop].tolist()
        mirrored = [start + i in self.mirrored for i in range(len(places))]
        indices = self.index[start:stop].to(frames.device)
        windows = [frames[:, y : y + self.size, x : x + self.size] for y, x in places]
        bytes_of_one = len(windows) == 1 and frames.dtype == torch.uint8 and not any(mirrored)
        if bytes_of_one and _is_all(indices[0], len(frames)):
            return windows[0][None]  # a random clip: nothing to copy, and nobody writes to bytes
        out = frames.new_empty((*indices.shape, *windows[0].shape[1:]))
        for window, index, clip, mirror in zip(windows, indices, out, mirrored, strict=True):
            torch.index_select(window, 0, index, out=clip)
            if mirror:
                clip.copy_(clip.flip(2))
        return out

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Sample:
        """The sample with its frames, as RGB, and indices on ``device``; offsets stay here."""
        return replace(
            self,
            frames=as_rgb(self.frames.to(device, non_blocking=non_blocking)),
            index=self.index.to(device, non_blocking=non_blocking),
            other_sizes=tuple(
                each.to(device, non_blocking=non_blocking) for each in self.other_sizes
            ),
        )

    def pin_memory(self) -> Sample:
        return replace(
            self,
            frames=self.frames.pin_memory(),
            index=self.index.pin_memory(),
            other_sizes=tuple(each.pin_memory() for each in self.other_sizes),
        )


def as_rgb(frames: Tensor | YuvFrames) -> Tensor:
    """Frames as pixels, on the device they are on."""
    return frames.rgb() if isinstance(frames, YuvFrames) else frames


def _is_all(index: Tensor, count: int) -> bool:
    """Whether it counts from 0 to ``count``; on a GPU nobody waits to find out."""
    return index.device.type == "cpu" and index.tolist() == [*range(count)]


def _repeated(label: int | Tensor, count: int) -> Tensor:
    one = torch.as_tensor(label)
    return one.expand(count, *one.shape)


def no_clips() -> Tensor:
    return torch.empty(0, 0, 0, 0, 3, dtype=torch.uint8)


@dataclass
class Batch:
    """Clips of several videos; N counts clips, not videos.

    Attributes:
        clips: uint8 (N, T, S, S, C), RGB; augmented ones are float32 on the same scale, and
            may lie outside of 0..255. In strict mode floats that are normalised already. Empty
            until `to` has made them of ``frames``.
        labels: int64 (N,); or float32 (N, K), 1 for each class that a clip has, or the share of
            each class in it (mixup).
        videos: int64 (N,), rows of the manifest.
        views: int64 (N,), ids of the views.
        paths: the files, N of them.
        epoch: that random views were drawn for.
        bad: videos of this batch that could not be read.
        masks: bool (N, t, h, w), the hidden patches of each clip, if masks are drawn.
        boxes: persons in the clips; None where clips have labels as a whole.
        cost: seconds that reading its videos took, and those within them when it needed a core.
        frames, index: YUV of which `to` makes ``clips``, and int64 (N, T), its frames of each.
    """

    clips: Tensor
    labels: Tensor
    videos: Tensor
    views: Tensor
    paths: list[str]
    epoch: int = 0
    bad: list[BadSample] = field(default_factory=list)
    masks: Tensor | None = None
    boxes: Boxes | None = None
    cost: tuple[float, float] = (0.0, 0.0)
    frames: YuvFrames | None = None
    index: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_labelled(self) -> int:
        """What a loss is a mean over: boxes, or clips where labels are of whole clips."""
        return len(self) if self.boxes is None else len(self.boxes)

    @classmethod
    def of_views(cls, sample: Sample, start: int = 0, stop: int | None = None) -> Batch:
        """Views ``start`` to ``stop`` of one video, on the device of its frames.

        Clips of a batch have one size: what has several is taken `by_size`. Views of YUV are those
        of training, which are cropped already.
        """
        assert not sample.other_sizes, "views of other sizes would be lost"
        waiting = sample.frames if isinstance(sample.frames, YuvFrames) else None
        index = sample.index[start:stop]
        clips = sample.clips(start, stop) if waiting is None else no_clips()
        count, device = len(index), index.device
        boxes = sample.boxes
        if boxes is not None:
            boxes = boxes.of_clips(start, start + count).to(device)
        return cls(
            clips=clips,
            labels=_repeated(sample.label, count).to(device),
            videos=torch.full((count,), sample.video, dtype=torch.int64, device=device),
            views=sample.views[start:stop].to(device),
            paths=[sample.path] * count,
            epoch=sample.epoch,
            bad=list(sample.bad),
            masks=None if sample.masks is None else sample.masks[start:stop].to(device),
            boxes=boxes,
            cost=sample.cost,
            frames=waiting,
            index=None if waiting is None else index,
        )

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """What a network needs, clips as RGB, on ``device``; the rest is for people and stays."""
        masks, boxes = self.masks, self.boxes
        clips = self.clips.to(device, non_blocking=non_blocking)
        if self.frames is not None and self.index is not None:
            frames = self.frames.to(device, non_blocking=non_blocking).rgb()
            clips = frames[self.index.to(device, non_blocking=non_blocking)]
        return replace(
            self,
            clips=clips,
            labels=self.labels.to(device, non_blocking=non_blocking),
            masks=None if masks is None else masks.to(device, non_blocking=non_blocking),
            boxes=None if boxes is None else boxes.to(device, non_blocking=non_blocking),
            frames=None,
            index=None,
        )

    def parts(self, count: int) -> list[Batch]:
        """At most ``count`` batches of consecutive clips, as equally large as can be."""
        assert self.frames is None, "frames are YUV until `to` moves them"
        if count == 1 or len(self) < 2:
            return [self]
        ends = [round(i * len(self) / count) for i in range(count + 1)]
        return [self._part(a, b) for a, b in pairwise(ends) if a < b]

    def _part(self, start: int, stop: int) -> Batch:
        part = slice(start, stop)
        return replace(
            self,
            clips=self.clips[part],
            labels=self.labels[part],
            videos=self.videos[part],
            views=self.views[part],
            paths=self.paths[part],
            masks=None if self.masks is None else self.masks[part],
            boxes=None if self.boxes is None else self.boxes.of_clips(start, stop),
        )

    def pin_memory(self) -> Batch:
        return replace(
            self,
            clips=self.clips.pin_memory(),
            labels=self.labels.pin_memory(),
            masks=None if self.masks is None else self.masks.pin_memory(),
            boxes=None if self.boxes is None else self.boxes.pin_memory(),
            frames=None if self.frames is None else self.frames.pin_memory(),
            index=None if self.index is None else self.index.pin_memory(),
        )
