"""Names and sizes of the videos of annotations, and when their frames are shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from slowfast.data.datasets.annotated_boxes import refuse_same_names, video_name
from slowfast.data.datasets.ava import VideoFolder
from slowfast.data.readers.clock import frames_at, times_of
from slowfast.data.readers.source import OpenSource, open_source
from slowfast.data.record import Record


@dataclass(frozen=True)
class VideoClock:
    """One video.

    Attributes:
        times: of its frames from the first one, in seconds, float64 (F,); None: it is not there.
        counted: frames per second that annotations number; None: each frame of the video.
        size: width and height as it is shown, in pixels; None: not known.
    """

    times: Tensor | None
    counted: float | None
    size: tuple[float, float] | None

    @property
    def end(self) -> float:
        """When the last frame is shown."""
        return math.inf if self.times is None else float(self.times[-1])

    @property
    def duration(self) -> float:
        """Seconds, with a last frame that is shown as long as frames are on the mean."""
        if self.times is None:
            return math.inf
        return self.end * len(self.times) / max(len(self.times) - 1, 1)

    def second_of(self, frame: int) -> float:
        """When a frame is shown; beyond the end, more than `end`."""
        if self.counted is not None:
            return frame / self.counted
        assert self.times is not None, "frames are of a video or counted at a rate"
        return float(self.times[frame]) if frame < len(self.times) else math.inf

    def frame_at(self, second: float) -> int:
        """The frame that is nearest to a moment, as annotations number them."""
        if self.counted is not None:
            return round(second * self.counted)
        assert self.times is not None
        return int(frames_at(self.times, torch.tensor(second, dtype=torch.float64)))


class VideoClocks:
    """The clocks of videos by their names, each read once.

    Args:
        folder: of the videos; None: they are not there, and only ``rate`` is known.
        rate: frames per second that annotations number; None: each frame of the video.
        read: opens a video.
    """

    def __init__(
        self, folder: Path | None, rate: float | None, *, read: OpenSource = open_source
    ) -> None:
        self.rate, self.read = rate, read
        self.files: dict[str, str] | None = None
        if folder is not None:
            videos = VideoFolder(folder)
            files = [videos.file(i) for i in range(len(videos))]
            refuse_same_names(files, str(folder))
            self.files = {video_name(file): file for file in files}
        self._known: dict[str, VideoClock] = {}

    def __contains__(self, name: str) -> bool:
        return self.files is None or name in self.files

    def __getitem__(self, name: str) -> VideoClock:
        if name not in self._known:
            self._known[name] = self._open(name)
        return self._known[name]

    def _open(self, name: str) -> VideoClock:
        if self.files is None:
            return VideoClock(None, self.rate, None)
        with self.read(Record(self.files[name])) as source:
            height, width = next(source.frames([0])).shape[:2]
            return VideoClock(times_of(source), self.rate, (float(width), float(height)))

    def frames_every(self, step: float, name: str, last: int) -> list[int]:
        """Frames nearest to multiples of ``step`` seconds, up to frame ``last``; none at step 0."""
        if not step or name not in self:
            return []
        clock = self[name]
        end = min(clock.second_of(last), clock.end)
        moments = (i * step for i in range(int(end / step) + 1))
        return [clock.frame_at(moment) for moment in moments]
