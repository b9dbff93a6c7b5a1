"""Runs a function over many items in processes that may crash, hang or eat memory: one item's loss.

What decodes damaged files is native code. It may end its process, or never come back; so each
worker is watched, ended when its time is up, and replaced.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

In = TypeVar("In")
Out = TypeVar("Out")
_NONE: Any = object()  # no more items
_NO_MEMORY = "allocate memory"  # in the message of PyTorch's RuntimeError


@dataclass(frozen=True)
class Limits:
    """What one item may take: seconds, and MB of memory on top of what a worker has at rest."""

    seconds: float = 120.0
    megabytes: int = 2048


@dataclass(frozen=True)
class Outcome(Generic[In, Out]):
    """What came of an item: a value; or what ended its process, which is the item's fault."""

    item: In
    value: Out | None = None
    lost: str = ""


def run_isolated(
    function: Callable[[In], Out],
    items: Iterable[In],
    *,
    workers: int = 1,
    limits: Limits = Limits(),
) -> Iterator[Outcome[In, Out]]:
    """Outcomes of ``function(item)`` as they are ready, not in order.

    Args:
        function: of a module, or a `functools.partial` of one; what it raises is a bug, but for
            OSError: it means that nothing can be written.
        workers: processes, at least one; they end when this process does, however it ends.

    Raises:
        OSError: the function raised it.
        RuntimeError: the function raised something else, or a worker could not begin.
    """
    waiting = iter(items)
    pool: list[_Worker] = []
    try:
        while True:
            while len(pool) < max(workers, 1) and (item := next(waiting, _NONE)) is not _NONE:
                pool.append(_Worker(function, item, limits))
            if not pool:
                return
            nearest = min(worker.deadline for worker in pool)
            timeout = None if nearest == float("inf") else max(nearest - time.monotonic(), 0)
            ready = wait([worker.pipe for worker in pool], timeout)
            for worker in list(pool):
                outcome = worker.outcome(worker.pipe in ready)
                if outcome is None:
                    continue
                yield outcome
                if not outcome.lost and (item := next(waiting, _NONE)) is not _NONE:
                    worker.give(item)
                    continue
                worker.end()
                pool.remove(worker)
    finally:
        for worker in pool:
            worker.end()


class _Worker:
    """A process, and the item that it has."""

    def __init__(self, function: Callable[[Any], Any], item: Any, limits: Limits) -> None:
        context = _context(function)
        self.pipe, theirs = context.Pipe()
        arguments = (function, theirs, limits.megabytes)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.limits, self.item = limits, item
        self.deadline = float("inf")  # counted from when it is ready: importing may take long

    def give(self, item: Any) -> None:
        self.item, self.deadline = item, time.monotonic() + self.limits.seconds
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(item)  # one that died meanwhile is noticed when it is waited for

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def outcome(self, answered: bool) -> Outcome | None:
        """What came of its item; None if that is not known yet."""
        if not answered:
            late = time.monotonic() >= self.deadline
            return self._lost(f"no end after {self.limits.seconds:g} s") if late else None
        try:
            kind, value = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join(timeout=5)
            code = self.process.exitcode
            if self.deadline == float("inf"):
                raise RuntimeError(f"a worker could not begin (exit code {code})") from None
            return self._lost(_death(code))
        if kind == "ready":
            self.give(self.item)
            return None
        if kind == "memory":
            # Nobody knows what a library makes of memory that it did not get: start afresh.
            return self._lost(f"takes more than {self.limits.megabytes} MB of memory")
        if kind == "system":
            raise OSError(*value)
        if kind == "raised":
            raise RuntimeError(f"{self.item!r}: {value}")
        return Outcome(self.item, value)

    def _lost(self, why: str) -> Outcome:
        return Outcome(self.item, lost=why)


def _context(function: Callable[[Any], Any]) -> Any:
    """Processes forked from one that has imported everything and done nothing.

    Forked from this one they might inherit locks of threads that they do not have; begun afresh
    each would import PyTorch for seconds, after each crash.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, getattr(function, "func", function).__module__])
    return context


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"the decoder crashed ({signal.Signals(-code).name})"
    return f"the decoder ended its process (exit code {code})"


def _serve(function: Callable[[Any], Any], pipe: Connection, megabytes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit_memory(megabytes)
    pipe.send(("ready", None))
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        try:
            answer: tuple[str, Any] = ("value", function(item))
        except MemoryError:
            answer = ("memory", None)
        except OSError as error:
            code, text = error.errno or 0, error.strerror or str(error)
            answer = ("system", (code, text, error.filename))
        except Exception as error:
            kind = "memory" if _NO_MEMORY in str(error) else "raised"
            answer = (kind, f"{type(error).__name__}: {error}")
        pipe.send(answer)


def _end_with_parent() -> None:
    """A worker of a process that was killed would go on writing, beside those of the next one."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def limit_memory(megabytes: int) -> None:
    """Let this process take at most so much on top of what it has; nothing outside Linux."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return
    import resource

    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    has = int(fields["VmData"].split()[0]) << 10
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = has + (megabytes << 20)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
