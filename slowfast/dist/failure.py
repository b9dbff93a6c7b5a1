"""Why a process ended, and which of several failures is the one to show."""

from __future__ import annotations

import re
import signal
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

# Exceptions whose message alone tells a user what to change.
USER_ERRORS = ("ValueError", "VideoError", "FileNotFoundError", "PermissionError")
# What a rank says when another one has gone, or keeps it waiting for too long.
_LOST = ("DistBackendError", "DistNetworkError", "DistStoreError")
_LOST_SAYING = re.compile(
    r"connection (was )?(closed|reset|refused)|broken pipe|timed out|time-?out|nccl|gloo", re.I
)
_LATE = re.compile(r"timed out|time-?out", re.I)


class Stopped(Exception):
    """Asked to stop by a signal; ``exit_code`` tells the scheduler whether to start again."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    @classmethod
    def by(cls, number: int) -> Stopped:
        name = signal.Signals(number).name
        code = 130 if number == signal.SIGINT else 75  # EX_TEMPFAIL
        return cls(f"stopped by {name}; the same command goes on from what is saved", code)


class ProcessFailed(Exception):
    """A process failed, and not by a user's mistake: its own traceback, or one line."""

    exit_code = 1


@dataclass(frozen=True)
class Failure:
    """How one process ended.

    Args:
        exit_code: of the process; below 0 it is the number of a signal, with the sign turned.
        kinds: names of the exception's classes, the most special first; empty if it said none.
        stop_code: the exit code that the run is to end with, if it was asked to stop.
    """

    rank: int
    exit_code: int
    when: float
    kinds: tuple[str, ...] = ()
    message: str = ""
    traceback: str = ""
    stop_code: int | None = None
    log: str = ""

    @classmethod
    def of(cls, error: BaseException, *, rank: int) -> Failure:
        code = getattr(error, "exit_code", None)
        return cls(
            rank=rank,
            exit_code=1,
            when=time.time(),
            kinds=tuple(kind.__name__ for kind in type(error).__mro__),
            message=str(error),
            traceback="".join(traceback.format_exception(error)),
            stop_code=code if isinstance(code, int) else None,
        )

    @classmethod
    def read(cls, record: dict[str, Any], *, log: str) -> Failure:
        return cls(**{**record, "kinds": tuple(record["kinds"]), "log": log})

    def record(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def of_user(self) -> bool:
        return any(kind in USER_ERRORS for kind in self.kinds)

    @property
    def final(self) -> bool:
        """Whether it would only happen again: a user's mistake, or a stop that was asked for."""
        return self.of_user or self.stop_code is not None

    @property
    def follows(self) -> bool:
        """Whether it may be the consequence of what happened to another process."""
        if not self.kinds:
            return self.exit_code == -signal.SIGABRT  # how PyTorch ends a lost rank on GPUs
        if any(kind in _LOST for kind in self.kinds):
            return True
        return self.kinds[0] == "RuntimeError" and bool(_LOST_SAYING.search(self.message))

    @property
    def late(self) -> bool:
        """Whether the rank waited for another one until the time-out."""
        return self.follows and bool(_LATE.search(self.message))

    def repeats(self, other: Failure | None) -> bool:
        """Whether it is the very error of an earlier attempt, and of the program itself."""
        return (
            other is not None
            and bool(self.kinds)
            and not self.follows
            and (self.kinds, self.message) == (other.kinds, other.message)
        )

    def line(self) -> str:
        """What happened, in one line."""
        log = f"; its log is {self.log}" if self.log else ""
        if self.kinds:
            said = next(iter(self.message.strip().splitlines()), "")
            cause = f"rank {self.rank}: {self.kinds[0]}: {said[:300]}"
            if self.late:
                return f"{cause} (no progress within DIST_TIMEOUT_MINUTES)"
            return f"{cause} (another rank may have gone)" if self.follows else cause
        if self.exit_code >= 0:
            return f"rank {self.rank} ended with code {self.exit_code} and no message{log}"
        name = signal.Signals(-self.exit_code).name
        cause = ", most likely because memory ran out (see `dmesg`)" if name == "SIGKILL" else ""
        return f"rank {self.rank} was killed by {name}{cause}{log}"

    def error(self, note: str = "") -> Exception:
        """What the one who launched the processes is to be told."""
        if self.stop_code is not None:
            return Stopped(self.message, self.stop_code)
        if self.of_user:
            return ValueError(self.message)
        if self.kinds and not self.follows:
            return ProcessFailed(f"{self.traceback.rstrip()}\n(of rank {self.rank}{note})")
        return ProcessFailed(self.line() + note)


def first_cause(failures: Sequence[Failure]) -> Failure:
    """The failure that the others follow from: the first that is no broken connection."""
    return min(failures, key=lambda failure: (failure.follows, failure.when))
