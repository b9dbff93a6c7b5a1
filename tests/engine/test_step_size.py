"""Mirrors slowfast/engine/step_size.py."""

from __future__ import annotations

import logging

import pytest

from slowfast import dist
from slowfast.config import get_cfg, with_values
from slowfast.engine.step_size import log_step
from slowfast.log import LOGGER


def test_one_line_tells_what_a_step_takes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dist, "world_size", lambda: 16)
    monkeypatch.setattr(LOGGER, "propagate", True)
    keys = {"NUM_SHARDS": 2, "TRAIN.GRAD_ACCUM_STEPS": 4, "EMA.ENABLE": True}
    with caplog.at_level(logging.INFO, logger="slowfast"):
        log_step(128, with_values(get_cfg(), keys))
    (line,) = {record.message for record in caplog.records if record.name == "slowfast"}
    assert line.startswith(
        "a step takes 128 videos (TRAIN.BATCH_SIZE 64 x NUM_SHARDS 2) over 16 process(es), 8 each "
        "in 4 parts; SOLVER.BASE_LR 0.1 "
    )
    assert "EMA.DECAY 0.9999" in line
