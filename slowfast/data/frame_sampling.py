"""Clip samplers of data sets that count frames, not seconds: SSv2, Charades and AVA."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor

from slowfast.data.view import View


def segments(video_frames: int, num_segments: int) -> list[tuple[int, int]]:
    """First and last frame of equal parts of a video; neighbours share a frame.

    The segments of TSN (1608.00859, Sec. 3.1). Halves are rounded to the even number: published
    results depend on it.
    """
    length = (video_frames - 1) / num_segments
    edges = [round(length * i) for i in range(num_segments + 1)]
    return list(pairwise(edges))


def strided_frames(start: int, num_frames: int, stride: int, video_frames: int) -> Tensor:
    """Every ``stride``-th frame from ``start`` on, int64 (T,); the ends of the video repeat."""
    index = start + stride * torch.arange(num_frames)
    return index.clamp(0, video_frames - 1)


def keyframe_frames(center: int, num_frames: int, stride: int, video_frames: int) -> Tensor:
    """A clip around a keyframe, which is frame T // 2 of it where T is even; int64 (T,)."""
    return strided_frames(center - num_frames * stride // 2, num_frames, stride, video_frames)


@dataclass(frozen=True)
class MiddleOfSegments:
    """Test-time sampling of SSv2: the middle frame of each of T segments, in every view."""

    num_frames: int

    def __call__(self, view: View, video_frames: int, fps: float) -> Tensor:
        """Frame indices in [0, video_frames), int64 (T,)."""
        parts = segments(video_frames, self.num_frames)
        return torch.tensor([(first + last) // 2 for first, last in parts])


@dataclass(frozen=True)
class FrameOfSegments:
    """Training of SSv2: one frame of each of T segments.

    Args:
        num_frames: frames in a clip, T.
        random: draw it; else the middle one, as validation does.
    """

    num_frames: int
    random: bool = True

    def __call__(self, video_frames: int, fps: float, generator: Generator) -> Tensor:
        """Frame indices in [0, video_frames), int64 (T,)."""
        parts = torch.tensor(segments(video_frames, self.num_frames))
        first, last = parts.unbind(1)
        if not self.random:
            return (first + last) // 2
        drawn = torch.rand(self.num_frames, generator=generator, dtype=torch.float64)
        return first + (drawn * (last - first + 1)).long()


@dataclass(frozen=True)
class UniformStrides:
    """Test-time sampling of Charades: every ``stride``-th frame, from spread starts.

    The first clip starts at the first frame and the last one ends at the last; a single one is
    central (the public code divides by zero there).
    """

    num_frames: int
    stride: int

    def __call__(self, view: View, video_frames: int, fps: float) -> Tensor:
        """Frame indices in [0, video_frames), int64 (T,)."""
        slack = max(video_frames - _length(self.num_frames, self.stride), 0)
        if view.num_clips > 1:
            start = round(slack / (view.num_clips - 1) * view.clip)
        else:
            start = round(slack / 2)
        return strided_frames(start, self.num_frames, self.stride, video_frames)


@dataclass(frozen=True)
class RandomStrides:
    """Training of Charades: every ``stride``-th frame, from a random one.

    In a video shorter than a clip, the frames that repeat are shared at random between its ends.
    """

    num_frames: int
    stride: int

    def __call__(self, video_frames: int, fps: float, generator: Generator) -> Tensor:
        """Frame indices in [0, video_frames), int64 (T,)."""
        slack = video_frames - _length(self.num_frames, self.stride)
        start = min(slack, 0) + int(torch.randint(abs(slack) + 1, (), generator=generator))
        return strided_frames(start, self.num_frames, self.stride, video_frames)


def _length(num_frames: int, stride: int) -> int:
    return (num_frames - 1) * stride + 1
