"""Mirrors slowfast/data/short_cycle.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from slowfast.data.samplers import TrainBatches
from slowfast.data.short_cycle import ShortCycle, short_batches, short_crops

PARITY = Path(__file__).parents[1] / "parity" / "schedules.json"
FACTORS = (0.5, 0.5**0.5)


def keys(world: int, *, epoch: int = 0, first: int = 0, size: int = 60) -> list[list[tuple]]:
    parts = []
    for rank in range(world):
        batches = TrainBatches(size, 2 * world, rank=rank, world=world, seed=1)
        cycle = ShortCycle(batches, [8, 4, 4])
        cycle.set_position(epoch, first)
        parts.append(list(cycle))
        assert len(cycle) == len(parts[-1]) + first
    return [[key for part in batch for key in part] for batch in zip(*parts, strict=True)]


def test_the_published_batches() -> None:
    """56 videos: eight, four and two in turn, and each with its place in the cycle."""
    wanted = json.loads(PARITY.read_text())["multigrid"]
    (demo,) = (each["short_cycle_demo_batch2"] for each in wanted.values())
    assert short_batches(2, 224, 224, FACTORS) == demo["batch_sizes"]
    batches = TrainBatches(56, 2, rank=0, world=1, seed=0)
    batches.order = lambda epoch: torch.arange(56)
    cycle = ShortCycle(batches, demo["batch_sizes"])
    found = [[batch[0][1], batch[-1][1], batch[0][2], len(batch)] for batch in cycle]
    assert found == demo["batches"]
    assert len(cycle) == demo["len"]


def test_as_many_pixels_with_every_crop() -> None:
    assert short_crops(224, FACTORS) == [112, 158]
    assert short_batches(16, 158, 224, FACTORS) == [32, 16, 16]  # the crop is one of the cycle
    assert short_batches(64, 158, 224, FACTORS) == [128, 64, 64]
    assert short_batches(4, 100, 224, FACTORS) == [4, 4, 4]  # never fewer than without


def test_global_batches_do_not_depend_on_the_number_of_ranks() -> None:
    one = keys(1, epoch=3)
    assert keys(2, epoch=3) == keys(4, epoch=3) == one
    assert [len(batch) for batch in one] == [8, 4, 4] * 3 + [8, 4]
    rows = [row for batch in one for _, row, _ in batch]
    assert len(set(rows)) == len(rows) == 60
    assert {place for batch in one[::3] for *_, place in batch} == {0}


@pytest.mark.parametrize("first", [1, 2, 3, 7])
def test_it_can_begin_at_any_batch(first: int) -> None:
    assert keys(2, epoch=1, first=first) == keys(1, epoch=1)[first:]


def test_impossible_batches_are_refused() -> None:
    batches = TrainBatches(20, 4, rank=0, world=2, seed=0)
    with pytest.raises(ValueError, match=r"a batch of 9 clips of MULTIGRID\.SHORT_CYCLE cannot"):
        ShortCycle(batches, [9, 4])
    with pytest.raises(ValueError, match=r"^20 videos do not fill the first batch .*, 32; lower"):
        ShortCycle(batches, [32, 16])
    assert ShortCycle(batches, [8, 4]).batch_size == 4
