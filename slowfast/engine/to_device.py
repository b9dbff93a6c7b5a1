"""Batches on their way to the GPU: copied and converted while the network is at work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from slowfast.data.batch import Batch, Sample
from slowfast.data.boxes import Boxes


class ToDevice:
    """Gives what a loader gives, moved to the device; on a CPU, as it is.

    The host runs ahead of a GPU: when it asks for the next batch, the last step is still being
    computed. The copy and the colour conversion of the next one happen beside it, on a stream of
    their own, if the batch lies in page-locked memory (``DATA_LOADER.PIN_MEMORY``). Nothing is
    fetched earlier than it is asked for, so that errors and positions stay those of the loader.

    Args:
        loader: of `Batch`, `Sample` or anything that stays where it is.
    """

    def __init__(self, loader: Iterable[Any], device: torch.device) -> None:
        self.loader, self.device = loader, device

    def __iter__(self) -> Iterator[Any]:
        if self.device.type != "cuda":
            yield from self.loader
            return
        side = torch.cuda.Stream(self.device)
        for item in self.loader:
            yield self._move(item, side) if isinstance(item, Batch | Sample) else item

    def _move(self, item: Batch | Sample, side: torch.cuda.Stream) -> Batch | Sample:
        with torch.cuda.stream(side):
            moved = item.to(self.device, non_blocking=True)
        current = torch.cuda.current_stream(self.device)
        current.wait_stream(side)
        for value in tensors_of(moved):
            if value.is_cuda:
                # Its memory belongs to the side stream, which must not reuse it too early.
                value.record_stream(current)
        return moved


def tensors_of(item: Batch | Sample | Boxes) -> Iterator[Tensor]:
    """All that it holds, those of its boxes and of its views of other sizes too."""
    for field in fields(item):
        value = getattr(item, field.name)
        for each in value if field.name == "other_sizes" else (value,):
            if isinstance(each, Sample | Boxes):
                yield from tensors_of(each)
            elif isinstance(each, Tensor):
                yield each
