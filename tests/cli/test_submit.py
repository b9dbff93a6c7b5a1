"""Mirrors slowfast/cli/submit.py, with a module in place of submitit."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from slowfast.cli import run as run_module
from slowfast.cli.submit import Run
from slowfast.cli.submit import main as submit

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


class Executor:
    made: ClassVar[list[Executor]] = []

    def __init__(self, folder: str, **settings: Any) -> None:
        self.folder, self.settings = folder, settings
        Executor.made.append(self)

    def update_parameters(self, **asked: Any) -> None:
        self.asked = asked

    def submit(self, function: Any) -> Any:
        self.function = pickle.loads(pickle.dumps(function))
        return SimpleNamespace(job_id="4711")


@pytest.fixture
def submitit(monkeypatch: pytest.MonkeyPatch) -> Any:
    Executor.made.clear()
    helpers = SimpleNamespace(DelayedSubmission=lambda function: ("again", function))
    module = SimpleNamespace(AutoExecutor=Executor, helpers=helpers)
    monkeypatch.setitem(sys.modules, "submitit", module)
    monkeypatch.setenv("SUBMITIT_PREEMPT_SIGNAL", "USR1")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    return module


def test_a_job_asks_for_a_signal_before_its_limit(
    submitit: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--cfg", str(CONFIG), "--nodes", "2", "--gpus", "4", "--hours", "1.5"]
    batch = ["TRAIN.BATCH_SIZE", "8", "TEST.BATCH_SIZE", "8"]
    assert submit([*line, *batch, "OUTPUT_DIR", str(tmp_path)]) == 0
    assert "job 4711" in capsys.readouterr().out
    (executor,) = Executor.made
    assert executor.settings["cluster"] == "slurm"
    assert executor.settings["slurm_max_num_timeout"] > 100  # of submitit's own accord it is 3
    assert executor.asked["nodes"] == 2
    assert executor.asked["tasks_per_node"] == 1
    assert executor.asked["gpus_per_node"] == 4
    assert "SRUN_CPUS_PER_TASK=" in executor.asked["slurm_setup"][0]
    assert executor.asked["timeout_min"] == 90
    assert executor.asked["slurm_signal_delay_s"] == 120
    assert executor.asked["slurm_additional_parameters"]["requeue"]
    words = executor.function.words
    assert words[:4] == ("--cfg", str(CONFIG), "NUM_GPUS", "4")
    assert executor.function.checkpoint() == ("again", executor.function)


def test_a_mistake_in_the_config_is_found_before_the_queue(
    submitit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(["--cfg", str(CONFIG), "--gpus", "3", "TRAIN.BATCH_SIZE", "8"]) == 2
    assert "TRAIN.BATCH_SIZE (8) must be a multiple of NUM_GPUS (3)" in capsys.readouterr().err
    assert not Executor.made


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--gpus", "1", "NUM_GPUS", "2"],
            "--gpus asks for 1 GPU(s) of each machine, but NUM_GPUS",
        ),
        (["--gpus", "1", "--hours", "0"], "--hours is 0; expected a number above 0"),
    ],
)
def test_what_would_waste_the_job_is_refused(
    submitit: Any, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert submit(["--cfg", str(CONFIG), *words]) == 2
    assert said in capsys.readouterr().err
    assert not Executor.made


def test_where_there_is_no_slurm_nothing_is_started(
    submitit: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """submitit would start it on this machine, in the background."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert submit(["--cfg", str(CONFIG), "--gpus", "1"]) == 2
    assert "there is no SLURM here" in capsys.readouterr().err
    assert not Executor.made


def test_without_submitit_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    monkeypatch.setenv("SUBMITIT_PREEMPT_SIGNAL", "USR1")
    assert submit(["--cfg", str(CONFIG), "--gpus", "1"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "pip install 'slowfast-video[slurm]'" in captured.err
    assert submit(["--cfg", str(CONFIG), "--gpus", "1", "--dry-run"]) == 0
    assert "timeout_min: 1440" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "requeued"), [(0, 0), (75, 1), (2, 0)])
def test_a_run_that_was_stopped_asks_submitit_to_go_on(
    code: int, requeued: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "main", lambda words: code)
    heard: list[int] = []
    old = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    try:
        if code:
            with pytest.raises(SystemExit) as caught:
                Run(("--cfg", os.devnull))()
            assert caught.value.code == code
        else:
            Run(("--cfg", os.devnull))()
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert len(heard) == requeued
