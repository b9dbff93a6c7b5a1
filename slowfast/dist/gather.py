"""Rows that every rank has some of, brought together on rank 0 and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from slowfast.dist.ranks import gather_objects, is_main, world_size

Columns = Mapping[str, Tensor]
Layout = dict[str, tuple[torch.dtype, tuple[int, ...]]]


def gather_rows(columns: Columns, *, chunk_bytes: int = 1 << 26) -> dict[str, Tensor] | None:
    """The rows of rank 0, then those of rank 1, ...: on rank 0; None on the others.

    All that goes to the other ranks is how many rows each has, and of which kind.

    Args:
        columns: tensors (N, ...) on the CPU, a row of each belonging together; N may differ
            between ranks, and a rank without rows may have no columns at all.
        chunk_bytes: what rank 0 receives at a time, so that it needs hardly more memory than the
            result takes.

    Raises:
        ValueError: two ranks have rows of different kinds.
    """
    if world_size() == 1:
        return dict(columns)
    rows = {len(column) for column in columns.values()} or {0}
    assert len(rows) == 1, f"columns of one table have {sorted(rows)} rows"
    mine = {name: (column.dtype, tuple(column.shape[1:])) for name, column in columns.items()}
    told = gather_objects((rows.pop(), mine))
    counts = [count for count, _ in told]
    layout = _common_layout([layout for _, layout in told])
    gathered = {
        name: _gather_column(columns.get(name), counts, *kind, chunk_bytes=chunk_bytes)
        for name, kind in layout.items()
    }
    return gathered if is_main() else None  # type: ignore[return-value]


def gather_to_main(value: Any) -> list[Any] | None:
    """What every rank holds, in the order of ranks, on rank 0; None on the others."""
    if world_size() == 1:
        return [value]
    values: list[Any] | None = [None] * world_size() if is_main() else None
    dist.gather_object(value, values, dst=0)
    return values


def _common_layout(layouts: Sequence[Layout]) -> Layout:
    filled = {index: layout for index, layout in enumerate(layouts) if layout}
    if not filled:
        return {}
    first, expected = next(iter(filled.items()))
    for index, layout in filled.items():
        if layout != expected:
            raise ValueError(
                f"gathering results: expected rows of one kind on all ranks, got {expected} on "
                f"rank {first} and {layout} on rank {index}; start all of them with one config "
                "and one data set"
            )
    return expected


def _gather_column(
    column: Tensor | None,
    counts: Sequence[int],
    dtype: torch.dtype,
    shape: tuple[int, ...],
    *,
    chunk_bytes: int,
) -> Tensor | None:
    """One column as bytes, a part of every rank's rows at a time."""
    mine = _bytes(torch.empty(0, *shape, dtype=dtype) if column is None else column.contiguous())
    starts, longest, width = list(accumulate(counts, initial=0)), max(counts), mine.shape[1]
    whole = torch.empty(starts[-1] if is_main() else 0, *shape, dtype=dtype)
    into = _bytes(whole)
    step = max(chunk_bytes // (max(width, 1) * len(counts)), 1)
    for begin in range(0, longest if width else 0, step):
        # All send as many rows as the one with most; a test gives them equally many but for one.
        part = torch.zeros(min(step, longest - begin), width, dtype=torch.uint8)
        rows = mine[begin : begin + step]
        part[: len(rows)] = rows
        received = _gather_parts(part.to(_wire()))
        for start, count, each in zip(starts, counts, received, strict=False):
            taken = min(max(count - begin, 0), len(part))
            into[start + begin : start + begin + taken] = each[:taken].cpu()
    return whole if is_main() else None


def _bytes(rows: Tensor) -> Tensor:
    """The same memory as uint8 (N, bytes of a row), which any backend sends."""
    return rows.view(len(rows), math.prod(rows.shape[1:])).view(torch.uint8)


def _gather_parts(part: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(part) for _ in range(world_size())] if is_main() else []
    dist.gather(part, parts or None, dst=0)
    return parts


def _wire() -> torch.device:
    """Where tensors must be to be sent: NCCL takes those of a GPU only."""
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
