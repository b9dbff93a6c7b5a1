"""Mirrors slowfast/dist/gather.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from slowfast.dist.gather import gather_rows, gather_to_main


def table(first: int, rows: int) -> dict[str, Tensor]:
    """Columns of four types; none for no rows, as of a rank that got no video."""
    ids = torch.arange(first, first + rows)
    if not rows:
        return {}
    columns = {
        "ids": ids,
        "scores": ids[:, None].double() / 3 + torch.arange(5),
        "seen": ids[:, None, None] % torch.arange(2, 6).view(2, 2) == 0,
        "none": torch.empty(rows, 0),
    }
    return columns


@pytest.mark.parametrize("chunk_bytes", [1, 100, 1 << 20])
@pytest.mark.parametrize("counts", [(3, 0, 7), (0, 2), (1, 1, 1, 1), (0, 0)])
def test_rows_of_all_ranks_come_to_rank_0_in_order(
    thread_ranks: Callable[[int], Any], counts: tuple[int, ...], chunk_bytes: int
) -> None:
    starts = [sum(counts[:rank]) for rank in range(len(counts))]
    found = thread_ranks(len(counts)).run(
        lambda rank: gather_rows(table(starts[rank], counts[rank]), chunk_bytes=chunk_bytes)
    )
    assert found[1:] == [None] * (len(counts) - 1)
    expected = table(0, sum(counts))
    assert found[0].keys() == expected.keys()
    for name, column in expected.items():
        assert found[0][name].dtype == column.dtype
        assert torch.equal(found[0][name], column)


def test_only_rank_0_receives_and_hardly_more_than_there_is(
    thread_ranks: Callable[[int], Any],
) -> None:
    ranks = thread_ranks(3)
    rows = torch.rand(10, 4)
    ranks.run(lambda rank: gather_rows({"rows": rows[rank::3]}))
    assert ranks.received == [3 * 4 * rows[0].nbytes, 0, 0]


def test_ranks_that_disagree_are_named(thread_ranks: Callable[[int], Any]) -> None:
    def gather(rank: int) -> None:
        with pytest.raises(ValueError, match=r"rows of one kind .* \(4,\).* rank 0 .* rank 1"):
            gather_rows({"rows": torch.rand(2, 4 + rank)})

    thread_ranks(2).run(gather)


def test_objects_come_to_rank_0(thread_ranks: Callable[[int], Any]) -> None:
    assert thread_ranks(2).run(gather_to_main) == [[0, 1], None]


def test_alone_nothing_is_sent() -> None:
    rows = torch.rand(2, 3)
    assert gather_rows({"rows": rows}) == {"rows": rows}
    assert gather_to_main("mine") == ["mine"]
