"""Mirrors slowfast/engine/train_records.py; what a whole run writes is in test_train.py."""

from __future__ import annotations

from types import SimpleNamespace

from slowfast.config import get_cfg
from slowfast.engine.meters import Means, Speed
from slowfast.engine.train_records import epoch_record


def test_the_rate_of_an_epoch_is_that_of_its_last_step_and_not_of_a_layer() -> None:
    """With SOLVER.LAYER_DECAY the first group has a small share of it."""
    trainer = SimpleNamespace(
        epoch_means=Means(), loader=range(4), schedule=lambda epoch: 1.0 - epoch / 10
    )
    speed = Speed(seconds=1.0, clips_per_s=1.0, data_wait=0.0)
    record = epoch_record(trainer, get_cfg(), speed, epoch=2)
    assert record["lr"] == 1.0 - 2.75 / 10
