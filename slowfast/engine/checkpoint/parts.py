"""Names for what is still being written, and what is left of it when its writer was killed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from pathlib import Path

from slowfast.log import LOGGER

_PART = re.compile(r"\..*checkpoint_.*\.(?:pyth|dcp)(?:\.sha256)?@(?P<host>.+)-(?P<pid>\d+)\.part")
_ABANDONED = 3600.0  # seconds: no save goes so long without writing a byte


def part_path(path: Path) -> Path:
    """Where this process writes `path` before it is whole: beside it, hidden."""
    return path.with_name(f".{path.name}@{socket.gethostname()}-{os.getpid()}.part")


def replaced_path(path: Path) -> Path:
    """Where a folder waits while another one takes its name; see `put_in_place`."""
    return path.with_name(f".{path.name}.replaced")


def put_in_place(part: Path, path: Path) -> None:
    """Give the finished folder `part` the name `path`, in place of a folder that has it.

    A file would replace another one at once, but a folder can't. A crash between the two renames
    leaves the old one under a name that `tidy` finds.
    """
    old = replaced_path(path)
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(path, old)
    os.replace(part, path)
    shutil.rmtree(old, ignore_errors=True)


def tidy(folder: Path) -> None:
    """Put folders back whose replacement was cut off, and remove what killed saves left.

    Of parts, those of processes of this machine that are no more, and those of other machines
    that have not grown for an hour; never one that somebody may be writing.
    """
    for each in folder.iterdir() if folder.is_dir() else []:
        if each.name.startswith(".") and each.name.endswith(".replaced"):
            path = each.with_name(each.name[1:].removesuffix(".replaced"))
            if path.exists():
                shutil.rmtree(each, ignore_errors=True)
            else:
                os.replace(each, path)
        elif (match := _PART.fullmatch(each.name)) and _is_stale(each, match):
            LOGGER.info("removing %s, which a killed process left", each)
            remove(each)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_stale(part: Path, match: re.Match[str]) -> bool:
    if match["host"] != socket.gethostname():
        return time.time() - _last_change(part) > _ABANDONED
    pid = int(match["pid"])
    return pid == os.getpid() or not _is_alive(pid)


def _last_change(part: Path) -> float:
    files = part.iterdir() if part.is_dir() else []
    return max(each.stat().st_mtime for each in (part, *files))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
