"""One training at a time in a folder: two would go on from each other's checkpoints."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slowfast import dist
from slowfast.log import LOGGER

_PATIENCE = 10.0  # seconds in which a run that is ending saves its last step
_NAME = ".training"  # who trains in the folder, or did last


@contextmanager
def only_training_in(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, which goes with the process of rank 0, however that ends.

    File systems without locks, and Windows, go without.

    Raises:
        ValueError: another process of this machine trains there. One of another machine is warned
            of: the lock of a machine that has crashed may stay for a while.
    """
    if not dist.is_main():
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield  # whoever writes the first file there says what is wrong
        return
    try:
        if _locked(number):
            os.truncate(number, 0)
            os.write(number, f"{socket.gethostname()} {os.getpid()}\n".encode())
        else:
            _complain(folder, os.read(number, 1000).decode(errors="replace").split())
        yield
    finally:
        os.close(number)


def _locked(number: int) -> bool:
    """Whether this process has the lock now, or there is no such thing here."""
    if sys.platform == "win32":
        return True
    import fcntl  # there is none on Windows

    end = time.monotonic() + _PATIENCE
    while True:
        try:
            # Not flock: processes that this one forks, loader workers for one, would have it too.
            fcntl.lockf(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except (BlockingIOError, PermissionError):
            if time.monotonic() > end:
                return False
            time.sleep(0.2)
        except OSError:
            return True


def _complain(folder: Path, holder: list[str]) -> None:
    host, process = [*holder, "?", "?"][:2]
    said = f"OUTPUT_DIR {folder}: process {process} of {host} trains in it"
    if host == socket.gethostname():
        raise ValueError(
            f"{said}, and two runs would go on from each other's checkpoints; wait for its end (at "
            "SIGTERM it saves and ends), or set another OUTPUT_DIR"
        )
    LOGGER.warning(
        "%s, as it seems; unless that machine has crashed, stop one of the two: they would go on "
        "from each other's checkpoints",
        said,
    )
