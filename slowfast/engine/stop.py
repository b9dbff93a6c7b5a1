"""Signals that ask a run to stop: all ranks finish the same step, save it and say so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slowfast import dist
from slowfast.engine.to_host import ToHost

# What schedulers send before a time limit (SIGTERM, SIGUSR1) and what Ctrl-C sends; Windows has
# no SIGUSR1.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
)
EXIT_INTERRUPTED = 130  # Ctrl-C, as shells have it
EXIT_RUN_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong, try again
GRACE = 25.0  # seconds; launchers kill 30 s after they have asked


class Interrupted(Exception):
    """Asked to stop by a signal; the state of this very step has been saved."""

    def __init__(self, signal_number: int, checkpoint: Path) -> None:
        super().__init__(
            f"stopped by {signal.Signals(signal_number).name}; the state is in {checkpoint}, "
            "and the same command goes on from there"
        )
        by_hand = signal_number == signal.SIGINT
        self.exit_code = EXIT_INTERRUPTED if by_hand else EXIT_RUN_AGAIN


class StopSignal:
    """Remembers the first of `SIGNALS`; one process alone obeys a second one at once.

    With several processes, a scheduler, a terminal and the launcher each signal all of them, so
    that further signals are obeyed only when `GRACE` seconds were not enough, and none hurts while
    a process ends after an error.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._alone = dist.world_size() == 1 and not dist.started_outside()
        self._since = 0.0
        self._old: dict[int, Any] = {}
        try:
            for number in SIGNALS:
                self._old[number] = signal.signal(number, self._note)
        except ValueError:
            self._old.clear()  # not the main thread: signals belong to somebody else

    def _note(self, number: int, frame: Any) -> None:
        if not self.asked:
            self.asked, self._since = number, time.monotonic()
            # The signal may have come in the middle of a log line, which can't be entered again.
            with suppress(OSError):  # a console that has gone
                os.write(2, f"{signal.Signals(number).name}: saving after this step\n".encode())
            if self._alone:
                self.restore()
        elif time.monotonic() - self._since > GRACE:
            self.restore()
            os.kill(os.getpid(), number)

    def __enter__(self) -> StopSignal:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if self._alone or kind is None:
            self.restore()

    def restore(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._old.clear()


def wishes(asked: int, like: Tensor) -> Tensor:
    """(len(SIGNALS),) flags of the signal that this process was sent, to be summed over ranks."""
    flags = torch.zeros(len(SIGNALS), dtype=torch.float64, device=like.device)
    if asked:
        flags[SIGNALS.index(asked)].fill_(1)  # a fill: nobody waits for a copy to the device
    return flags


def agreed(counts: list[float]) -> int:
    """The signal to obey, of how many ranks were sent each of `SIGNALS`; 0 for none."""
    return next((int(s) for s, count in zip(SIGNALS, counts, strict=True) if count), 0)


class StopVote:
    """Whether any rank was asked to stop, put to all of them once a batch.

    Args:
        stop: of this process.
        device: that collectives use.
        votes: how often all ranks ask; a rank with more batches is told False after that.
    """

    def __init__(self, stop: StopSignal, device: torch.device, *, votes: int) -> None:
        self.stop, self.left = stop, votes
        self.number = 0  # of the signal that all obey
        self._like = torch.zeros((), device=device)
        self._waiting: ToHost | None = None

    def __call__(self) -> bool:
        if self.number or not self.left:
            return bool(self.number)
        self.left -= 1
        flags = dist.begin_sum(wishes(self.stop.asked, self._like))()
        late, self._waiting = self._waiting, ToHost(flags)
        # On a GPU the vote before this one is read, which nobody has to wait for.
        ready = late if flags.is_cuda else self._waiting
        if ready is not None:
            self.number = agreed(ready.read())
        return bool(self.number)


def agree_to_stop(stop: StopSignal, device: torch.device) -> int:
    """The signal that all ranks obey now, 0 for none; this waits for all of them."""
    flags = dist.begin_sum(wishes(stop.asked, torch.zeros((), device=device)))()
    return agreed(ToHost(flags).read())


class PassCutShort(Exception):
    """All ranks stop at this batch."""


class StoppableLoader:
    """A loader whose passes end with `PassCutShort` as soon as ``vote`` says so."""

    def __init__(self, loader: Any, vote: StopVote) -> None:
        self.loader, self.vote = loader, vote

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            if self.vote():
                raise PassCutShort
            yield batch
