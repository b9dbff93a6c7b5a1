"""Mirrors slowfast/engine/schedule.py."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from slowfast.engine.schedule import Cosine, Steps, WarmUp, schedule_from_cfg
from slowfast.log import LOGGER

CONTRACT = json.loads((Path(__file__).parents[1] / "parity" / "schedules.json").read_text())["lr"]


def solver_cfg(**solver: object) -> SimpleNamespace:
    return SimpleNamespace(SOLVER=SimpleNamespace(**solver))


@pytest.mark.parametrize("recipe", CONTRACT)
def test_public_recipes_get_the_published_rates(recipe: str) -> None:
    lr_at = schedule_from_cfg(solver_cfg(**CONTRACT[recipe]["solver"]))
    for epoch, expected in CONTRACT[recipe]["lr"]:
        assert lr_at(epoch) == pytest.approx(expected, rel=1e-6, abs=1e-18), f"epoch {epoch}"


def test_cosine_is_half_way_at_half_time() -> None:
    assert Cosine(base=0.2, end=0.0, epochs=10)(5) == pytest.approx(0.1)


def test_warm_up_is_linear_and_meets_the_policy() -> None:
    lr_at = WarmUp(Cosine(base=1.0, end=0.0, epochs=4), start=0.1, epochs=2)
    assert [lr_at(epoch) for epoch in (0, 1, 2)] == pytest.approx([0.1, 0.3, 0.5])


def test_a_step_begins_at_its_epoch() -> None:
    lr_at = Steps(base=0.1, starts=[0, 2, 4], factors=[1, 0.1, 0.01])
    assert [lr_at(e) for e in (0, 1.99, 2, 4, 9)] == pytest.approx([0.1, 0.1, 0.01, 0.001, 0.001])


def test_steps_without_factors_are_refused() -> None:
    with pytest.raises(ValueError, match=r"SOLVER\.LRS has 1 factors for the 2 steps"):
        Steps(base=0.1, starts=[0, 2], factors=[1])


def test_steps_must_begin_at_zero() -> None:
    with pytest.raises(ValueError, match=r"SOLVER\.STEPS is \[2, 4\], but must begin with 0"):
        Steps(base=0.1, starts=[2, 4], factors=[1, 0.1])


def test_unknown_policy_is_named() -> None:
    with pytest.raises(ValueError, match=r"SOLVER\.LR_POLICY is 'linear'; use 'cosine'"):
        schedule_from_cfg(solver_cfg(LR_POLICY="linear"))


def test_warm_up_longer_than_training_is_told_or_refused(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when MAX_EPOCH alone is lowered; without room for the cosine there is none."""
    monkeypatch.setattr(LOGGER, "propagate", True)
    keys = CONTRACT["Kinetics/C2D_8x8_R50"]["solver"] | {"MAX_EPOCH": 10}
    after = {"COSINE_AFTER_WARMUP": True}
    schedule_from_cfg(solver_cfg(**keys | after | {"WARMUP_EPOCHS": 9.5}))
    assert not caplog.messages
    schedule_from_cfg(solver_cfg(**keys))
    assert "WARMUP_EPOCHS is 34, MAX_EPOCH 10: training ends within warm-up" in caplog.text
    with pytest.raises(ValueError, match="is 34, MAX_EPOCH 10: no epoch is left for the cosine"):
        schedule_from_cfg(solver_cfg(**keys | after))
