"""Mirrors slowfast/ops/rel_pos.py."""

from __future__ import annotations

import torch

from slowfast.ops.rel_pos import axis_embeddings, distances, relative_logits


def test_distances_by_hand() -> None:
    assert distances(3, 3).tolist() == [[2, 1, 0], [3, 2, 1], [4, 3, 2]]
    # Two keys under four queries: keys stand at 0 and 2.
    assert distances(4, 2).tolist() == [[2, 0], [3, 1], [4, 2], [5, 3]]
    assert distances(2, 4).tolist() == [[3, 2, 1, 0], [5, 4, 3, 2]]


def test_tables_are_interpolated_linearly() -> None:
    table = torch.tensor([[0.0], [1.0], [2.0]])  # for two positions
    assert axis_embeddings(table, 2, 2)[..., 0].tolist() == [[1, 0], [2, 1]]
    grown = axis_embeddings(table, 3, 3)[..., 0]
    assert grown.diagonal().tolist() == [1, 1, 1]
    assert grown[2, 0] > grown[1, 0] > grown[0, 0]


def test_logits_are_the_sum_of_the_axes() -> None:
    """Against a loop over every pair of a query and a key."""
    torch.manual_seed(0)
    q_grid, k_grid = (2, 4, 2), (2, 2, 1)
    q = torch.randn(2, 3, 16, 5)
    height, width, time = torch.randn(7, 5), torch.randn(3, 5), torch.randn(3, 5)
    logits = relative_logits(q, q_grid, k_grid, height=height, width=width, time=time)
    assert logits.shape == (2, 3, 16, 4)
    tables = [axis_embeddings(t, q_grid[a], k_grid[a]) for a, t in enumerate((time, height, width))]
    queries = list(torch.cartesian_prod(*map(torch.arange, q_grid)))
    keys = list(torch.cartesian_prod(*map(torch.arange, k_grid)))
    for i, place_q in enumerate(queries):
        for j, place_k in enumerate(keys):
            embedding = sum(t[a, b] for t, a, b in zip(tables, place_q, place_k, strict=True))
            expected = q[:, :, i] @ embedding
            torch.testing.assert_close(logits[:, :, i, j], expected)


def test_axes_may_be_missing() -> None:
    q, table = torch.randn(1, 1, 8, 4), torch.randn(3, 4)
    grid = (2, 2, 2)
    only_time = relative_logits(q, grid, grid, height=None, width=None, time=table)
    assert only_time.shape == (1, 1, 8, 8)
    by_key = only_time.unflatten(-1, grid)
    assert (by_key == by_key[..., :1, :1]).all()
