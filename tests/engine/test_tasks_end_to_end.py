"""Each task through what the loop promises for all: kill, resume, ranks, averages, precision."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import simplejson
import torch

from slowfast.battery.fault_traces import differences, outcome_of, repeated_steps
from slowfast.battery.faults import Fault, Plan, train_with_faults
from slowfast.data.datasets.build import build_loader
from slowfast.engine.build import build_network, build_stepper, build_task
from slowfast.engine.guard import Guard
from slowfast.engine.stop import Interrupted

NAMES = ("classification", "labels", "boxes")
TASKS = ["boxes", *(pytest.param(each, marks=pytest.mark.slow) for each in NAMES[:2])]
EVERYTHING = {
    "BN.USE_PRECISE_STATS": True,
    "BN.NUM_BATCHES_PRECISE": 2,
    "EMA.ENABLE": True,
    "EMA.DECAY": 0.5,
    "MODEL.ACT_CHECKPOINT": True,
    "TRAIN.GRAD_ACCUM_STEPS": 2,
    "TRAIN.MIXED_PRECISION": True,
    "TRAIN.AMP_DTYPE": "bfloat16",
    "TEST.MIXED_PRECISION": True,
}
FIGURES = ("_type", "epoch", "iter", "loss", "grad_norm", "map", "top1_err", "max_map")

Configure = Callable[..., Any]


def figures(cfg: Any) -> list[tuple[Any, ...]]:
    lines = (Path(cfg.OUTPUT_DIR) / "metrics.jsonl").read_text().splitlines()
    return [tuple(record.get(key) for key in FIGURES) for record in map(simplejson.loads, lines)]


@pytest.mark.slow
@pytest.mark.parametrize("task", NAMES)
def test_a_run_that_is_stopped_goes_on_as_if_it_was_not(
    configure: Configure, task: str, tmp_path: Path
) -> None:
    """With averages, accumulation, precise statistics, checkpointing and half precision."""
    keys = {key.replace(".", "__"): value for key, value in EVERYTHING.items()}
    cfg, plan = configure(task, "whole", **keys), Plan(tmp_path / "whole" / "traces")
    train_with_faults(cfg, plan)
    whole = outcome_of(cfg.OUTPUT_DIR, plan.folder)
    expected = figures(cfg)

    plan = Plan(tmp_path / "cut" / "traces", (Fault("signal", 1, number=signal.SIGTERM),))
    cfg = configure(task, "cut", **keys)
    with pytest.raises(Interrupted, match="step_00000002"):
        train_with_faults(cfg, plan)
    train_with_faults(cfg, plan)
    assert differences(whole, outcome_of(cfg.OUTPUT_DIR, plan.folder)) == []
    assert repeated_steps(plan.folder) == 0
    assert figures(cfg) == expected
    assert expected[-1][0] == "val_epoch"


class Unheard(Guard):
    """Lets every step count without reading what was agreed on, as on a GPU."""

    def update(self, optimizer: Any, scaler: Any, norm: torch.Tensor) -> None:
        optimizer.step()


@pytest.mark.parametrize("task", TASKS)
def test_a_step_reads_nothing_from_the_device(
    configure: Configure, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the meta device, whose numbers nobody can read, in parts."""
    cfg, device = configure(task, "run", TRAIN__GRAD_ACCUM_STEPS=3), torch.device("meta")
    monkeypatch.setattr(torch, "autocast", lambda *args, **settings: nullcontext())
    net, job = build_network(cfg, device), build_task(cfg)
    stepper = build_stepper(net, net.train(), job, cfg, device)
    stepper.scaler = torch.amp.GradScaler("cpu", enabled=False)
    stepper.guard = Unheard()
    batch = next(iter(build_loader(cfg, "train"))).to(device, non_blocking=True)
    if task == "boxes":
        assert len(batch.boxes) > len(batch), "parts of different size"
    out = stepper(batch, lr=0.1, seed=0)
    assert all(value.device == device for value in out.values())
    with pytest.raises((RuntimeError, NotImplementedError)):
        out["loss"].item()
