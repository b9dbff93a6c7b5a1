"""A few processes that form a group, forked from one that has imported torch and done no more."""

from __future__ import annotations

import importlib.util
import inspect
import multiprocessing
import pickle
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
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
    # Not of this process: threads that its libraries have started are missing in a fork of it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["slowfast.engine.train"])
    with tempfile.TemporaryDirectory() as folder:
        pipes, started = [], []
        for rank in range(processes):
            mine, theirs = context.Pipe(duplex=False)
            work = (_place(function), pickle.dumps(args))
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


def _place(function: Callable[..., Any]) -> tuple[str, str]:
    """File and name of a function at the top of it, which need not be a module that is found."""
    return inspect.getfile(function), function.__name__


def _load(file: str, name: str) -> Callable[..., Any]:
    """The function of `_place`: of the module itself, where there is one of that file."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == file:
            return getattr(module, name)  # type: ignore[no-any-return]
    spec = importlib.util.spec_from_file_location(f"forked_{Path(file).stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return getattr(module, name)  # type: ignore[no-any-return]


def _run(
    pipe: Connection,
    work: tuple[tuple[str, str], bytes],
    rank: int,
    world: int,
    store: str,
    seconds: float,
) -> None:
    torch.set_num_threads(1)
    if world > 1:
        distributed.init_process_group(
            "gloo",
            init_method=store,
            rank=rank,
            world_size=world,
            timeout=timedelta(seconds=seconds),
        )
    try:
        place, args = work
        result = _load(*place)(*pickle.loads(args))
        # Not `send`, which lends tensors instead of giving them, and this process ends.
        pipe.send_bytes(pickle.dumps((result, "")))
    except BaseException:
        pipe.send_bytes(pickle.dumps((None, f"rank {rank}: {traceback.format_exc()}")))
    finally:
        if world > 1:
            distributed.destroy_process_group()
