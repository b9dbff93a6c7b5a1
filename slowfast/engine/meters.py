"""What the user watches: means, speed, time left, and how long the loop waited for data."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from slowfast import dist
from slowfast.data.core_time import tells_the_line

if sys.platform != "win32":
    import resource

T = TypeVar("T")

WAIT_LIMIT = 0.3  # waiting for data longer than this share of the time is called the limit


class Means:
    """Sample-weighted means of scalars that stay on the device until they are read.

    Values that are not finite are left out: one step that is skipped costs no figure.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.left_out: dict[str, Tensor] = {}  # samples, int64
        self.count = 0

    def update(self, values: Mapping[str, Tensor], count: int) -> None:
        for name, value in values.items():
            # float64 keeps the mean of an epoch exact to the digits shown.
            term = value.detach().to(torch.float64) * count
            sound = torch.isfinite(term)
            self._add(name, torch.where(sound, term, 0.0), (~sound) * count)
        self.count += count

    def _add(self, name: str, term: Tensor, left_out: Tensor) -> None:
        known = name in self.sums
        self.sums[name] = self.sums[name] + term if known else term
        self.left_out[name] = self.left_out[name] + left_out if known else left_out

    def read(self) -> dict[str, float]:
        """The means, as numbers, NaN if there are none; this waits for the device."""
        means = {}
        for name, total in self.sums.items():
            count = self.count - int(self.left_out[name])
            means[name] = total.item() / count if count else float("nan")
        return means

    def state(self) -> dict[str, Any]:
        return {
            "sums": {k: v.item() for k, v in self.sums.items()},
            "left_out": {k: int(v) for k, v in self.left_out.items()},
            "count": self.count,
        }

    def reset(self) -> None:
        self.sums, self.left_out, self.count = {}, {}, 0

    def load(self, state: Mapping[str, Any], *, device: torch.device) -> None:
        """Add a saved state."""
        left_out = state.get("left_out", {})
        for name, value in state["sums"].items():
            self._add(
                name,
                torch.tensor(value, dtype=torch.float64, device=device),
                torch.tensor(left_out.get(name, 0), device=device),
            )
        self.count += int(state["count"])


@dataclass
class Clock:
    """Where the time of a loop goes: waiting for the next batch, or using it."""

    waited: float = 0.0
    worked: float = 0.0
    clips: int = 0
    reading: float = 0.0  # seconds that workers took to read what was used
    decoding: float = 0.0  # seconds within them when they needed a core
    _since: float = field(default_factory=time.perf_counter)

    def batches(self, source: Iterable[T]) -> Iterator[T]:
        """Yield from ``source`` and count the time each `next` takes as waiting."""
        self._since = time.perf_counter()
        iterator = iter(source)
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                return
            now = time.perf_counter()
            self.waited += now - self._since
            self._since = now
            yield item
            now = time.perf_counter()
            self.worked += now - self._since
            self._since = now

    def update(self, clips: int, cost: tuple[float, float] = (0.0, 0.0)) -> None:
        """Count the clips of a batch, and what they cost to read (`Batch.cost`)."""
        self.clips += clips
        self.reading += cost[0]
        self.decoding += cost[1]

    def snapshot(self) -> tuple[float, ...]:
        """All figures up to this moment, the running iteration included."""
        worked = self.worked + time.perf_counter() - self._since
        return self.waited, worked, self.clips, self.reading, self.decoding


@dataclass(frozen=True)
class Speed:
    """Rates between two snapshots of a `Clock`."""

    seconds: float
    data_wait: float  # share of the time spent waiting for data, 0 to 1
    clips_per_s: float
    busy: float = 1.0  # share of the time of reading when a core was needed, 0 to 1

    @classmethod
    def between(cls, old: tuple[float, ...], new: tuple[float, ...]) -> Speed:
        waited, worked, clips, reading, decoding = (b - a for a, b in zip(old, new, strict=True))
        seconds = max(waited + worked, 1e-9)
        busy = decoding / reading if reading else 1.0
        return cls(seconds, waited / seconds, clips / seconds, busy)

    def verdict(self, workers: int, cores: int, *, in_line: bool | None = None) -> str:
        """One plain sentence: is the network, decoding or the disk the limit?

        Args:
            workers: loader processes on this machine, all training processes together.
            cores: that they may use.
            in_line: whether `busy` counts the time that workers stood in line for a core; None:
                as this system does.
        """
        share = f"{self.data_wait:.0%} of the time was spent waiting for data"
        if self.data_wait <= WAIT_LIMIT:
            return f"the network is the limit ({share})"
        there = f"{workers} worker{'s' * (workers != 1)} on {cores} core{'s' * (cores != 1)}"
        # Else more workers than cores wait for each other as they would for a disk.
        in_line = tells_the_line() if in_line is None else in_line
        if (in_line or workers <= cores) and self.busy < WAIT_LIMIT:
            return (
                f"the disk is the limit: {share}, and the workers waited for files "
                f"{1 - self.busy:.0%} of theirs ({there}). A faster disk, smaller files or, if it "
                "serves several at once, more workers (DATA_LOADER.NUM_WORKERS) would help"
            )
        more = "More workers (DATA_LOADER.NUM_WORKERS)" if workers < cores else "More cores"
        return (
            f"decoding is the limit: {share} ({there}). {more}, DATA.PIXELS yuv or files "
            "re-encoded at the size of training would help"
        )


def format_eta(seconds: float) -> str:
    """Hours, minutes and seconds left, as the field's logs print it: "1 day, 2:03:04"."""
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    prefix = f"{days} day{'s' if days > 1 else ''}, " if days else ""
    return f"{prefix}{hours}:{minutes:02d}:{secs:02d}"


def memory_gb() -> dict[str, float]:
    """Peak memory of the process, and of the GPU if there is one, in GB."""
    peak: dict[str, float] = {}
    if sys.platform != "win32":  # Windows keeps no such account
        unit = 1024**3 if sys.platform == "darwin" else 1024**2  # macOS counts bytes, Linux KB
        peak["RAM"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    if torch.cuda.is_available():
        peak["gpu_mem"] = torch.cuda.max_memory_allocated() / 1024**3
    return peak


class Progress:
    """A progress bar on a terminal, nothing elsewhere (the log has the lines).

    The watchdog of hanging processes is told of each step.
    """

    def __init__(self, title: str, total: int, *, start: int = 0, shown: bool = True) -> None:
        # tqdm's own test for a terminal: None switches the bar off when stderr is none.
        self._bar = tqdm(
            total=total,
            initial=start,
            desc=title,
            dynamic_ncols=True,
            leave=False,
            disable=None if shown else True,
        )

    def step(self, **shown: str) -> None:
        if shown:
            self._bar.set_postfix(shown, refresh=False)
        self._bar.update()
        dist.progress()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.close()
