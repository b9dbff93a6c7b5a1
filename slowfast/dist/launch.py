"""How a function is started on all processes, and whose error is the one to show."""

from __future__ import annotations

import datetime
import logging
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlparse

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from slowfast.dist.ranks import local_rank, started_outside

# Exceptions whose message alone tells a user what to change.
USER_ERRORS = ("ValueError", "ConfigError", "CheckpointError", "VideoError", "FileNotFoundError")


def launch(
    function: Callable[..., Any],
    *args: Any,
    processes: int = 1,
    machines: int = 1,
    machine: int = 0,
    init_method: str | None = None,
    backend: str = "gloo",
    timeout_minutes: float = 30.0,
) -> Any:
    """Run ``function(*args)`` on every process and return what rank 0 returned.

    One process runs here. Several are started by torch's elastic launcher on a free port, or at
    ``init_method`` ("tcp://host:port") when there is more than one machine. Under torchrun the
    processes exist already, and the environment says who this one is.

    Args:
        processes: processes on this machine.
        machines, machine: how many machines there are and which one this is, from 0.
        backend: "nccl" or "gloo".
        timeout_minutes: how long a collective may wait for the slowest process.

    Raises:
        ValueError: several machines without an address where they meet, or what the first
            process that failed raised as such.
    """
    if started_outside():
        return _run_worker(function, args, backend, timeout_minutes)
    if processes * machines == 1:
        return function(*args)
    address = urlparse(init_method or "").netloc
    if machines > 1 and not address:
        raise ValueError(
            f"{machines} machines (NUM_SHARDS) need an address where they meet: pass "
            "--init_method tcp://HOST:PORT with the host name of the machine with SHARD_ID 0"
        )
    config = LaunchConfig(
        min_nodes=machines,
        max_nodes=machines,
        nproc_per_node=processes,
        run_id="slowfast",
        rdzv_backend="static" if machines > 1 else "c10d",
        rdzv_endpoint=address if machines > 1 else "localhost:0",
        rdzv_configs={"rank": machine, "timeout": timeout_minutes * 60},
        max_restarts=0,
        monitor_interval=0.5,
    )
    # Each child that fails is reported twice by torch; the first cause is raised below.
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    try:
        results = elastic_launch(config, _run_worker)(function, args, backend, timeout_minutes)
    except ChildFailedError as error:
        mistake = _users_mistake(error)
        if mistake is None:
            raise
        raise ValueError(mistake) from error
    return results.get(0)


def _users_mistake(error: ChildFailedError) -> str | None:
    """The message of the first rank that failed, if it is one for users and not of a bug."""
    _, failure = error.get_first_failure()
    said = failure.error_file_data.get("message", "") if failure.error_file_data else ""
    said = said.get("message", "") if isinstance(said, dict) else said
    kind, _, text = str(said).partition(": ")
    return text if kind.rpartition(".")[2] in USER_ERRORS else None


def _run_worker(
    function: Callable[..., Any], args: tuple[Any, ...], backend: str, timeout_minutes: float
) -> Any:
    if backend == "nccl":
        torch.cuda.set_device(local_rank())
    if int(os.environ["WORLD_SIZE"]) == 1:
        return function(*args)
    # Nobody goes on before all are connected: one that failed at once would break the others'
    # connections, and their error would be shown instead of its own.
    os.environ.setdefault("TORCH_DIST_INIT_BARRIER", "1")
    dist.init_process_group(backend, timeout=datetime.timedelta(minutes=timeout_minutes))
    try:
        return function(*args)
    finally:
        dist.destroy_process_group()
