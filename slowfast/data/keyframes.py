"""A keyframe with boxes -> the clips around it, and where the boxes are in their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from slowfast.data.batch import Sample
from slowfast.data.boxes import Boxes, GivenBoxes
from slowfast.data.clips import CropRule
from slowfast.data.readers.clock import clip_around
from slowfast.data.readers.source import OpenSource, Source
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record
from slowfast.data.transforms.box_plan import boxes_in_crop
from slowfast.data.transforms.spatial import CropPlan
from slowfast.randomness import generator_for

AS_IT_IS, MIRRORED = False, True


@dataclass(frozen=True)
class KeyframeViews:
    """Clips around a keyframe: one while training, at several sizes and so on in a test.

    All of them come from one pass over the frames. Views are numbered by size, then by clip, then
    by orientation.

    Args:
        open_source: record -> its frames.
        num_frames: frames in a clip, T.
        stride: distance between two of them, in frames at ``fps``.
        crops: what is cut from the frames, for each size that they are seen at; boxes move with
            the pixels.
        fps: the rate that ``stride`` counts in; in a video of another rate a clip covers the same
            time.
        seed, split: first parts of the key that crops are drawn from.
        shifts: of the middle of each clip from the keyframe, in frames at ``fps``.
        orientations: of each clip, whether what was cut is mirrored.
    """

    open_source: OpenSource
    num_frames: int
    stride: int
    crops: Sequence[CropRule]
    fps: float
    seed: int
    split: str
    shifts: Sequence[int] = (0,)
    orientations: Sequence[bool] = (AS_IT_IS,)

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample:
        """The clips of row ``row`` in ``epoch``, the same whoever asks and whenever."""
        if record.keyframe is None or record.boxes is None:
            raise ValueError(
                f"{record.path}: expected a keyframe with boxes, found a video without; set "
                "TRAIN.DATASET or TEST.DATASET to what the data is"
            )
        with self.open_source(record) as source:
            _check_time(record, source)
            union, index = self._wanted(record.keyframe, source).unique(return_inverse=True)
            shape: tuple[int, int] | None = None
            plans: list[CropPlan] = []
            kept: list[list[Tensor]] = [[] for _ in self.crops]
            for frame in source.frames(union):
                if shape is None:  # known once a frame is decoded
                    shape = frame.shape[0], frame.shape[1]
                    plans = [self._plan(size, shape, epoch, row) for size in range(len(kept))]
                for frames, plan in zip(kept, plans, strict=True):
                    frames.append(plan(frame[None])[0])
        assert shape is not None
        index = index.repeat_interleave(len(self.orientations), 0)
        views = len(index)
        turned = [i for i in range(views) if self.orientations[i % len(self.orientations)]]
        sizes = [
            Sample(
                frames=torch.stack(frames),
                index=index,
                offsets=torch.zeros(views, 2, dtype=torch.int64),
                size=max(frames[0].shape[:2]),
                label=record.label,
                video=row,
                views=torch.arange(size * views, (size + 1) * views),
                path=record.path,
                epoch=epoch,
                boxes=self._boxes(record.boxes, plan, shape),
                mirrored=frozenset(turned),
            )
            for size, (frames, plan) in enumerate(zip(kept, plans, strict=True))
        ]
        return replace(sizes[0], other_sizes=tuple(sizes[1:]))

    def _wanted(self, keyframe: float, source: Source) -> Tensor:
        """Frames of each clip, int64 (clips, T)."""
        clips = [
            clip_around(
                source,
                keyframe,
                num_frames=self.num_frames,
                stride=self.stride,
                fps=self.fps,
                shift=shift,
            )
            for shift in self.shifts
        ]
        return torch.stack(clips)

    def _plan(self, size: int, shape: tuple[int, int], epoch: int, row: int) -> CropPlan:
        generator = generator_for(self.seed, self.split, epoch, row, "crop", size)
        return self.crops[size](*shape, generator)

    def _boxes(self, given: GivenBoxes, plan: CropPlan, shape: tuple[int, int]) -> Boxes:
        """The boxes in each view of a size, whose frames are cut by ``plan``."""
        parts = []
        for mirrored in self.orientations:
            turned = replace(plan, flip=plan.flip != mirrored)
            parts.append((Boxes.of_clip(boxes_in_crop(given.corners, turned, *shape), given), 1))
        return Boxes.join(parts * len(self.shifts))


def clip_shifts(count: int, apart: float, fps: float) -> tuple[int, ...]:
    """Where ``count`` clips lie, evenly around a keyframe, in frames at ``fps``.

    Args:
        apart: seconds from the middle of a clip to that of the next.

    Raises:
        ValueError: some of them would be the same.
    """
    shifts = tuple(round((i - (count - 1) / 2) * apart * fps) for i in range(count))
    if len(set(shifts)) < count:
        raise ValueError(
            f"AVA.TEST_CLIPS is {count} and AVA.TEST_CLIP_SHIFT {apart:g} seconds, less than a "
            f"frame at {fps:g} a second (AVA.FPS), so that clips would be the same; set it to at "
            f"least {1 / fps:.3f}"
        )
    return shifts


def _check_time(record: Record, source: Source) -> None:
    """Raise VideoError for a keyframe more than a second after the end."""
    duration = source.num_frames / source.fps
    if record.keyframe is not None and record.keyframe > duration + 1:
        raise VideoError(
            f"{record.path}: expected keyframes within its {duration:.1f} s, found one "
            f"{record.keyframe:.1f} s after its beginning",
            advice="set AVA.FPS and AVA.START_SECOND to those of frames and boxes, or correct the "
            "list of boxes",
        )
