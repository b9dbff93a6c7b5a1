"""Loaders: worker processes around a dataset, without a trace in the global random state."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader

from slowfast import dist
from slowfast.data.batch import BadSample, Batch, Sample
from slowfast.data.clip_dataset import ClipDataset
from slowfast.data.collate import collate
from slowfast.data.loader_workers import NotedDataset, WorkerBoard, end_when_asked
from slowfast.data.readers.video_error import VideoError
from slowfast.data.samplers import EvalBatches, TrainBatches
from slowfast.data.short_cycle import ShortCycle


class TrainLoader:
    """Training batches of this rank; one pass is what is left of one epoch.

    Args:
        dataset: random views.
        batches: which videos, in which order.
        num_workers: processes that decode; they live as long as the loader. 0: this process.
        prefetch: batches that each of them has ready.
        pin_memory: for copies to a GPU that do not wait.
        stop_on_bad: a video that cannot be read ends the run; else `Batch.bad` tells.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        batches: TrainBatches | ShortCycle,
        *,
        num_workers: int = 0,
        prefetch: int = 2,
        pin_memory: bool = False,
        stop_on_bad: bool = True,
    ) -> None:
        self.dataset, self.batches, self.stop_on_bad = dataset, batches, stop_on_bad
        self.num_workers, self.board = num_workers, WorkerBoard(num_workers)
        self._loader = _make_loader(
            NotedDataset(dataset, self.board),
            batch_sampler=batches,
            collate_fn=collate,
            num_workers=num_workers,
            prefetch=prefetch,
            pin_memory=pin_memory,
        )

    def set_position(self, epoch: int, batch: int = 0) -> None:
        """Begin the next pass at batch ``batch`` of ``epoch``, both from 0."""
        self.batches.set_position(epoch, batch)

    def __len__(self) -> int:
        """Batches of a whole epoch, wherever the next pass begins."""
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        """Batches from the set position to the end of the epoch.

        A batch is empty if none of its videos can be read.

        Raises:
            VideoError: a video cannot be read and ``stop_on_bad`` is set; or a batch is empty
                and other processes wait for its gradients.
        """
        for batch in self._loader:
            _stop(batch.bad, self.stop_on_bad)
            if not len(batch) and dist.world_size() > 1:
                raise VideoError(
                    f"no video of a batch can be read, the first because: {batch.bad[0].cause}; "
                    "check DATA.PATH_PREFIX, or set DATA.ON_BAD_SAMPLE substitute"
                )
            yield batch


class EvalLoader:
    """Every video of this rank once: as batches (val), or one by one with all views (test).

    Videos that cannot be read are never replaced. They are in `Batch.bad`, or are items
    themselves, unless ``stop_on_bad`` is set.

    Args:
        dataset: the same views at each pass.
        batches: which videos.
        one_by_one: give `Sample` or `BadSample` for each video.
        num_workers, prefetch, pin_memory, stop_on_bad: as in `TrainLoader`.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        batches: EvalBatches,
        *,
        one_by_one: bool = False,
        num_workers: int = 0,
        prefetch: int = 2,
        pin_memory: bool = False,
        stop_on_bad: bool = True,
    ) -> None:
        self.dataset, self.batches, self.stop_on_bad = dataset, batches, stop_on_bad
        self.one_by_one, self.board = one_by_one, WorkerBoard(num_workers)
        self._loader = _make_loader(
            NotedDataset(dataset, self.board),
            batch_sampler=batches,
            collate_fn=_only if one_by_one else collate,
            num_workers=num_workers,
            prefetch=prefetch,
            pin_memory=pin_memory,
        )

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        """`Batch` objects; or `Sample` and `BadSample` if ``one_by_one``.

        Raises:
            VideoError: a video cannot be read and ``stop_on_bad`` is set.
        """
        for item in self._loader:
            if isinstance(item, BadSample):
                _stop([item], self.stop_on_bad)
            elif isinstance(item, Batch):
                _stop(item.bad, self.stop_on_bad)
            yield item


def _make_loader(
    dataset: NotedDataset,
    *,
    batch_sampler: Any,
    collate_fn: Any,
    num_workers: int,
    prefetch: int,
    pin_memory: bool,
) -> DataLoader:
    return DataLoader(
        dataset,
        batch_sampler=batch_sampler,
        collate_fn=collate_fn,
        num_workers=num_workers,
        prefetch_factor=prefetch if num_workers else None,
        persistent_workers=num_workers > 0,
        pin_memory=pin_memory and torch.cuda.is_available(),
        worker_init_fn=partial(_begin, board=dataset.board),
        # A generator of its own: else each pass draws a number from the global one, and a
        # resumed run goes on with other random numbers than the undisturbed one.
        generator=torch.Generator(),
    )


def _begin(worker: int, *, board: WorkerBoard) -> None:
    _leave_signals_to_the_parent(worker)
    end_when_asked()
    board.enter(worker)  # from now on it can be asked


def _leave_signals_to_the_parent(worker: int) -> None:
    """Signals often go to a whole process group; the parent saves first, then ends its workers.

    The first SIGTERM is passed over, the next one is the parent's own.
    """

    def pass_over(number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, pass_over)


def _only(items: list[Sample | BadSample]) -> Sample | BadSample:
    (item,) = items
    return item


def _stop(bad: list[BadSample], stop: bool) -> None:
    """Raised here and not in a worker, so that the user sees one line."""
    if bad and stop:
        raise VideoError(bad[0].cause)
