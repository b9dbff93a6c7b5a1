"""One row of a data set: where its frames are, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from slowfast.data.boxes import GivenBoxes


class NoSuchSplit(ValueError):
    """There is no file or folder that lists the split; it may not exist, unlike a broken one."""


@dataclass(frozen=True)
class Record:
    """A video, or one keyframe of it.

    Attributes:
        path: the file; of a video kept as pictures, their folder. Messages name it.
        label: its class; or float32 (K,), 1 for each class that it has and 0 for the others.
        frames: files of its frames in order of presentation, if it is kept as pictures.
        fps: frames per second of such pictures.
        frame_labels: uint8 (F, K), the classes of each frame, where a clip has those of the
            frames that it spans and not those of the whole video.
        keyframe: the time that ``boxes`` are of, in seconds from the first frame.
        keyframe_key: name of the video and second, as lists of boxes and evaluation have them.
        boxes: persons in the keyframe.
    """

    path: str
    label: int | Tensor = 0
    frames: Sequence[str] = ()
    fps: float | None = None
    frame_labels: Tensor | None = None
    keyframe: float | None = None
    keyframe_key: tuple[str, float] | None = None
    boxes: GivenBoxes | None = None

    def label_between(self, first: int, last: int) -> int | Tensor:
        """The label of a clip whose first and last frame are these."""
        if self.frame_labels is None:
            return self.label
        return self.frame_labels[first : last + 1].amax(0).float()


class Records(Protocol):
    """The rows of a split; what data sets differ in."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> Record: ...

    def fingerprint(self) -> dict[str, str | int]:
        """What tells two data sets apart, as plain values for a JSON file."""
        ...
