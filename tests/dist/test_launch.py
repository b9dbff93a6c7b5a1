"""Mirrors slowfast/dist/launch.py: processes that are started, and what they say when they fail."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from slowfast import dist
from slowfast.engine.build import device_from_cfg


def test_alone_nobody_is_asked() -> None:
    assert (dist.rank(), dist.world_size(), dist.is_main()) == (0, 1, True)
    assert dist.gather_objects("mine") == ["mine"]
    assert dist.broadcast_object("mine") == "mine"


def test_one_process_runs_here() -> None:
    assert dist.launch(os.getpid) == os.getpid()


def test_processes_before_and_after_they_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dist.processes_from_cfg(SimpleNamespace(NUM_GPUS=8)) == 8
    for name, value in {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert dist.processes_from_cfg(SimpleNamespace(NUM_GPUS=8)) == 1
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert dist.processes_from_cfg(SimpleNamespace(NUM_GPUS=8)) == 4
    assert not dist.first_process()


def test_the_gpu_of_a_process_is_the_only_one_that_it_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under `srun --gpus-per-task 1`, where GPU 5 of the machine is number 0 for task 5."""
    cfg = SimpleNamespace(NUM_GPUS=8)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    job = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "5", "LOCAL_WORLD_SIZE": "8"}
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(ValueError, match=r"NUM_GPUS is 8, but PyTorch finds 1 CUDA device\(s\)"):
        device_from_cfg(cfg)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    assert device_from_cfg(cfg).index == 0
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5,6,7")
    assert device_from_cfg(cfg).index == 5


def test_two_processes_run_and_rank_0_answers(tmp_path: Path) -> None:
    """What other ranks print goes to their logs."""
    code = "import os; os.write(1, b'hello from %s' % os.environ['RANK'].encode())"
    call = [sys.executable, "-c", code]
    assert dist.launch(os.spawnv, os.P_WAIT, call[0], call, processes=2, output_dir=tmp_path) == 0
    # Some versions of gloo print a line before it.
    assert (tmp_path / "stdout_rank1.log").read_text().endswith("hello from 1")
    assert [path.name for path in tmp_path.iterdir()] == ["stdout_rank1.log"]


@pytest.mark.slow
def test_the_message_of_the_first_process_that_fails_is_passed_on() -> None:
    with pytest.raises(ValueError, match=r"^invalid literal for int\(\) with base 10: 'x'$"):
        dist.launch(int, "x", processes=2)


@pytest.mark.slow
def test_a_bug_shows_its_own_traceback_once() -> None:
    with pytest.raises(dist.ProcessFailed) as caught:
        dist.launch(divmod, 1, 0, processes=2, max_restarts=3)
    said = str(caught.value)
    assert said.count("Traceback (most recent call last)") == 1
    assert "ZeroDivisionError" in said
    assert "it failed in the same way before, so it is not started again" in said


@pytest.mark.parametrize("address", [None, "tcp://host", "host:1234"])
def test_machines_need_a_place_to_meet(address: str | None) -> None:
    with pytest.raises(ValueError, match="--init_method tcp://HOST:PORT"):
        dist.launch(max, 1, 2, machines=2, init_method=address)
