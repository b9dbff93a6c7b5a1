"""Clip samplers: which frames of a video make a clip. Arithmetic only, no video needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor

from slowfast.data.view import View


def clip_span(num_frames: int, sampling_rate: int, *, fps: float, target_fps: float) -> float:
    """Length of a clip in frames of the video: the same time at any frame rate; at least 1."""
    return max(1.0, sampling_rate * num_frames / target_fps * fps)


def uniform_start(slack: float, clip: int, num_clips: int, *, use_offset: bool = False) -> float:
    """First frame of clip ``clip`` of ``num_clips``, not yet rounded.

    Args:
        slack: frames by which the video is longer than a clip.
        use_offset: start at whole frames, the first clip at the start of the video and the last
            one near its end; a single clip is centred.
    """
    if not use_offset:
        return slack * clip / num_clips
    if num_clips == 1:
        return math.floor(slack / 2)
    return clip * math.floor(slack / (num_clips - 1))


def frames_between(start: float, end: float, num_frames: int, video_frames: int) -> Tensor:
    """``num_frames`` indices from ``start`` to ``end`` (inclusive), int64 (T,).

    The line is drawn in float32 and truncated: published results depend on that rounding. Beyond
    its end a video repeats its last frame.
    """
    index = torch.linspace(start, end, num_frames, dtype=torch.float32)
    return index.clamp(0, video_frames - 1).long()


def slow_frames(num_frames: int, alpha: int) -> list[int]:
    """The frames of a clip that the Slow pathway sees: ``num_frames // alpha`` of them.

    Evenly spread from the first to the last frame and truncated, not every alpha-th one.
    """
    return torch.linspace(0, num_frames - 1, num_frames // alpha).long().tolist()


@dataclass(frozen=True)
class UniformClips:
    """Test-time sampling: ``view.num_clips`` clips spread evenly over the video.

    Args:
        num_frames: frames in a clip, T.
        sampling_rate: distance between two of them, in frames at ``target_fps``.
        target_fps: the rate that ``sampling_rate`` was chosen for; in a video of another rate a
            clip covers the same time.
        use_offset: see `uniform_start`.
    """

    num_frames: int
    sampling_rate: int
    target_fps: float = 30.0
    use_offset: bool = False

    def __call__(self, view: View, video_frames: int, fps: float) -> Tensor:
        """Frame indices in [0, video_frames), int64 (T,)."""
        span = clip_span(self.num_frames, self.sampling_rate, fps=fps, target_fps=self.target_fps)
        slack = max(video_frames - span, 0.0)
        start = uniform_start(slack, view.clip, view.num_clips, use_offset=self.use_offset)
        return frames_between(start, start + span - 1, self.num_frames, video_frames)


@dataclass(frozen=True)
class RandomClip:
    """Training-time sampling: a clip that starts anywhere in the video.

    Args:
        num_frames, sampling_rate, target_fps: as in `UniformClips`.
        jitter_fps: largest random increase of ``target_fps``, which shortens the clip.
    """

    num_frames: int
    sampling_rate: int
    target_fps: float = 30.0
    jitter_fps: float = 0.0

    def __call__(self, video_frames: int, fps: float, generator: Generator) -> Tensor:
        """Frame indices in [0, video_frames), int64 (T,)."""
        target = self.target_fps
        if self.jitter_fps:
            target += uniform(0.0, self.jitter_fps, generator)
        span = clip_span(self.num_frames, self.sampling_rate, fps=fps, target_fps=target)
        start = uniform(0.0, max(video_frames - span, 0.0), generator)
        return frames_between(start, start + span - 1, self.num_frames, video_frames)


DrawClip = Callable[[int, float, Generator], Tensor]  # video frames, fps, generator -> indices


@dataclass(frozen=True)
class AnyOf:
    """A rule drawn for each clip, as for random spans of time (1912.00998, Sec. 3.1)."""

    rules: Sequence[DrawClip]

    def __call__(self, video_frames: int, fps: float, generator: Generator) -> Tensor:
        """As the rules."""
        chosen = int(torch.randint(len(self.rules), (), generator=generator))
        return self.rules[chosen](video_frames, fps, generator)


@dataclass(frozen=True)
class ClipSpacing:
    """How far apart the clips of a training sample lie, in frames (2104.14558, Sec. 3.3).

    The distance of two clips is from the last frame of the earlier one to the first frame of the
    next one; it is negative where they overlap. The clips come in random order.

    Args:
        low, high: distances that are allowed, both ends included.
        tries: draws of each clip until it fits those before it.
        rounds: times that all clips are drawn if they do not fit; then the nearest ones are taken,
            as a short video has no others.
    """

    low: float = -math.inf
    high: float = math.inf
    tries: int = 50
    rounds: int = 10

    def __call__(
        self, draw: DrawClip, video_frames: int, fps: float, generators: Sequence[Generator]
    ) -> list[Tensor]:
        """One clip for each generator, int64 (T,) each."""
        best: list[Tensor] = []
        least = math.inf
        for _ in range(self.rounds):
            clips: list[Tensor] = []
            for generator in generators:
                again = (draw(video_frames, fps, generator) for _ in range(self.tries))
                clips = self._longer(clips, again)
            excess = self._excess(clips)
            if not best or excess < least:
                best, least = clips, excess
            if least <= 0:
                break
        return best

    def _longer(self, clips: list[Tensor], draws: Iterator[Tensor]) -> list[Tensor]:
        """The clips and the first draw that fits them, or the one that is nearest to it."""
        best: list[Tensor] = []
        least = math.inf
        for clip in draws:
            longer = [*clips, clip]
            excess = self._excess(longer)
            if not best or excess < least:
                best, least = longer, excess
            if least <= 0:
                break
        return best

    def _excess(self, clips: Sequence[Tensor]) -> float:
        """By how many frames the distances are outside of the limits, all together."""
        ends = sorted((int(clip[0]), int(clip[-1])) for clip in clips)
        gaps = [later[0] - earlier[1] for earlier, later in pairwise(ends)]
        return sum(max(self.low - gap, gap - self.high, 0.0) for gap in gaps)


ANY_SPACING = ClipSpacing()


def uniform(low: float, high: float, generator: Generator) -> float:
    """A number from [low, high), drawn in float64."""
    drawn = torch.rand((), generator=generator, dtype=torch.float64).item()
    return low + (high - low) * drawn
