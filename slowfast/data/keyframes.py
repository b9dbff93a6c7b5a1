"""A keyframe with boxes -> the clip around it, and where the boxes are in its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from slowfast.data.batch import Sample
from slowfast.data.boxes import Boxes
from slowfast.data.clips import CropRule
from slowfast.data.readers.clock import clip_around
from slowfast.data.readers.source import OpenSource, Source
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record
from slowfast.data.transforms.box_plan import boxes_in_crop
from slowfast.randomness import generator_for


@dataclass(frozen=True)
class KeyframeViews:
    """One clip, with the keyframe in its middle; train, val and test differ in ``crop``.

    Args:
        open_source: record -> its frames.
        num_frames: frames in a clip, T.
        stride: distance between two of them, in frames at ``fps``.
        crop: what is cut from the frames; boxes move with the pixels.
        fps: the rate that ``stride`` counts in; in a video of another rate a clip covers the same
            time.
        seed, split: first parts of the key that the crop is drawn from.
    """

    open_source: OpenSource
    num_frames: int
    stride: int
    crop: CropRule
    fps: float
    seed: int
    split: str

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample:
        """The clip of row ``row`` in ``epoch``, the same whoever asks and whenever."""
        if record.keyframe is None or record.boxes is None:
            raise ValueError(
                f"{record.path}: expected a keyframe with boxes, found a video without; set "
                "TRAIN.DATASET or TEST.DATASET to what the data is"
            )
        with self.open_source(record) as source:
            _check_time(record, source)
            wanted = clip_around(
                source,
                record.keyframe,
                num_frames=self.num_frames,
                stride=self.stride,
                fps=self.fps,
            )
            union, index = wanted.unique(return_inverse=True)
            plan, kept = None, []
            for frame in source.frames(union):
                if plan is None:  # the size of a frame is known once one is decoded
                    height, width = frame.shape[:2]
                    generator = generator_for(self.seed, self.split, epoch, row, "crop", 0)
                    plan = self.crop(height, width, generator)
                kept.append(plan(frame[None])[0])
        assert plan is not None
        corners = boxes_in_crop(record.boxes.corners, plan, height, width)
        return Sample(
            frames=torch.stack(kept),
            index=index[None],
            offsets=torch.zeros(1, 2, dtype=torch.int64),
            size=max(kept[0].shape[:2]),
            label=record.label,
            video=row,
            views=torch.zeros(1, dtype=torch.int64),
            path=record.path,
            epoch=epoch,
            boxes=Boxes.of_clip(corners, record.boxes),
        )


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
