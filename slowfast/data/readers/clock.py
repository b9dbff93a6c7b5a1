"""The clock of a video: which frame it shows at a moment, by the times of its own frames."""

from __future__ import annotations

import torch
from torch import Tensor

from slowfast.data.frame_sampling import keyframe_frames
from slowfast.data.readers.source import Source

_TIE = 1e-6  # seconds; of two frames as near as that to a moment the earlier one is taken


def times_of(source: Source) -> Tensor:
    """Seconds of each frame from the first one, float64 (F,).

    Pictures have no times of their own: theirs are even.
    """
    times: Tensor | None = getattr(source, "times", None)
    if times is None:
        return torch.arange(source.num_frames, dtype=torch.float64) / source.fps
    return times - times[0]


def frames_at(times: Tensor, seconds: Tensor) -> Tensor:
    """The frame that is nearest to each moment, int64; the first and the last one go on for ever.

    Args:
        times: float64 (F,), increasing.
        seconds: float64, any shape.
    """
    edges = (times[1:] + times[:-1]) / 2
    return torch.searchsorted(edges, (seconds - _TIE).contiguous())


def clip_around(
    source: Source, second: float, *, num_frames: int, stride: int, fps: float, shift: int = 0
) -> Tensor:
    """Frames of a clip around a moment, int64 (T,); the ends of the video repeat.

    Args:
        second: from the first frame; the frame nearest to it is number T // 2 of the clip, where
            T is even.
        num_frames: frames in a clip, T.
        stride: distance between two of them, in frames at ``fps``.
        fps: the rate that ``stride`` and ``shift`` count in.
        shift: of the clip from the moment.
    """
    reach = num_frames * stride  # a grid so long that no end of it is met
    steps = keyframe_frames(reach, num_frames, stride, 2 * reach + 1) - reach + shift
    times = times_of(source)
    middle = times[frames_at(times, torch.tensor(second, dtype=torch.float64))]
    return frames_at(times, middle + steps.double() / fps)
