"""Processes: who am I, how many are we, and how a function is started on all of them."""

from slowfast.dist.environment import Job, Wanted, find_job
from slowfast.dist.failure import ProcessFailed, Stopped
from slowfast.dist.launch import launch
from slowfast.dist.ranks import (
    any_rank,
    barrier,
    begin_sum,
    broadcast_object,
    first_process,
    gather_objects,
    gpu,
    has_own_gpu,
    is_main,
    local_rank,
    new_group,
    processes_from_cfg,
    rank,
    started_outside,
    world_size,
)
from slowfast.dist.watchdog import progress

__all__ = [
    "Job",
    "ProcessFailed",
    "Stopped",
    "Wanted",
    "any_rank",
    "barrier",
    "begin_sum",
    "broadcast_object",
    "find_job",
    "first_process",
    "gather_objects",
    "gpu",
    "has_own_gpu",
    "is_main",
    "launch",
    "local_rank",
    "new_group",
    "processes_from_cfg",
    "progress",
    "rank",
    "started_outside",
    "world_size",
]
