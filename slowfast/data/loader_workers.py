"""Worker processes of a loader: what each one reads, how one that is lost is told, and their end.

PyTorch says that a worker was killed, or that something was raised in it, but not by which video.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch.utils.data import Dataset, get_worker_info

from slowfast.data.clip_dataset import ClipDataset

_LOST = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)")
_PID, _EPOCH, _ROW = range(3)
# Ends a worker with exit code 0; one that is killed instead would be reported as lost.
_END = getattr(signal, "SIGUSR2", None)


class WorkerLost(ChildProcessError):
    """A worker was killed or crashed; an `OSError`, for the next attempt may well succeed."""


class SampleBug(RuntimeError):
    """Reading a video raised what reading never should; the message begins with the video."""

    def __init__(self, text: str) -> None:
        # PyTorch makes the error anew of the traceback in the worker, which ends with the message.
        super().__init__(text.rpartition("SampleBug: ")[2])


class WorkerBoard:
    """Shared memory in which each worker notes its process and the key that it reads."""

    def __init__(self, workers: int) -> None:
        self._notes = torch.full((max(workers, 1), 3), -1, dtype=torch.int64).share_memory_()

    def enter(self, worker: int) -> None:
        self._notes[worker, _PID] = os.getpid()

    def note(self, worker: int, key: tuple[int, int]) -> None:
        self._notes[worker, _EPOCH:] = torch.tensor(key)

    def reading(self, pid: int) -> tuple[int, int] | None:
        """(epoch, row) that the process with ``pid`` began last; None if it has begun none."""
        for noted, epoch, row in self._notes.tolist():
            if noted == pid and row >= 0:
                return epoch, row
        return None

    def end_workers(self) -> None:
        """Ask the workers that are alive to end at once, whatever they do."""
        noted = set(self._notes[:, _PID].tolist())
        for process in multiprocessing.active_children():
            if process.pid in noted and _END is not None:
                os.kill(process.pid, _END)  # type: ignore[arg-type]


class NotedDataset(Dataset):
    """A dataset whose workers note what they read, and name it if reading raises."""

    def __init__(self, dataset: ClipDataset, board: WorkerBoard) -> None:
        self.dataset, self.board = dataset, board

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: Any) -> Any:
        info = get_worker_info()
        epoch, row = key[:2] if isinstance(key, tuple) else (0, key)
        if info is not None:
            self.board.note(info.id, (epoch, row))
        try:
            return self.dataset[key]
        except Exception as error:
            where = f"{self.dataset.records[row].path} (row {row}, epoch {epoch})"
            text = (
                f"{where}: reading this video raised {type(error).__name__}: {error}. That is a "
                "bug in what reads or transforms videos, not damage of the file"
            )
            if info is None:
                raise SampleBug(text) from error
            # Errors lose their cause on the way from a worker.
            raise SampleBug(f"{text}:\n{traceback.format_exc().strip()}") from None


class HasWorkers(Protocol):
    """`TrainLoader` or `EvalLoader`."""

    dataset: ClipDataset
    board: WorkerBoard


@contextmanager
def attended(*loaders: HasWorkers | None) -> Iterator[None]:
    """Name the video that a lost worker was at, and end all workers promptly at the end.

    PyTorch raises wherever the main thread is when a worker dies, which need not be the loader.

    Raises:
        WorkerLost: a worker was killed or crashed.
    """
    there = [loader for loader in loaders if loader is not None]
    try:
        yield
    except RuntimeError as error:
        lost = _explain(error, there)
        if lost is None:
            raise
        raise lost from None
    finally:
        for loader in there:
            loader.board.end_workers()


def _explain(error: RuntimeError, loaders: list[HasWorkers]) -> WorkerLost | None:
    match = _LOST.search(str(error))
    if match is None:
        return None
    # The signal is in this error or in its cause, whichever of two places noticed it first.
    how = re.search(r"killed by signal: ([\w ]+)", f"{error} {error.__cause__}")
    found = []
    for pid in map(int, match[1].split(",")):
        places = ((loader, loader.board.reading(pid)) for loader in loaders)
        at = [
            f"{loader.dataset.records[key[1]].path} (row {key[1]}, epoch {key[0]})"
            for loader, key in places
            if key is not None
        ]
        found.append(f"process {pid}, which read {at[0] if at else 'nothing yet'}")
    return WorkerLost(
        f"a loader worker ended ({how[1].strip().lower() if how else 'unexpectedly'}): "
        f"{'; '.join(found)}. Killed mostly means that memory ran out: set fewer "
        "DATA_LOADER.NUM_WORKERS, or a smaller DATA_LOADER.PREFETCH_FACTOR; a bus error, that "
        "/dev/shm is full. The same command goes on from the last checkpoint"
    )


def end_when_asked() -> None:
    """In a worker: obey `WorkerBoard.end_workers`."""
    if _END is not None:
        signal.signal(_END, _end)


def _end(number: int, frame: Any) -> None:
    os._exit(0)
