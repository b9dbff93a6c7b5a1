"""Who writes to a folder: two runs in one would mix their figures and take each other's states."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from slowfast.log import LOGGER

_NAME = ".in_use"


class Claim:
    """A folder's mark, held by this process until `release` or its end, however that comes.

    Whoever finds it held is told, and no more: a process that hangs, or its file system, may hold
    it longer than it should, and must not keep a run from going on.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = -1
        if os.name != "posix":  # elsewhere nothing can be held that the end of a process frees
            return
        fcntl = importlib.import_module("fcntl")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o666)
            # Not `flock`: loader workers would inherit it, and outlive a process that is killed.
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            LOGGER.warning(
                "%s: another run seems to write to this OUTPUT_DIR at the moment; if it does, the "
                "figures of both are mixed and one goes on from the other's states: stop one, or "
                "give it another OUTPUT_DIR",
                folder,
            )
        except OSError:  # a file system on which nothing can be held
            self.release()

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.release()
