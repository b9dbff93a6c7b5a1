"""Mirrors slowfast/cli/benchmark_train.py and benchmark_processes.py; no time is asserted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from slowfast.cli.benchmark_processes import CONFIG, measure_processes, print_processes
from slowfast.cli.benchmark_train import measure_sweep, print_sweep
from slowfast.cli.machine import Machine
from slowfast.config import load_cfg


@pytest.fixture
def one_run(tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    monkeypatch.setattr("slowfast.cli.benchmark_processes.setup_logging", lambda **kwargs: None)
    return measure_processes(
        str(CONFIG), [*tiny, "NUM_GPUS", "0"], processes=[1], repeats=1, steps=2
    )


def test_training_tells_where_its_time_goes(
    one_run: list[dict], capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = one_run
    assert (row["what"], row["ratio"]) == ("1 process(es), 4 clips a step", 1.0)
    assert row["clips_per_s"] == pytest.approx(4 / row["ms"] * 1000)
    assert all(0 <= row[name] <= 1 for name in ("waiting", "exchanging", "saving"))
    assert row["save_s"] > 0
    assert row["memory_gb"] > 0.1
    print_processes(one_run)
    assert "1 process(es), 4 clips a step" in capsys.readouterr().out


def test_a_sweep_is_compared_with_what_the_gpu_could_do(
    tiny: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = load_cfg(CONFIG, [*tiny, "NUM_GPUS", "0"])
    where, gpu = torch.device("cpu"), Machine("x", [], 1, "2.10", "NVIDIA H100 80GB HBM3")
    rows = measure_sweep(cfg, where, gpu, 1, batches=(2,), modes=(False,))
    assert [row["what"] for row in rows] == ["step of 2, eager"]
    (row,) = rows
    assert row["share_of_bound"] == pytest.approx(row["clips_per_s"] / row["bound_clips_per_s"])
    print_sweep(rows)
    assert "step of 2, eager" in capsys.readouterr().out
    assert measure_sweep(cfg, where, gpu, 1, batches=(2,), budget=0.0) == []
    assert "no time for batch 2, compiled True" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_exchange_gradients(tiny: list[str], motions: Path) -> None:
    rows = measure_processes(
        str(CONFIG), [*tiny, "NUM_GPUS", "0"], processes=[1, 2], repeats=1, steps=2
    )
    assert [row["processes"] for row in rows] == [1, 2]
    assert rows[1]["exchanging"] >= 0
