"""Processes: who am I, how many are we, and how a function is started on all of them."""

from slowfast.dist.launch import launch
from slowfast.dist.ranks import (
    barrier,
    begin_sum,
    broadcast_object,
    first_process,
    gather_objects,
    is_main,
    local_rank,
    rank,
    started_outside,
    world_size,
)

__all__ = [
    "barrier",
    "begin_sum",
    "broadcast_object",
    "first_process",
    "gather_objects",
    "is_main",
    "launch",
    "local_rank",
    "rank",
    "started_outside",
    "world_size",
]
