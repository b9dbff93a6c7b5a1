"""At which seconds of videos persons are looked for."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from slowfast.data.datasets.annotated_boxes import did_you_mean
from slowfast.data.datasets.ava_boxes import read_keyframes


class Moments(Protocol):
    """Which keyframes are asked for; `str` of it tells an unfinished list for others from one."""

    def videos(self, files: Sequence[Path]) -> list[Path]:
        """Those that are looked at."""
        ...

    def __call__(self, video: str, start: float, end: float) -> list[float]:
        """Seconds of a video, increasing, from ``start`` on and before ``end``.

        Args:
            start, end: what the seconds of its first frame and of its end are called.
        """
        ...


@dataclass(frozen=True)
class EveryStep:
    """Multiples of a step while the video lasts, but for the moment of its first frame."""

    step: float  # seconds

    def videos(self, files: Sequence[Path]) -> list[Path]:
        return list(files)

    def __call__(self, video: str, start: float, end: float) -> list[float]:
        # 900 is the 9000th tenth, though 900 // 0.1 is 8999.
        number, found = math.floor(round(start / self.step, 6)) + 1, list[float]()
        while (second := round(number * self.step, 6)) < end:
            found.append(second)
            number += 1
        return found


class KeyframesOf:
    """The keyframes of lists of boxes in AVA's format, so that what is found can be judged by them.

    Raises:
        ValueError: there is no such list, or a line is not like that.
    """

    def __init__(self, lists: Sequence[Path]) -> None:
        self.shown = ", ".join(map(str, lists))
        for path in lists:
            if not path.is_file():
                raise ValueError(
                    f"{path}: expected a list of boxes in AVA's format, whose keyframes are looked "
                    "at, found nothing; check --keyframes"
                )
        self.seconds: Mapping[str, list[float]] = read_keyframes(*lists)

    def __str__(self) -> str:
        text = repr(sorted(self.seconds.items()))
        return f"keyframes {hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()}"

    def videos(self, files: Sequence[Path]) -> list[Path]:
        known = {path.stem for path in files}
        if missing := sorted(self.seconds.keys() - known):
            raise ValueError(
                f"{self.shown}: expected keyframes of videos in {files[0].parent}, found "
                f"{len(missing)} video(s) that are not there, the first is {missing[0]!r}"
                f"{did_you_mean(missing[0], known)}; rename it, or set --videos to their folder"
            )
        return [path for path in files if path.stem in self.seconds]

    def __call__(self, video: str, start: float, end: float) -> list[float]:
        seconds = self.seconds[video]
        if outside := [second for second in seconds if not start <= second < end]:
            raise ValueError(
                f"{self.shown}: expected keyframes of {video!r} from second {start:g} to "
                f"{end:.2f}, found second {outside[0]:g}; set --start-second to what the list "
                "calls the first frame"
            )
        return seconds
