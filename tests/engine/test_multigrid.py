"""Mirrors slowfast/engine/multigrid.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast import dist
from slowfast.config import get_cfg, load_cfg, with_values
from slowfast.data.batch import Batch
from slowfast.data.short_cycle import short_batches, short_crops
from slowfast.engine.checkpoint.state import checkpoint_path, read_checkpoint
from slowfast.engine.multigrid import Phase, long_cycle, phase_index, phases
from slowfast.engine.schedule import schedule_from_cfg
from slowfast.engine.step import Stepper
from slowfast.engine.train import train
from slowfast.log import LOGGER

ROOT = Path(__file__).parents[2]
MOTIONS = ROOT / "configs" / "Motions" / "SLOWFAST_TINY.yaml"
CONTRACT = json.loads((ROOT / "tests" / "parity" / "schedules.json").read_text())["multigrid"]


def recipe(name: str, *overrides: Any) -> Any:
    return load_cfg(ROOT / "configs" / f"{name}.yaml", overrides)


def assert_equal(a: Any, b: Any) -> None:
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b


def phase_of(plan: list[Phase], epoch: int) -> Phase:
    return next(phase for phase in plan if phase.first <= epoch < phase.last)


@pytest.mark.parametrize("name", CONTRACT)
def test_the_published_schedule(name: str) -> None:
    wanted, cfg = CONTRACT[name], recipe(name)
    found = [
        [s.step, [s.shape.batch, s.shape.frames, s.shape.crop], s.end] for s in long_cycle(cfg)
    ]
    assert found == wanted["schedule(step,[B_rel,T,S],end_epoch)"]
    plan = phases(cfg)
    for phase in plan:
        solver, multigrid = phase.cfg.SOLVER, phase.cfg.MULTIGRID
        assert wanted["SOLVER.STEPS"] == solver.STEPS
        assert pytest.approx(wanted["SOLVER.LRS"]) == solver.LRS
        assert wanted["SOLVER.MAX_EPOCH"] == solver.MAX_EPOCH
        default = [multigrid.DEFAULT_B, multigrid.DEFAULT_T, multigrid.DEFAULT_S]
        assert default == wanted["DEFAULT_BTS"]
    factors = cfg.MULTIGRID.SHORT_CYCLE_FACTORS
    assert short_crops(224, factors) == wanted["short_cycle_crops"]


@pytest.mark.parametrize("name", CONTRACT)
def test_the_published_epochs(name: str) -> None:
    """Shape, batch norm, short cycle, rate, evaluations and checkpoints of each epoch."""
    wanted, plan = CONTRACT[name], phases(recipe(name))
    for row in wanted["rows_at_changes"]:
        epoch, phase = row[0], phase_of(plan, row[0])
        cfg = phase.cfg
        shape = [cfg.TRAIN.BATCH_SIZE, cfg.DATA.NUM_FRAMES, cfg.DATA.TRAIN_CROP_SIZE]
        norm = [cfg.BN.NORM_TYPE, cfg.BN.NUM_SYNC_DEVICES, cfg.BN.NUM_SPLITS]
        assert shape == row[1:4], f"epoch {epoch}"
        assert row[5] == cfg.MULTIGRID.LONG_CYCLE_SAMPLING_RATE
        assert norm == row[6:9], f"epoch {epoch}"
        each, factors = cfg.TRAIN.BATCH_SIZE // cfg.NUM_GPUS, cfg.MULTIGRID.SHORT_CYCLE_FACTORS
        crop, full = cfg.DATA.TRAIN_CROP_SIZE, cfg.MULTIGRID.DEFAULT_S
        assert short_batches(each, crop, full, factors) == row[9]
        assert schedule_from_cfg(cfg)(epoch) == pytest.approx(row[10], rel=1e-6)
        assert phase.is_due(epoch, cfg.TRAIN.EVAL_PERIOD) is row[11]
        assert phase.is_due(epoch, cfg.TRAIN.CHECKPOINT_PERIOD) is row[12]
    epochs = range(wanted["SOLVER.MAX_EPOCH"])
    for key in ("eval_epochs", "checkpoint_epochs"):
        assert [e for e in epochs if phase_of(plan, e).is_due(e, 6)] == wanted[key]
    spans = [
        [[c.TRAIN.BATCH_SIZE, c.DATA.NUM_FRAMES, c.DATA.TRAIN_CROP_SIZE], p.last - p.first]
        for p in plan
        for c in [p.cfg]
    ]
    assert spans[-2][0] == spans[-1][0]  # the last step goes on with the same shape
    joined = [*spans[:-2], [spans[-1][0], spans[-2][1] + spans[-1][1]]]
    assert joined == wanted["shape_per_epoch_run_length"]


def test_kinetics_as_published() -> None:
    """239 epochs become 358; 64 clips of 8 GPUs grow to 512, with 8 clips in each batch norm."""
    plan = phases(recipe("Kinetics/SLOWFAST_8x8_R50_stepwise_multigrid"))
    assert plan[-1].last == 358
    first, last = plan[0].cfg, plan[-1].cfg
    assert (first.TRAIN.BATCH_SIZE, first.DATA.NUM_FRAMES) == (512, 8)
    assert (first.BN.NORM_TYPE, first.BN.NUM_SPLITS) == ("sub_batchnorm", 8)
    assert (last.TRAIN.BATCH_SIZE, last.DATA.NUM_FRAMES) == (64, 32)
    assert last.BN.NORM_TYPE == "batchnorm"


def test_without_a_short_cycle_a_batch_is_its_own_mean() -> None:
    """By hand: batches 8, 4, 2, 1 of 15 share ten epochs; two of one shape end it."""
    cfg = recipe("Charades/SLOWFAST_16x8_R50_multigrid", "MULTIGRID.SHORT_CYCLE", "False")
    cfg = with_values(
        cfg,
        {"SOLVER.STEPS": [0, 150], "SOLVER.MAX_EPOCH": 180, "MULTIGRID.EPOCH_FACTOR": 158 / 180},
    )
    assert [stage.end for stage in long_cycle(cfg)] == [80, 120, 140, 150, 158]


def test_without_multigrid_there_is_one_phase() -> None:
    (phase,) = phases(get_cfg())
    assert phase.cfg == get_cfg()
    assert (phase.first, phase.last) == (0, 300)
    assert [e for e in range(300) if phase.is_due(e, 70)] == [69, 139, 209, 279, 299]


def test_the_short_cycle_alone_keeps_the_schedule() -> None:
    cfg = with_values(get_cfg(), {"MULTIGRID.SHORT_CYCLE": True})
    (phase,) = phases(cfg)
    assert phase.last == 300
    assert phase.cfg.MULTIGRID.DEFAULT_S == 224
    assert phase.cfg.DATA.NUM_FRAMES == cfg.DATA.NUM_FRAMES


def test_a_cosine_has_no_steps_to_divide() -> None:
    cfg = with_values(get_cfg(), {"MULTIGRID.LONG_CYCLE": True})
    with pytest.raises(
        ValueError, match=r"LONG_CYCLE is for .* SOLVER\.LR_POLICY is 'cosine'; set"
    ):
        phases(cfg)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"SOLVER.STEPS": [0]}, r"STEPS \[0\] has 1 within SOLVER\.MAX_EPOCH 57; give two or more"),
        ({"SOLVER.STEPS": [0, 90]}, r"STEPS \[0, 90\] has 1 within"),
        ({"MULTIGRID.EPOCH_FACTOR": 0.001}, r"57 times MULTIGRID\.EPOCH_FACTOR 0\.001 is no whole"),
        (
            {"MULTIGRID.LONG_CYCLE_FACTORS": [[0.001, 1]]},
            r"LONG_CYCLE_FACTORS \[0\.001, 1\] make 0 frames of 224 pixels",
        ),
    ],
)
def test_what_makes_no_schedule_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        phases(with_values(recipe("Charades/SLOWFAST_16x8_R50_multigrid"), keys))


def test_a_shape_that_the_network_cannot_take_names_what_the_user_gave() -> None:
    cfg = recipe("Charades/SLOWFAST_16x8_R50_multigrid", "DATA.NUM_FRAMES", 8, "NUM_GPUS", 0)
    with pytest.raises(ValueError, match=r"make 2 frames of 158 pixels of DATA\.NUM_FRAMES 8 and .*"
                       r"multiple of SLOWFAST\.ALPHA.*; change the factors"):  # fmt: skip
        phases(cfg)


def test_steps_after_the_last_epoch_are_never_reached() -> None:
    cfg = recipe("Charades/SLOWFAST_16x8_R50_multigrid")
    more = {"SOLVER.STEPS": [*cfg.SOLVER.STEPS, 90], "SOLVER.LRS": [*cfg.SOLVER.LRS, 0.001]}
    assert long_cycle(with_values(cfg, more)) == long_cycle(cfg)


def test_a_training_too_short_for_its_last_shape_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    cfg = recipe("Charades/SLOWFAST_16x8_R50_multigrid")
    phases(cfg)
    assert not caplog.messages
    keys = {"SOLVER.STEPS": [0, 2], "SOLVER.MAX_EPOCH": 3, "MULTIGRID.EPOCH_FACTOR": 0.3}
    phases(with_values(cfg, keys))
    assert any("32 frames of 158 pixels, not 64 of 224" in line for line in caplog.messages)


@pytest.mark.parametrize(("processes", "devices"), [(1, 8), (2, 2), (8, 8)])
def test_no_more_processes_share_statistics_than_there_are(
    processes: int, devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clip in each process of the last phase; statistics of 8 would need as many processes."""
    monkeypatch.setattr(dist, "processes_from_cfg", lambda cfg: processes)
    keys = ["NUM_GPUS", str(processes), "TRAIN.BATCH_SIZE", str(processes)]
    last = phases(recipe("Charades/SLOWFAST_16x8_R50_multigrid", *keys))[-1].cfg
    assert ("sync_batchnorm", devices) == (last.BN.NORM_TYPE, last.BN.NUM_SYNC_DEVICES)


def test_a_run_goes_on_in_the_phase_that_saved() -> None:
    plan = phases(recipe("Charades/SLOWFAST_16x8_R50_multigrid"))
    at = [(0, 0), (0, 5), (31, 0), (31, 1), (32, 0), (86, 0)]
    assert [phase_index(plan, epoch=e, batch=b) for e, b in at] == [0, 0, 0, 1, 1, 8]


SMALL = {
    "BN.USE_PRECISE_STATS": True,
    "BN.NUM_BATCHES_PRECISE": 2,
    "EMA.ENABLE": True,
    "EMA.DECAY": 0.5,
    "MULTIGRID.BN_BASE_SIZE": 2,
    "MULTIGRID.EPOCH_FACTOR": 1.0,
    "MULTIGRID.LONG_CYCLE": True,
    "MULTIGRID.LONG_CYCLE_FACTORS": [[0.5, 1.0], [1.0, 1.0]],
    "MULTIGRID.SHORT_CYCLE": True,
    "SOLVER.LR_POLICY": "steps_with_relative_lrs",
    "SOLVER.LRS": [1.0, 0.1],
    "SOLVER.MAX_EPOCH": 4,
    "SOLVER.OPTIMIZING_METHOD": "sgd",
    "SOLVER.BASE_LR": 0.01,
    "SOLVER.STEPS": [0, 3],
    "TRAIN.BATCH_SIZE": 2,
    "TRAIN.CHECKPOINT_PERIOD_STEPS": 2,
}


@pytest.mark.slow
def test_broken_off_in_the_second_phase_and_continued_it_ends_alike(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phases of 8 and of 16 frames, each with three crops; batch norm in parts, then plain."""
    options = [*tiny, *[str(part) for pair in SMALL.items() for part in pair]]
    spans = [(p.last, p.cfg.BN.NORM_TYPE) for p in phases(load_cfg(MOTIONS, options))]
    assert spans == [(2, "sub_batchnorm"), (3, "batchnorm"), (4, "batchnorm")]
    real, seen = Stepper.__call__, []

    def step(self: Stepper, batch: Batch, *args: Any, **kwargs: Any) -> Any:
        if len(seen) == fail_at:
            raise RuntimeError("the power failed")
        seen.append(tuple(batch.clips.shape[:3]))
        return real(self, batch, *args, **kwargs)

    monkeypatch.setattr(Stepper, "__call__", step)
    fail_at = -1
    train(load_cfg(MOTIONS, [*options, "OUTPUT_DIR", str(tmp_path / "whole")]))
    shapes = list(seen)
    assert shapes[:3] == [(16, 8, 16), (8, 8, 23), (16, 8, 16)]
    assert set(shapes[-5:]) == {(8, 16, 16), (4, 16, 23), (2, 16, 32)}

    seen, fail_at = [], 8
    with pytest.raises(RuntimeError, match="the power failed"):
        train(load_cfg(MOTIONS, options))
    seen, fail_at = [], -1
    train(load_cfg(MOTIONS, options))
    assert seen == shapes[len(shapes) - len(seen) :]
    whole, resumed = (
        read_checkpoint(checkpoint_path(tmp_path / name, 4)) for name in ("whole", "run")
    )
    for part in ("model_state", "optimizer_state"):
        assert_equal(whole[part], resumed[part])
    assert_equal(whole["slowfast"]["ema_state"], resumed["slowfast"]["ema_state"])
    assert whole["cfg"] == resumed["cfg"].replace("/run\n", "/whole\n")
    assert "NUM_FRAMES: 16" in whole["cfg"]  # the recipe, not the phase
