"""How a function is started on all processes of a run."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from slowfast.dist.output import printed_to_log
from slowfast.dist.ranks import started_outside

_LAUNCHES: Counter[str] = Counter()  # of this process, by name: all machines count alike


def launch(
    function: Callable[..., Any],
    *args: Any,
    processes: int = 1,
    machines: int = 1,
    machine: int = 0,
    init_method: str | None = None,
    backend: str = "gloo",
    timeout_minutes: float = 30.0,
    max_restarts: int = 0,
    output_dir: str | Path | None = None,
    run_id: str = "slowfast",
) -> Any:
    """Run ``function(*args)`` on every process and return what rank 0 returned.

    One process runs here. Several are started, and started again after a fault: on one machine
    by themselves, on several when all have met at ``init_method`` ("tcp://host:port"). Where the
    processes exist already, the environment says who this one is (`environment.find_job`).

    Args:
        function: found by its name in its module, as are the classes of its arguments.
        processes: processes on this machine.
        machines, machine: how many machines there are and which one this is, from 0.
        backend: "nccl" or "gloo".
        timeout_minutes: how long a collective may wait for the slowest process.
        max_restarts: how often all processes are started again after a fault.
        output_dir: for logs of ranks other than 0, and for stacks of processes that hang.
        run_id: the same on all machines.

    Raises:
        ValueError: several machines without an address where they meet, or what the first
            process that failed raised as such.
        Stopped: a signal asked for it, and what there was to save is saved.
        ProcessFailed: a process died, or a bug raised its error there.
    """
    # Only here: processes that have nothing to start need not import PyTorch's rendezvous.
    from slowfast.dist.worker import Call, Group

    folder = str(output_dir) if output_dir is not None else None
    group = Group(backend, timeout_minutes, folder)
    if started_outside():
        with printed_to_log(folder, int(os.environ["RANK"])):
            return group.run(function, args)
    if processes * machines == 1:
        return function(*args)
    if sys.platform == "win32":
        raise ValueError(
            f"{processes * machines} processes need Linux or macOS; set NUM_GPUS to 1 or 0, and "
            "leave --nproc and NUM_SHARDS out"
        )
    from slowfast.dist.agent import Agent, Signals
    from slowfast.dist.processes import Processes

    meeting = _meeting(function, processes, machines, machine, init_method, run_id)
    temporary = Path(tempfile.mkdtemp(prefix="slowfast-run-"))
    where = Path(folder) if folder is not None else None
    try:
        Call(function, args, group).write(temporary / "call")
        with Signals() as signals:
            return Agent(
                meeting,
                Processes(temporary, where),
                signals,
                count=processes,
                max_restarts=max_restarts,
                output_dir=where,
            ).launch()
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _meeting(
    function: Callable[..., Any],
    processes: int,
    machines: int,
    machine: int,
    init_method: str | None,
    run_id: str,
) -> Any:
    from slowfast.dist.meeting import Meeting

    address = urlparse(init_method if machines > 1 and init_method else "")
    if machines > 1 and not (address.hostname and address.port):
        raise ValueError(
            f"{machines} machines (NUM_SHARDS) need an address where they meet: pass "
            "--init_method tcp://HOST:PORT with the host name of the machine with SHARD_ID 0"
        )
    name = f"{run_id}/{getattr(function, '__name__', 'function')}"
    _LAUNCHES[name] += 1
    # One machine meets nobody: over the loop, which needs no network, at a port that is free.
    return Meeting(
        f"{name}/{_LAUNCHES[name]}",
        host=address.hostname or "127.0.0.1",
        port=address.port or 0,
        machine=machine,
        machines=machines,
        processes=processes,
    )
