"""Decomposed relative positions of attention (MViT v2, 2112.01526, Sec. 4.1).

The logit of a query and a key gets R_h + R_w + R_t, each the product of the query with an
embedding of their distance along one axis.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from slowfast.ops.pos_embed import Grid


def distances(queries: int, keys: int, device: torch.device | None = None) -> Tensor:
    """Row of the table for each query and key along an axis, int64 (queries, keys).

    The axis with fewer positions is stretched to the other; the smallest distance is row 0.
    """
    stretch_q, stretch_k = max(keys / queries, 1.0), max(queries / keys, 1.0)
    q = torch.arange(queries, device=device)[:, None] * stretch_q
    k = torch.arange(keys, device=device)[None, :] * stretch_k
    return (q - k + (keys - 1) * stretch_k).long()


def axis_embeddings(table: Tensor, queries: int, keys: int) -> Tensor:
    """(R, C) -> (queries, keys, C); a table for another size is interpolated linearly."""
    rows = 2 * max(queries, keys) - 1
    if table.shape[0] != rows:
        resized = F.interpolate(table.float().T.unsqueeze(0), rows, mode="linear")
        table = resized[0].T.to(table.dtype)
    return table[distances(queries, keys, table.device)]


def relative_logits(
    q: Tensor,
    q_grid: Grid,
    k_grid: Grid,
    *,
    height: Tensor | None,
    width: Tensor | None,
    time: Tensor | None,
) -> Tensor:
    """What to add to the logits of queries (N, heads, T * H * W, C), without a class token.

    Args:
        height, width, time: tables (2 * size - 1, C); None: no positions along that axis.

    Shape: (N, heads, T * H * W of the queries, T * H * W of the keys).
    """
    n, heads = q.shape[:2]
    q = q.unflatten(2, q_grid)
    total = q.new_zeros(())
    # The keys of an axis stand where the logits have them: (..., T, H, W of the keys).
    for table, axis, letters in (
        (height, 1, "nhtyxc,ykc->nhtyxk"),
        (width, 2, "nhtyxc,xkc->nhtyxk"),
        (time, 0, "nhtyxc,tkc->nhtyxk"),
    ):
        if table is None:
            continue
        embeddings = axis_embeddings(table, q_grid[axis], k_grid[axis]).to(q.dtype)
        part = torch.einsum(letters, q, embeddings)
        shape = [1, 1, 1]
        shape[axis] = k_grid[axis]
        total = total + part.unflatten(-1, shape)
    logits = total.expand(n, heads, *q_grid, *k_grid)
    return logits.flatten(5).flatten(2, 4)
