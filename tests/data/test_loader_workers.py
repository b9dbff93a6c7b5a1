"""Mirrors slowfast/data/loader_workers.py: workers that are lost or raise name their video."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from slowfast.data.clip_dataset import ClipDataset
from slowfast.data.clips import UniformViews
from slowfast.data.loader import EvalLoader
from slowfast.data.loader_workers import SampleBug, WorkerBoard, WorkerLost, attended
from slowfast.data.manifest import Manifest
from slowfast.data.readers.source import open_source
from slowfast.data.record import Record
from slowfast.data.samplers import EvalBatches
from slowfast.data.sampling import UniformClips
from slowfast.data.view import all_views


class Troubled:
    """Reads clips, but for row 5."""

    def __init__(self, trouble: str) -> None:
        self.trouble = trouble
        self.views = UniformViews(open_source, all_views(1, 1), UniformClips(4, 2), 48, 48)

    def __call__(self, record: Record, *, epoch: int, row: int) -> object:
        if row == 5:
            if self.trouble == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.trouble == "slow":
                time.sleep(60)
            raise IndexError("list index out of range")
        return self.views(record, epoch=epoch, row=row)


def loader_of(paths: list[Path], trouble: str, workers: int) -> EvalLoader:
    manifest = Manifest.from_rows((str(path), i) for i, path in enumerate(paths))
    data = ClipDataset(manifest, Troubled(trouble))  # type: ignore[arg-type]
    batches = EvalBatches(len(data), 2, rank=0, world=1)
    return EvalLoader(data, batches, num_workers=workers)


def test_a_worker_that_is_killed_names_its_video(videos: list[Path]) -> None:
    loader = loader_of(videos, "killed", 2)
    with pytest.raises(WorkerLost) as caught, attended(None, loader):
        list(loader)
    said = str(caught.value)
    assert said.startswith("a loader worker ended (killed): process ")
    assert f"which read {videos[5]} (row 5, epoch 0)" in said
    assert "set fewer DATA_LOADER.NUM_WORKERS" in said
    assert "\n" not in said
    assert isinstance(caught.value, OSError)  # one line, and worth another attempt


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bug_names_the_video_before_its_traceback(workers: int, videos: list[Path]) -> None:
    loader = loader_of(videos, "raising", workers)
    with pytest.raises(SampleBug) as caught, attended(loader):
        list(loader)
    said = str(caught.value)
    assert said.startswith(
        f"{videos[5]} (row 5, epoch 0): reading this video raised IndexError: list index out of "
        "range. That is a bug in what reads"
    )
    if workers:
        assert 'raise IndexError("list index out of range")' in said
    else:
        assert isinstance(caught.value.__cause__, IndexError)


def test_other_errors_pass_and_workers_end_at_once(videos: list[Path]) -> None:
    """Even one that is at work for a minute."""
    others = set(multiprocessing.active_children())
    loader = loader_of(videos, "slow", 1)
    workers = []

    def fail() -> None:
        next(iter(loader))
        workers.extend(set(multiprocessing.active_children()) - others)
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match=r"^something else$"), attended(loader):
        fail()
    (worker,) = workers
    worker.join(30)
    assert worker.exitcode == 0


def test_the_board_knows_who_reads_what() -> None:
    board = WorkerBoard(2)
    board.enter(1)
    assert board.reading(os.getpid()) is None
    board.note(1, (3, 70_000_000_000))
    assert board.reading(os.getpid()) == (3, 70_000_000_000)
    assert board.reading(-1) is None
