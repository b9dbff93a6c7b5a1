"""Who this process is, how many there are, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch.distributed as dist
from torch import Tensor


def rank() -> int:
    return dist.get_rank() if _is_on() else 0


def world_size() -> int:
    return dist.get_world_size() if _is_on() else 1


def local_rank() -> int:
    """Rank on this machine: the number of the GPU to use."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_main() -> bool:
    return rank() == 0


def barrier() -> None:
    if _is_on():
        dist.barrier()


def gather_objects(value: Any) -> list[Any]:
    """What every rank holds, in the order of ranks, on every rank."""
    if not _is_on():
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def broadcast_object(value: Any) -> Any:
    """Rank 0's value, on every rank."""
    if not _is_on():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def begin_sum(values: Tensor) -> Callable[[], Tensor]:
    """Begin to add ``values`` up over all ranks, in place; the function returned gives the sums.

    What is computed between the two calls is computed while ranks talk.
    """
    if not _is_on():
        return lambda: values
    work = dist.all_reduce(values, async_op=True)

    def result() -> Tensor:
        work.wait()  # of NCCL, the device waits, not the host
        return values

    return result


def first_process() -> bool:
    """Whether this is the first process of a job, also before or after the ranks exist."""
    return int(os.environ.get("RANK", "0")) == 0


def started_outside() -> bool:
    """Whether torchrun (or another launcher) has already made the processes."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def _is_on() -> bool:
    return dist.is_available() and dist.is_initialized()
