"""Mirrors slowfast/data/samplers.py."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import Tensor

from slowfast.data.samplers import EvalBatches, TrainBatches


def global_batches(world: int, *, epoch: int = 0, first: int = 0) -> list[list[tuple[int, int]]]:
    ranks = [TrainBatches(50, 8, rank=r, world=world, seed=1) for r in range(world)]
    for rank in ranks:
        rank.set_position(epoch, first)
    parts = zip(*ranks, strict=True)
    return [[key for part in batch for key in part] for batch in parts]


def test_the_order_does_not_depend_on_the_number_of_ranks() -> None:
    for epoch in (0, 3):
        one = global_batches(1, epoch=epoch)
        assert global_batches(2, epoch=epoch) == global_batches(4, epoch=epoch) == one
        rows = [row for batch in one for _, row in batch]
        assert len(rows) == len(set(rows)) == 48  # the last two do not fill a batch
        assert {e for batch in one for e, _ in batch} == {epoch}


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    one = TrainBatches(50, 8, rank=0, world=1, seed=1)
    other = TrainBatches(50, 8, rank=0, world=1, seed=2)
    assert sorted(one.order(0).tolist()) == list(range(50))
    assert not torch.equal(one.order(0), one.order(1))
    assert not torch.equal(one.order(0), other.order(0))


def test_the_order_of_an_epoch_stays_what_it_was() -> None:
    """Runs of earlier versions go on in the middle of an epoch."""
    batches = TrainBatches(10, 2, rank=0, world=1, seed=1)
    assert batches.order(0).tolist() == [2, 9, 4, 5, 1, 7, 3, 6, 8, 0]


def test_it_can_begin_at_any_batch() -> None:
    assert global_batches(2, epoch=1, first=4) == global_batches(1, epoch=1)[4:]
    batches = TrainBatches(50, 8, rank=0, world=1, seed=1)
    batches.set_position(0, 6)
    assert list(batches) == []
    assert len(batches) == 6


def test_evaluation_counts_each_video_once() -> None:
    for world in (1, 2, 3):
        ranks = [EvalBatches(10, 4, rank=r, world=world) for r in range(world)]
        rows = [row for rank in ranks for batch in rank for _, row in batch]
        assert sorted(rows) == list(range(10))
        assert all(len(rank) == len(list(rank)) for rank in ranks)


def test_impossible_batches_are_refused() -> None:
    with pytest.raises(ValueError, match=r"TRAIN.BATCH_SIZE \(9\) cannot be divided among 2"):
        TrainBatches(50, 9, rank=0, world=2, seed=0)
    with pytest.raises(ValueError, match="5 videos, which do not fill one batch of 8"):
        TrainBatches(5, 8, rank=0, world=1, seed=0)


def rows_of(ranks: list[EvalBatches]) -> Tensor:
    return torch.cat([torch.tensor(list(rank.rows), dtype=torch.int64) for rank in ranks])


@pytest.mark.parametrize(("size", "batch"), [(1024, 1024), (5000, 2048), (9001, 4096)])
def test_a_thousand_ranks_share_an_epoch(size: int, batch: int) -> None:
    whole = TrainBatches(size, batch, rank=0, world=1, seed=1)
    whole.set_position(2)
    ranks = [TrainBatches(size, batch, rank=r, world=1024, seed=1) for r in range(1024)]
    for rank in ranks:
        rank.set_position(2)
    shared = torch.stack([rank.rows() for rank in ranks], dim=1)
    assert shared.shape == (size // batch, 1024, batch // 1024)
    assert torch.equal(shared.flatten(1), whole.rows())
    assert len(shared.unique()) == shared.numel() == size // batch * batch


@pytest.mark.parametrize("size", [0, 7, 1023, 1024, 5001])
def test_a_thousand_ranks_share_an_evaluation(size: int) -> None:
    ranks = [EvalBatches(size, 8, rank=r, world=1024) for r in range(1024)]
    assert torch.equal(rows_of(ranks).sort().values, torch.arange(size))
    lengths = [len(rank.rows) for rank in ranks]
    assert max(lengths) - min(lengths) <= 1
    assert sum(len(batch) for rank in ranks for batch in rank) == size


def test_a_position_is_two_numbers_however_long_the_list() -> None:
    batches = TrainBatches(10_000_000, 4096, rank=3, world=1024, seed=1)
    batches.set_position(7, 1000)
    assert len(pickle.dumps(batches)) < 1024
    assert len(pickle.dumps(EvalBatches(10_000_000, 8, rank=3, world=1024))) < 1024
    rows = TrainBatches(4096, 64, rank=3, world=16, seed=1).rows()
    assert rows.untyped_storage().nbytes() == rows.nbytes, "the whole order is not kept"
