"""A few processes that form a group, made of this one: a battery need not import torch again."""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from torch import distributed


def run_forked(
    function: Callable[..., Any], *args: Any, processes: int, seconds: float = 120
) -> list[Any]:
    """What ``function(*args)`` returns on each of the processes of a gloo group, by rank.

    Args:
        processes: one runs in a process of its own, without a group.
        seconds: how long one may wait for another.

    Raises:
        RuntimeError: a process failed; with the traceback of the first that did.
    """
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        pipes, started = [], []
        for rank in range(processes):
            mine, theirs = context.Pipe(duplex=False)
            work = partial(function, *args)
            settings = (theirs, work, rank, processes, f"file://{folder}/store", seconds)
            process = context.Process(target=_run, args=settings, daemon=True)
            process.start()
            theirs.close()
            pipes.append(mine)
            started.append(process)
        results = [_received(pipe, rank, seconds) for rank, pipe in enumerate(pipes)]
        for process in started:
            process.join(seconds)
            process.kill()
    failed = [text for _, text in results if text]
    # A process whose partner has gone says less than the one that went.
    failed.sort(key=lambda text: "onnection" in text)
    if failed:
        raise RuntimeError(failed[0])
    return [value for value, _ in results]


def _received(pipe: Connection, rank: int, seconds: float) -> tuple[Any, str]:
    try:
        if not pipe.poll(2 * seconds):
            return None, f"rank {rank}: no answer"
        answer: tuple[Any, str] = pickle.loads(pipe.recv_bytes())
        return answer
    except EOFError:
        return None, f"rank {rank} ended without an answer: connection lost"


def _run(
    pipe: Connection,
    work: Callable[[], Any],
    rank: int,
    world: int,
    store: str,
    seconds: float,
) -> None:
    if world > 1:
        distributed.init_process_group(
            "gloo",
            init_method=store,
            rank=rank,
            world_size=world,
            timeout=timedelta(seconds=seconds),
        )
    try:
        # Not `send`, which lends tensors instead of giving them, and this process ends.
        pipe.send_bytes(pickle.dumps((work(), "")))
    except BaseException:
        pipe.send_bytes(pickle.dumps((None, f"rank {rank}: {traceback.format_exc()}")))
    finally:
        if world > 1:
            distributed.destroy_process_group()
