"""Samples of several videos -> one batch of clips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from slowfast.data.batch import BadSample, Batch, Sample, no_clips
from slowfast.data.boxes import Boxes
from slowfast.data.sendable import cat_to_send
from slowfast.data.yuv import YuvFrames


def collate(items: Sequence[Sample | BadSample]) -> Batch:
    """All clips of all samples, in order; what could not be read goes to ``bad``."""
    batches = [Batch.of_views(item) for item in items if isinstance(item, Sample)]
    bad = [item for item in items if isinstance(item, BadSample)]
    bad += [each for batch in batches for each in batch.bad]
    if not batches:
        none = torch.empty(0, dtype=torch.int64)
        return Batch(no_clips(), labels=none, videos=none, views=none, paths=[], bad=bad)
    masks = [batch.masks for batch in batches if batch.masks is not None]
    boxes = [(batch.boxes, len(batch)) for batch in batches if batch.boxes is not None]
    frames, index = _in_one_run(batches)
    return Batch(
        clips=no_clips() if frames else cat_to_send([batch.clips for batch in batches]),
        labels=torch.cat([batch.labels for batch in batches]),
        videos=torch.cat([batch.videos for batch in batches]),
        views=torch.cat([batch.views for batch in batches]),
        paths=[path for batch in batches for path in batch.paths],
        epoch=batches[0].epoch,
        bad=bad,
        masks=torch.cat(masks) if masks else None,
        boxes=Boxes.join(boxes) if boxes else None,
        cost=(sum(batch.cost[0] for batch in batches), sum(batch.cost[1] for batch in batches)),
        frames=frames,
        index=index,
    )


def _in_one_run(batches: Sequence[Batch]) -> tuple[YuvFrames | None, Tensor | None]:
    """The YUV of all clips, one copy to the device, and each clip's frames in it."""
    frames, index, before = [], [], 0
    for batch in batches:
        if batch.frames is None or batch.index is None:
            return None, None
        frames.append(batch.frames)
        index.append(batch.index + before)
        before += len(batch.frames)
    return YuvFrames.join(frames), torch.cat(index)
