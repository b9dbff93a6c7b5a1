"""One row of a data set: where its frames are, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Record:
    """A video.

    Attributes:
        path: the file; of a video kept as pictures, their folder. Messages name it.
        label: its class; or float32 (K,), 1 for each class that it has and 0 for the others.
        frames: files of its frames in order of presentation, if it is kept as pictures.
        fps: frames per second of such pictures.
    """

    path: str
    label: int | Tensor = 0
    frames: tuple[str, ...] = ()
    fps: float | None = None


class Records(Protocol):
    """The rows of a split; what data sets differ in."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> Record: ...

    def fingerprint(self) -> dict[str, str | int]:
        """What tells two data sets apart, as plain values for a JSON file."""
        ...
