"""Signals that ask a run to stop: the step under way is finished and saved first."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from slowfast import dist


class Interrupted(Exception):
    """Asked to stop by a signal; the state of this very step has been saved."""

    def __init__(self, signal_number: int, checkpoint: Path) -> None:
        super().__init__(
            f"stopped by {signal.Signals(signal_number).name}; the state is in {checkpoint}, "
            "and the same command goes on from there"
        )
        self.exit_code = 128 + signal_number


class StopSignal:
    """Remembers the first SIGINT or SIGTERM; a second one acts at once."""

    def __init__(self) -> None:
        self.asked = 0
        self._old: dict[int, Any] = {}
        # With several ranks the launcher passes signals on, and all would have to agree on the
        # step; there the last saved checkpoint is what a restart goes on from.
        if dist.world_size() == 1:
            try:
                for number in (signal.SIGINT, signal.SIGTERM):
                    self._old[number] = signal.signal(number, self._note)
            except ValueError:
                self._old.clear()  # not the main thread: signals belong to somebody else

    def _note(self, number: int, frame: Any) -> None:
        self.asked = number
        # The signal may have come in the middle of a log line, which can't be entered again.
        os.write(2, f"{signal.Signals(number).name}: saving after this step\n".encode())
        self.restore()

    def restore(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._old.clear()
