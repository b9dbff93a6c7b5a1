"""A view: which clip and which crop of a video; all that differs between train, val and test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """Clip ``clip`` of ``num_clips`` and crop ``crop`` of ``num_crops``, both from 0.

    For random views (train, val) the numbers only tell them apart.
    """

    clip: int = 0
    num_clips: int = 1
    crop: int = 0
    num_crops: int = 1

    @property
    def id(self) -> int:
        """Number of the view among all of its video: clips first, then crops."""
        return self.clip * self.num_crops + self.crop


def all_views(num_clips: int, num_crops: int) -> tuple[View, ...]:
    """Every crop of every clip, in the order of their ids."""
    return tuple(
        View(clip, num_clips, crop, num_crops)
        for clip in range(num_clips)
        for crop in range(num_crops)
    )
