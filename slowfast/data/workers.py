"""How many loader processes a machine can feed, and how many batches they may keep ready."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

from slowfast.log import LOGGER

AUTOMATIC = -1
_GROUPS = Path("/sys/fs/cgroup")  # of Linux: the limits of containers and of schedulers' jobs
_MEMBERSHIP = Path("/proc/self/cgroup")  # which of these groups this process is in
_SHARED_MEMORY = Path("/dev/shm")
_USUAL_PREFETCH = 2


def usable_cores(groups: Path = _GROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Cores that this process may use: those it is bound to, less what its container allows."""
    bound = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    cores = len(bound(0)) if bound else os.cpu_count() or 1
    for folder in _folders(groups, membership):
        limit = _limit(folder)
        if limit is not None:
            cores = min(cores, max(int(limit), 1))
    return cores


def _folders(groups: Path, membership: Path) -> Iterator[Path]:
    """Those that may hold a limit of this process: of its group and of all around that one.

    Version 2 of control groups has one tree, version 1 one for each kind of limit. A container
    often sees its own group as the root, whatever its path is outside.
    """
    yield groups
    yield groups / "cpu"
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = [*line.split(":", 2), "", ""][:3]
        if kinds and "cpu" not in kinds.split(","):
            continue
        tree = groups / kinds if kinds else groups
        inner = PurePosixPath(path.lstrip("/"))
        yield from (tree / part for part in (inner, *inner.parents))


def _limit(folder: Path) -> float | None:
    """Cores that a group may use together, None: as many as it likes."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = ((folder / name).read_text() for name in names)
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # not there; "max"
        return None


def worker_count(asked: int, *, processes: int, cores: int | None = None) -> int:
    """Loader processes for one of ``processes`` training processes on this machine.

    Each of them decodes with one thread, so that more than there are cores do not help.

    Args:
        asked: DATA_LOADER.NUM_WORKERS; `AUTOMATIC`: one a core, less one for each training process.
        cores: of the machine; None: as found.
    """
    cores = usable_cores() if cores is None else cores
    if asked == AUTOMATIC:
        return max(cores // processes - 1, 1)
    if asked * processes > cores:
        _warn(asked, processes, cores)
    return asked


@cache  # train, val and test ask for the same
def _warn(asked: int, processes: int, cores: int) -> None:
    LOGGER.warning(
        "DATA_LOADER.NUM_WORKERS is %d for each of %d process(es), and there are %d cores: more "
        "processes than cores decode no faster; -1 chooses the number",
        asked,
        processes,
        cores,
    )


def prefetch_count(
    asked: int, *, workers: int, batch_bytes: int, shared_bytes: int | None = None
) -> int:
    """Batches that each worker has ready.

    Args:
        asked: DATA_LOADER.PREFETCH_FACTOR; `AUTOMATIC`: two, or fewer if those of all workers
            would fill more than half of the shared memory that they lie in.
        shared_bytes: free shared memory; None: as found.
    """
    if asked != AUTOMATIC:
        return asked
    if shared_bytes is None:
        if not _SHARED_MEMORY.is_dir():
            return _USUAL_PREFETCH
        shared_bytes = shutil.disk_usage(_SHARED_MEMORY).free
    ready = max(workers, 1) * max(batch_bytes, 1)
    return min(max(shared_bytes // 2 // ready, 1), _USUAL_PREFETCH)
