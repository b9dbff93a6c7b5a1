"""Mirrors slowfast/battery/{fault*,training,stops}.py: faults, and whether they show."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast import dist
from slowfast.battery.fault_runs import start_once, tiny_config
from slowfast.battery.fault_traces import (
    differences,
    digest,
    outcome_of,
    read_traces,
    repeated_steps,
)
from slowfast.battery.faults import Fault, Plan, random_kills, starts_of, train_with_faults
from slowfast.battery.training import CheckpointWatch, kills
from slowfast.data.loader_workers import SampleBug
from slowfast.engine.checkpoint.integrity import save_atomically
from slowfast.engine.stop import Interrupted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


def test_one_process_goes_through_faults_of_all_kinds(folder: Path) -> None:
    """A NaN that is left out, a signal in precise BN and one in the evaluation, and a bug."""
    settings = ("SOLVER.MAX_EPOCH", 1, "TRAIN.ON_NONFINITE", "skip", "TRAIN.BATCH_SIZE", 2)
    settings += ("BN.USE_PRECISE_STATS", True, "DATA.LOADER_CHUNK_OVERALL_SIZE", 12)
    nan = Fault("nan", 1)
    whole_plan = Plan(folder / "whole" / "traces", (nan,))
    cfg = tiny_config(folder, "whole", *settings)
    train_with_faults(cfg, whole_plan)
    whole = outcome_of(cfg.OUTPUT_DIR, whole_plan.folder)
    assert whole.position == (1, 0)
    assert len(whole.steps) == 6

    faults = (
        nan,
        Fault("raise", 3),
        Fault("signal", 6, number=signal.SIGTERM, phase="precise_bn"),
        Fault("signal", 6, number=signal.SIGUSR1, phase="evaluate"),
    )
    cfg, plan = tiny_config(folder, "faulty", *settings), Plan(folder / "faulty/traces", faults)
    with pytest.raises(SampleBug, match=r"\.mp4 \(row \d+, epoch 0\): reading this video raised"):
        train_with_faults(cfg, plan)
    assert repeated_steps(plan.folder) == 0
    with pytest.raises(Interrupted, match=r"SIGTERM; .*checkpoint_epoch_00000_step_00000006"):
        train_with_faults(cfg, plan)
    assert repeated_steps(plan.folder) == 1  # the third: the last checkpoint was after two
    with pytest.raises(Interrupted, match=r"SIGUSR1; .*checkpoint_epoch_00001\.pyth") as stopped:
        train_with_faults(cfg, plan)
    assert stopped.value.exit_code == 75
    train_with_faults(cfg, plan)
    assert starts_of(plan.folder) == 4
    assert differences(whole, outcome_of(cfg.OUTPUT_DIR, plan.folder)) == []

    def figures(name: str) -> list[tuple]:
        lines = (folder / name / "metrics.jsonl").read_text().splitlines()
        names = ("_type", "epoch", "iter", "loss", "grad_norm", "top1_err", "min_top1_err")
        return [tuple(json.loads(line).get(key) for key in names) for line in lines]

    assert figures("faulty") == figures("whole")
    kinds = [record[0] for record in figures("whole")]
    assert kinds == ["train_skip", "train_iter", "train_iter", "train_epoch", "val_epoch"]
    assert figures("whole")[0][:3] == ("train_skip", 1, 2)
    assert all(record[3] == record[3] is not None for record in figures("whole")[1:4])


def test_what_differs_is_told(folder: Path, tmp_path: Path) -> None:
    lines = [
        {"step": 0, "part": 0, "loss": "0x1p+0", "rows": [1, 2]},
        {"step": 1, "part": 0, "loss": "0x1p+1", "rows": [3, 4]},
    ]
    file = tmp_path / "trace_rank1.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in [*lines, lines[1]]))
    steps = read_traces(tmp_path)
    assert steps == {(1, 0, 0): ("0x1p+0", (1, 2)), (1, 1, 0): ("0x1p+1", (3, 4))}
    assert repeated_steps(tmp_path) == 1
    file.write_text(file.read_text() + json.dumps(lines[1] | {"rows": [4, 3]}) + "\n")
    with pytest.raises(ValueError, match=r"step 1 of rank 1 was .*\(3, 4\).* when run again"):
        read_traces(tmp_path)


def test_digests_see_values_kinds_shapes_and_names() -> None:
    ones = torch.ones(4)
    contents = [
        {"a": ones},
        {"b": ones},
        {"a": ones.double()},
        {"a": ones.reshape(2, 2)},
        {"a": ones.index_fill(0, torch.tensor([2]), 1 + 2**-23)},
        {"a": [ones]},
        {"a": [ones, 3]},
        {"a": [ones, 3.0]},
    ]
    assert len({digest(each) for each in contents}) == len(contents)
    assert digest({"a": ones}) == digest({"a": torch.ones(4)})


def test_kills_are_drawn_anew_for_each_seed() -> None:
    first = random_kills(20, steps=50, ranks=3, seed=1, delay=0.5)
    assert first == random_kills(20, steps=50, ranks=3, seed=1, delay=0.5)
    assert first != random_kills(20, steps=50, ranks=3, seed=2, delay=0.5)
    assert {fault.rank for fault in first} == {0, 1, 2}
    assert all(0 < fault.step < 50 and 0 <= fault.delay <= 0.5 for fault in first)


def test_a_checkpoint_that_is_not_whole_would_be_seen(tmp_path: Path) -> None:
    save_atomically({"a": 1}, tmp_path / "whole.pyth")
    save_atomically({"a": 1}, tmp_path / "torn.pyth")
    with (tmp_path / "torn.pyth").open("ab") as file:
        file.write(b"?")
    watch = CheckpointWatch(tmp_path)
    assert watch._is_sound(tmp_path / "whole.pyth")
    assert not watch._is_sound(tmp_path / "torn.pyth")
    assert watch._is_sound(tmp_path / "gone.pyth")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_rank_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    assert kills(tmp_path, workers=(0,), count=1, seed=5) == 0


@pytest.mark.slow
def test_runs_of_all_tasks_are_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One process, a step of eight; SIGTERM in place of SIGKILL, which would end this process."""
    short = ("SOLVER.MAX_EPOCH", 1, "DATA.LOADER_CHUNK_OVERALL_SIZE", 16)

    def config(*args: object, **settings: Any) -> Any:
        return tiny_config(*args, *short, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr("slowfast.battery.fault_runs.tiny_config", config)
    monkeypatch.setattr("slowfast.battery.training.tiny_config", config)
    kill = partial(Fault, number=signal.SIGTERM)
    monkeypatch.setattr("slowfast.battery.training.Fault", kill)
    monkeypatch.setattr("slowfast.battery.training.STEPS", 2)
    for task in ("boxes", "labels"):
        assert kills(folder / task, workers=(0,), count=1, seed=0, processes=1, task=task) == 0
        (trace,) = (folder / task / "killed_0_0").glob("traces/trace_rank0.jsonl")
        assert len(trace.read_text().splitlines()) == 2
        assert f"R1 {task}, SIGKILL" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ranks_agree_on_a_nan_and_on_a_signal(tmp_path: Path) -> None:
    nan = (Fault("nan", 2, rank=1), Fault("signal", 4, rank=1, number=signal.SIGTERM))
    cfg = tiny_config(tmp_path, "run", "TRAIN.ON_NONFINITE", "skip")
    plan = Plan(tmp_path / "traces", nan)
    assert "stopped by SIGTERM" in start_once(cfg, plan, processes=2).said
    last = {rank: max(s for r, s, _ in read_traces(plan.folder) if r == rank) for rank in (0, 1)}
    assert last == {0: 4, 1: 4}
    outcome = outcome_of(cfg.OUTPUT_DIR, plan.folder)
    assert outcome.position == (0, 5)
    assert "rank 1, on " in (tmp_path / "run" / "stdout.log").read_text()
    assert differences(outcome, replace(outcome, weights="other")) == [
        f"weights: {outcome.weights} and other"
    ]


def test_a_signal_that_is_not_in_the_plan_ends_the_battery(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg, plan = tiny_config(folder, "asked"), Plan(tmp_path)

    def launch(*args: object, **settings: object) -> None:
        if len(list(tmp_path.iterdir())) == 1:
            (tmp_path / "fault_1").touch()
        raise Interrupted(signal.SIGINT, tmp_path / "here.pyth")

    monkeypatch.setattr(dist, "launch", launch)
    with pytest.raises(Interrupted):
        start_once(cfg, plan, processes=2)
    (tmp_path / "fault_0").touch()
    ending = start_once(cfg, plan, processes=2)
    assert ending.said.startswith("Interrupted: stopped by SIGINT")
    assert ending.exit_code == 130
