"""Mirrors slowfast/data/readers/clock.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from slowfast.data.readers.clock import clip_around, frames_at, times_of


@dataclass
class Even:
    num_frames: int
    fps: float

    def frames(self, indices: Tensor | Sequence[int]) -> Iterator[Tensor]:
        raise AssertionError("a clock reads no frames")


@dataclass
class Timed(Even):
    times: Tensor


def test_the_nearest_frame_is_shown_and_the_earlier_of_two() -> None:
    times = torch.tensor([0.0, 0.1, 0.5], dtype=torch.float64)
    moments = torch.tensor([-1, 0.04, 0.05, 0.06, 0.29, 0.31, 9], dtype=torch.float64)
    assert frames_at(times, moments).tolist() == [0, 0, 0, 1, 1, 2, 2]


def test_times_count_from_the_first_frame() -> None:
    assert times_of(Even(3, 4)).tolist() == [0, 0.25, 0.5]
    assert times_of(Timed(2, 9, torch.tensor([7.0, 7.5]))).tolist() == [0, 0.5]


def test_a_clip_is_around_the_frame_that_is_nearest() -> None:
    """At 50 frames a second, frame 101 is not on the grid of 30 that strides count in."""
    clip = clip_around(Even(500, 50), 2.02, num_frames=4, stride=3, fps=30)
    assert clip.tolist() == [91, 96, 101, 106]
    assert clip_around(Even(500, 30), 2, num_frames=5, stride=3, fps=30).tolist() == [
        53, 56, 59, 62, 65
    ]  # fmt: skip
    shifted = clip_around(Even(500, 15), 1, num_frames=2, stride=2, fps=30, shift=30)
    assert shifted.tolist() == [29, 30]
    assert clip_around(Even(9, 30), 0, num_frames=4, stride=4, fps=30).tolist() == [0, 0, 0, 4]
