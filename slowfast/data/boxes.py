"""Boxes of persons: as an annotation gives them, and in the pixels of the clips of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class GivenBoxes:
    """The boxes of one keyframe as they were annotated or detected.

    Attributes:
        corners: float32 (R, 4), x1 y1 x2 y2 as shares of the frame's width and height, 0 to 1.
        labels: float32 (R, K), 1 for each class that a person has.
        scores: float32 (R,), how sure a detector was of the person; 1 for annotated ones.
    """

    corners: Tensor
    labels: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.corners)


@dataclass(frozen=True)
class Boxes:
    """The boxes of several clips; R counts boxes, and a clip may have none.

    Attributes:
        corners: float32 (R, 4), x1 y1 x2 y2 in pixels of the cropped clip.
        clip: int64 (R,), which clip of the sample or the batch each box is in, in ascending order.
        labels: float32 (R, K), 1 for each class that a person has.
        given: float32 (R, 4), the corners as they were annotated, as shares of the whole frame.
        scores: float32 (R,), as in `GivenBoxes`.

    ``clip``, ``given`` and ``scores`` stay on the CPU: which boxes a clip has is known there, and
    nobody waits for a GPU to find out.
    """

    corners: Tensor
    clip: Tensor
    labels: Tensor
    given: Tensor
    scores: Tensor

    @classmethod
    def of_clip(cls, corners: Tensor, given: GivenBoxes) -> Boxes:
        """The boxes of one clip, whose number is 0."""
        clip = torch.zeros(len(given), dtype=torch.int64)
        return cls(corners, clip, given.labels, given.corners, given.scores)

    @classmethod
    def join(cls, parts: Sequence[tuple[Boxes, int]]) -> Boxes:
        """Boxes of several samples; each part comes with the number of its clips."""
        first, moved = 0, []
        for boxes, clips in parts:
            moved.append(boxes.clip + first)
            first += clips
        whole = {
            field.name: torch.cat([getattr(boxes, field.name) for boxes, _ in parts])
            for field in fields(cls)
        }
        return cls(**whole | {"clip": torch.cat(moved)})

    def __len__(self) -> int:
        return len(self.corners)

    def rois(self) -> Tensor:
        """float32 (R, 5): number of the clip, x1, y1, x2, y2, as RoIAlign takes them."""
        clip = self.clip[:, None].to(self.corners.dtype)
        return torch.cat([clip.to(self.corners.device, non_blocking=True), self.corners], dim=1)

    def of_clips(self, start: int, stop: int) -> Boxes:
        """Those of clips ``start`` to ``stop``, whose numbers begin at 0 again."""
        first, last = torch.searchsorted(self.clip, torch.tensor([start, stop])).tolist()
        part = {field.name: getattr(self, field.name)[first:last] for field in fields(self)}
        return Boxes(**part | {"clip": part["clip"] - start})

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Boxes:
        """With what a network and its loss need on ``device``."""
        return replace(
            self,
            corners=self.corners.to(device, non_blocking=non_blocking),
            labels=self.labels.to(device, non_blocking=non_blocking),
        )

    def pin_memory(self) -> Boxes:
        return Boxes(
            **{field.name: getattr(self, field.name).pin_memory() for field in fields(self)}
        )
