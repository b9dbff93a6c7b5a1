"""Samples of several videos -> one batch of clips."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from slowfast.data.batch import BadSample, Batch, Sample
from slowfast.data.boxes import Boxes


def collate(items: Sequence[Sample | BadSample]) -> Batch:
    """All clips of all samples, in order; what could not be read goes to ``bad``."""
    batches = [Batch.of_views(item) for item in items if isinstance(item, Sample)]
    bad = [item for item in items if isinstance(item, BadSample)]
    bad += [each for batch in batches for each in batch.bad]
    if not batches:
        none = torch.empty(0, dtype=torch.int64)
        clips = torch.empty(0, 0, 0, 0, 3, dtype=torch.uint8)
        return Batch(clips, labels=none, videos=none, views=none, paths=[], bad=bad)
    masks = [batch.masks for batch in batches if batch.masks is not None]
    boxes = [(batch.boxes, len(batch)) for batch in batches if batch.boxes is not None]
    return Batch(
        clips=torch.cat([batch.clips for batch in batches]),
        labels=torch.cat([batch.labels for batch in batches]),
        videos=torch.cat([batch.videos for batch in batches]),
        views=torch.cat([batch.views for batch in batches]),
        paths=[path for batch in batches for path in batch.paths],
        epoch=batches[0].epoch,
        bad=bad,
        masks=torch.cat(masks) if masks else None,
        boxes=Boxes.join(boxes) if boxes else None,
    )
