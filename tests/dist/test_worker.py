"""Mirrors slowfast/dist/worker.py."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed import HashStore, Store

from slowfast.dist import worker


def test_a_process_whose_launcher_ended_before_it_was_there_ends_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "other")  # this process is to live on without its parent
    monkeypatch.setenv(worker.LAUNCHER_VARIABLE, str(os.getppid()))
    worker._end_with_parent()
    monkeypatch.setenv(worker.LAUNCHER_VARIABLE, str(os.getpid()))
    with pytest.raises(SystemExit, match="the launcher ended while this process was starting"):
        worker._end_with_parent()


def test_a_second_launch_does_not_find_what_the_first_one_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As training and test under srun or torchrun, in the same processes."""
    kept, here, found = HashStore(), threading.local(), []

    def join(backend: str, *, store: Store, rank: int, **settings: object) -> None:
        # Both look before either says where it is.
        found.append((rank, store.check([f"address{1 - rank}"])))
        both.wait()
        store.set(f"address{rank}", "here")

    def two_launches(rank: int) -> None:
        here.rank = rank
        for _ in range(2):
            worker.Group().run(both.wait, ())

    both = threading.Barrier(2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(worker, "_meet", lambda *_: (kept, here.rank, 2))
    monkeypatch.setattr(worker, "_LAUNCHES", _CountedByThread())
    monkeypatch.setattr(worker.dist, "init_process_group", join)
    monkeypatch.setattr(worker.dist, "destroy_process_group", lambda: None)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(two_launches, range(2)))
    assert sorted(found) == [(0, False), (0, False), (1, False), (1, False)]


class _CountedByThread(threading.local):
    def __init__(self) -> None:
        self.count = -1

    def __next__(self) -> int:
        self.count += 1
        return self.count


LATE = """
import sys, time
import torch.distributed
from slowfast.dist import gather_objects, launch, rank
join = torch.distributed.init_process_group
def late(*args, **settings):
    time.sleep(1.5 if settings["rank"] == 0 else 0)
    join(*args, **settings)
torch.distributed.init_process_group = late
print([launch(gather_objects, number) for number in range(3)])
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_processes_of_a_scheduler_meet_again_for_each_launch() -> None:
    """Rank 0 joins each group after rank 1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    names = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LATE],
            env={**os.environ, **names, "MASTER_PORT": port, "RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    try:
        said = [process.communicate(timeout=60)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    # Some versions of gloo print lines before it.
    assert [lines.splitlines()[-1:] for lines in said] == [["[[0, 0], [1, 1], [2, 2]]"]] * 2
