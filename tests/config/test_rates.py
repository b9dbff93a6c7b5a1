"""Mirrors slowfast/config/rates.py."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from slowfast.config import load_cfg
from slowfast.config.rates import _warn
from slowfast.log import LOGGER

RECIPE = Path(__file__).parents[2] / "configs" / "Kinetics" / "SLOWFAST_8x8_R50.yaml"  # 64 at 0.1


@pytest.fixture
def warnings_of(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(LOGGER, "propagate", True)
    _warn.cache_clear()

    def load(line: str) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="slowfast"):
            load_cfg(RECIPE, line.split())
        return [message for message in caplog.messages if "linear rule" in message]

    return load


@pytest.mark.parametrize(
    "line",
    [
        "",
        "NUM_GPUS 1 TRAIN.BATCH_SIZE 8 SOLVER.BASE_LR 0.0125",
        "NUM_GPUS 1 TRAIN.BATCH_SIZE 8 SOLVER.BASE_LR 0.013",  # rounded
        "NUM_SHARDS 4 SOLVER.BASE_LR_SCALE_NUM_SHARDS True",
        "NUM_GPUS 1 TRAIN.BATCH_SIZE 8 TRAIN.ENABLE False",
        "SOLVER.BASE_LR 0.01 TRAIN.CHECKPOINT_FILE_PATH weights.pyth",  # fine-tuning
    ],
)
def test_what_keeps_the_rule_is_not_warned_of(line: str, warnings_of) -> None:
    assert warnings_of(line) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("NUM_GPUS 1 TRAIN.BATCH_SIZE 8", "takes 8 clips .* 0.1, in the files 64 .* 0.0125 for 8$"),
        ("NUM_SHARDS 4", "takes 256 clips .* gives SOLVER.BASE_LR 0.4 for 256$"),
        ("SOLVER.BASE_LR 0.3", "at SOLVER.BASE_LR 0.3, .* gives SOLVER.BASE_LR 0.1 for 64$"),
        (
            "SOLVER.OPTIMIZING_METHOD adamw SOLVER.BASE_LR 0.3",
            "0.1 for 64; with adamw the rule is a habit, no more$",
        ),
    ],
)
def test_what_breaks_it_is_with_the_rate_that_would_fit(line: str, said: str, warnings_of) -> None:
    (warning,) = warnings_of(line)
    assert re.search(said, warning)
    assert warnings_of(line) == []  # once a process
