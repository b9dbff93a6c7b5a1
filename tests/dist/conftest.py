"""Ranks as threads of one process, for tests of what they send to each other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from torch import Tensor

REPORT = """
import json, os, pathlib, pickle, signal, sys, time
folder, rank = pathlib.Path(os.environ["SLOWFAST_REPORTS"]), int(os.environ["RANK"])
out, attempt = folder.parent, int(folder.name.removeprefix("attempt"))
STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
def done(value):
    part = folder / f"part{rank}"
    part.write_bytes(pickle.dumps(value))
    part.rename(folder / f"result_rank{rank}")
def failed(*kinds, said, stop_code=None):
    record = {"rank": rank, "exit_code": 1, "when": time.time(), "kinds": kinds,
              "message": said, "traceback": "Traceback", "stop_code": stop_code, "log": ""}
    part = folder / f"part{rank}"
    part.write_text(json.dumps(record))
    part.rename(folder / f"failure_rank{rank}.json")
    sys.exit(1)
"""


@pytest.fixture
def report() -> str:
    """Code with which a process reports how it went, in place of slowfast.dist.worker."""
    return REPORT


class ThreadRanks:
    """The part of torch.distributed that is used, between threads; counts bytes by receiver."""

    def __init__(self, world: int) -> None:
        self.world, self.received = world, [0] * world
        self._here = threading.local()
        self._all_came, self._all_went = threading.Barrier(world), threading.Barrier(world)
        self._box: list[Any] = [None] * world

    def run(self, function: Callable[[int], Any]) -> list[Any]:
        """What ``function(rank)`` returned on each rank."""

        def call(rank: int) -> Any:
            self._here.rank = rank
            return function(rank)

        with ThreadPoolExecutor(self.world) as threads:
            return list(threads.map(call, range(self.world)))

    def is_available(self) -> bool:
        return True

    is_initialized = is_available

    def get_backend(self) -> str:
        return "gloo"

    def get_world_size(self) -> int:
        return self.world

    def get_rank(self) -> int:
        return self._here.rank

    def all_gather_object(self, into: list[Any], value: Any) -> None:
        into[:] = self._exchange(value)

    def gather_object(self, value: Any, into: list[Any] | None, *, dst: int) -> None:
        self._to(dst, self._exchange(value), into)

    def gather(self, part: Tensor, into: list[Tensor] | None, *, dst: int) -> None:
        parts = self._exchange(part)
        assert len({each.shape for each in parts}) == 1, "collectives take equal shapes"
        if into is not None:
            self.received[dst] += sum(each.nbytes for each in parts)
        self._to(dst, parts, into)

    def _to(self, dst: int, values: list[Any], into: list[Any] | None) -> None:
        assert (into is not None) == (self.get_rank() == dst)
        if into is not None:
            into[:] = values

    def _exchange(self, value: Any) -> list[Any]:
        self._box[self.get_rank()] = value
        self._all_came.wait(timeout=20)
        values = list(self._box)
        self._all_went.wait(timeout=20)
        return values


@pytest.fixture
def thread_ranks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], ThreadRanks]:
    """``thread_ranks(world)``: from there on slowfast.dist speaks between its threads."""

    def make(world: int) -> ThreadRanks:
        ranks = ThreadRanks(world)
        monkeypatch.setattr("slowfast.dist.ranks._torch", lambda: ranks)
        monkeypatch.setattr("slowfast.dist.gather.dist", ranks)
        return ranks

    return make
