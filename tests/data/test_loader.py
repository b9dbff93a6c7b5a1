"""Mirrors slowfast/data/loader.py: the same clips whatever the workers, ranks and interruptions."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slowfast import dist
from slowfast.data.batch import BadSample, Batch, Sample
from slowfast.data.clip_dataset import ClipDataset
from slowfast.data.clips import RandomViews, UniformViews
from slowfast.data.loader import EvalLoader, TrainLoader, _leave_signals_to_the_parent
from slowfast.data.manifest import Manifest
from slowfast.data.readers.source import open_source
from slowfast.data.readers.video_error import VideoError
from slowfast.data.samplers import EvalBatches, TrainBatches
from slowfast.data.sampling import RandomClip, UniformClips
from slowfast.data.transforms.spatial import RandomShortSideCrop
from slowfast.data.view import all_views


def train_loader(
    paths: list[Path], *, rank: int = 0, world: int = 1, substitute: bool = False, **options: Any
) -> TrainLoader:
    manifest = Manifest.from_rows((str(path), i) for i, path in enumerate(paths))
    crop = RandomShortSideCrop(64, 80, 32)
    views = RandomViews(open_source, all_views(1, 1), RandomClip(4, 2), crop, 1, "train")
    data = ClipDataset(manifest, views, substitute=substitute)
    batches = TrainBatches(len(data), 4, rank=rank, world=world, seed=1)
    return TrainLoader(data, batches, **options)


def eval_loader(paths: list[Path], *, rank: int = 0, world: int = 1, **options: Any) -> EvalLoader:
    manifest = Manifest.from_rows((str(path), i) for i, path in enumerate(paths))
    views = UniformViews(open_source, all_views(2, 3), UniformClips(4, 2), 48, 48)
    data = ClipDataset(manifest, views)
    size = 1 if options.get("one_by_one") else 4
    return EvalLoader(data, EvalBatches(len(data), size, rank=rank, world=world), **options)


def epoch_of(loader: TrainLoader, epoch: int, batch: int = 0) -> list[Batch]:
    loader.set_position(epoch, batch)
    return list(loader)


def same(ours: list[Batch], theirs: list[Batch]) -> bool:
    return len(ours) == len(theirs) and all(
        torch.equal(a.clips, b.clips) and torch.equal(a.labels, b.labels) and a.paths == b.paths
        for a, b in zip(ours, theirs, strict=True)
    )


@pytest.fixture(scope="module")
def reference(videos: list[Path]) -> list[list[Batch]]:
    loader = train_loader(videos)
    return [epoch_of(loader, epoch) for epoch in range(2)]


def test_the_reference_is_worth_comparing(reference: list[list[Batch]]) -> None:
    first, second = reference
    assert len(first) == 3
    assert first[0].clips.shape == (4, 4, 32, 32, 3)
    assert {v for batch in first for v in batch.videos.tolist()} == set(range(12))
    assert not same(first, second)


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_change_nothing(
    workers: int, videos: list[Path], reference: list[list[Batch]]
) -> None:
    loader = train_loader(videos, num_workers=workers)
    assert len(loader) == 3
    for epoch in (0, 1, 0):  # the same processes, and back again
        assert same(epoch_of(loader, epoch), reference[epoch])
    assert same(epoch_of(loader, 1, 2), reference[1][2:])
    assert len(loader) == 3


def test_ranks_change_nothing(videos: list[Path], reference: list[list[Batch]]) -> None:
    ranks = [train_loader(videos, rank=rank, world=2) for rank in range(2)]
    for epoch in range(2):
        parts = [epoch_of(loader, epoch) for loader in ranks]
        for whole, *halves in zip(reference[epoch], *parts, strict=True):
            assert torch.equal(whole.clips, torch.cat([half.clips for half in halves]))
            assert whole.paths == [path for half in halves for path in half.paths]


def test_a_pass_cut_short_leaves_nothing_behind(
    videos: list[Path], reference: list[list[Batch]]
) -> None:
    """As after an interruption, or where precise BN takes a few batches only."""
    loader = train_loader(videos, num_workers=2)
    for taken, batch in enumerate(loader, start=1):
        assert same([batch], reference[0][taken - 1 : taken])
        if taken == 1:
            break
    assert same(epoch_of(loader, 0, 1), reference[0][1:])


def test_global_random_states_are_left_alone(videos: list[Path]) -> None:
    def states() -> tuple[Any, ...]:
        numpy_state: Any = np.random.get_state()
        return random.getstate(), torch.get_rng_state().tolist(), numpy_state[1].tolist()

    before = states()
    for workers in (0, 2):
        epoch_of(train_loader(videos, num_workers=workers), 0)
        list(eval_loader(videos, num_workers=workers))
    assert states() == before


def test_test_videos_come_one_by_one_on_one_rank_each(videos: list[Path]) -> None:
    seen = []
    for rank in range(2):
        loader = eval_loader(videos[:5], rank=rank, world=2, one_by_one=True, num_workers=rank)
        assert len(loader) == 3 - rank
        for sample in loader:
            assert isinstance(sample, Sample)
            assert sample.clips().shape == (6, 4, 48, 48, 3)
            seen.append(sample.video)
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_val_batches_hold_each_video_once_and_repeat(videos: list[Path]) -> None:
    loader = eval_loader(videos[:6])
    first, second = list(loader), list(loader)
    assert [len(batch) for batch in first] == [24, 12]  # six views a video here
    assert same(first, second)


# ---- videos that can't be read --------------------------------------------------------------


@pytest.fixture
def damaged(videos: list[Path], tmp_path: Path) -> list[Path]:
    return [*videos[:5], tmp_path / "missing.mp4", *videos[6:]]


@pytest.mark.parametrize("workers", [0, 2])
def test_one_line_stops_the_run_at_a_bad_video(workers: int, damaged: list[Path]) -> None:
    said = ""
    try:
        list(train_loader(damaged, num_workers=workers))
    except VideoError as error:  # kept, it would keep the loader: its workers end late then
        said = str(error)
    assert said.startswith(f"{damaged[5]}: expected a video file, found nothing")
    assert "\n" not in said  # and not the traceback of a worker
    for one_by_one in (False, True):
        with pytest.raises(VideoError, match="found nothing"):
            list(eval_loader(damaged, num_workers=workers, one_by_one=one_by_one))


def test_a_bad_video_is_left_out_or_replaced_in_training(damaged: list[Path]) -> None:
    skipped = list(train_loader(damaged, stop_on_bad=False))
    assert sorted(len(batch) for batch in skipped) == [3, 4, 4]
    assert [bad.path for batch in skipped for bad in batch.bad] == [str(damaged[5])]
    one, two = (
        list(train_loader(damaged, stop_on_bad=False, substitute=True, num_workers=n))
        for n in (0, 2)
    )
    assert same(one, two)
    assert [len(batch) for batch in one] == [4, 4, 4]
    (bad,) = [bad for batch in one for bad in batch.bad]
    assert bad.video == 5
    assert bad.replaced_by is not None


def test_evaluation_leaves_a_bad_video_out_and_says_so(damaged: list[Path]) -> None:
    items = list(eval_loader(damaged, one_by_one=True, stop_on_bad=False))
    assert [type(item) for item in items].count(BadSample) == 1
    assert isinstance(items[5], BadSample)
    batches = list(eval_loader(damaged, stop_on_bad=False))
    assert sum(len(batch) for batch in batches) == 11 * 6
    assert [bad.video for batch in batches for bad in batch.bad] == [5]


def test_a_batch_without_a_video_is_empty(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.mp4" for i in range(4)]
    (batch,) = train_loader(paths, stop_on_bad=False)
    assert len(batch) == 0
    assert len(batch.bad) == 4


def test_a_batch_without_a_video_stops_ranks_that_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{i}.mp4" for i in range(4)]
    monkeypatch.setattr(dist, "world_size", lambda: 2)
    with pytest.raises(VideoError, match="no video of a batch can be read, the first because: "):
        list(train_loader(paths, stop_on_bad=False))


def test_workers_outlive_a_signal_to_the_whole_group(videos: list[Path]) -> None:
    others = set(multiprocessing.active_children())
    batches = iter(eval_loader(videos, num_workers=2))
    first = [next(batches), next(batches)]  # one of each worker: both are at work
    workers = set(multiprocessing.active_children()) - others
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker.pid, signal.SIGINT)
        os.kill(worker.pid, signal.SIGTERM)
    assert sum(map(len, [*first, *batches])) == len(videos) * 6


def test_a_second_sigterm_ends_a_worker() -> None:
    """It is the parent's own: a worker that hangs can be ended."""
    fork = multiprocessing.get_context("fork")
    said = fork.SimpleQueue()

    def outlive() -> None:
        _leave_signals_to_the_parent(0)
        os.kill(os.getpid(), signal.SIGTERM)
        said.put("still here")
        os.kill(os.getpid(), signal.SIGTERM)
        said.put("and still")

    worker = fork.Process(target=outlive)
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGTERM
    assert not said.empty()
    assert said.get() == "still here"
    assert said.empty()
