"""Mirrors slowfast/cli/benchmark_startup.py; and a run loads nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from slowfast.cli import benchmark_startup
from slowfast.cli.benchmark_startup import BASE, RUN, measure_startup, print_startup

# What a run may need, and most do not: each takes from a tenth of a second to seconds.
SELDOM = (
    *("matplotlib", "onnx", "onnxruntime", "onnxscript", "safetensors", "scipy", "sympy"),
    *("tensorboard", "torch._dynamo", "torch._inductor", "torch.distributed.checkpoint"),
    *("torch.distributed.fsdp", "torch.utils.flop_counter", "torch.utils.tensorboard"),
    *("torchcodec", "torchvision", "triton"),
)


def test_starting_a_run_loads_nothing_that_few_runs_need() -> None:
    code = f"import slowfast.cli.run, sys; print(*(m for m in {SELDOM!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [], "import it where it is used, as the others are"


def test_a_process_that_fails_is_an_error_with_its_last_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(benchmark_startup, "BASE", "raise SystemExit('no\\nsuch network')")
    with pytest.raises(ValueError, match="is timed ended with 1: such network"):
        measure_startup("any.yaml", [], 1)


def test_clocks_are_rows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """Medians of what follows a first run that is not counted."""
    seconds = {BASE: [(99.0, 99.0), (2.0, 1.0), (4.0, 1.0), (3.0, 1.0)]}
    seconds[RUN] = [(99.0, 99.0), (3.0, 1.5), (3.0, 1.5), (9.0, 1.5)]
    monkeypatch.setattr(
        benchmark_startup, "_seconds", lambda program, arguments: seconds[program].pop(0)
    )
    rows = measure_startup("any.yaml", [], 3)
    assert [(row["source"], row["ms"], row["ratio"]) for row in rows] == [
        ("wall", 3000, 1.0),
        ("wall", 3000, 1.0),
        ("processor", 1000, 1.0),
        ("processor", 1500, 1.5),
    ]
    print_startup(rows)
    assert "run_net to its first iteration" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_reaches_its_first_iteration() -> None:
    rows = measure_startup(None, [], 1)
    assert all(row["ms"] > 100 for row in rows)
