"""Mirrors slowfast/engine/validation.py; tests/battery/test_faults.py stops an evaluation."""

from __future__ import annotations

from pathlib import Path

from slowfast.engine.journal import Journal
from slowfast.engine.validation import _best, best_so_far, is_evaluated


def test_the_journal_knows_what_an_older_checkpoint_does_not(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert best_so_far(journal) == {}
    journal.write({"_type": "train_epoch", "epoch": 1, "top1_err": 1.0})
    journal.write({"_type": "val_epoch", "epoch": 1, "top1_err": 50.0, "min_top1_err": 50.0})
    journal.write({"_type": "val_epoch", "epoch": 2, "top1_err": 70.0, "min_top1_err": 50.0})
    assert best_so_far(journal) == {"top1_err": 50.0}
    journal.write({"_type": "val_epoch", "epoch": 2, "map": 70.0, "max_map": 75.0})
    assert best_so_far(journal) == {"map": 75.0}
    assert is_evaluated(journal, 2)
    assert not is_evaluated(journal, 3)


def test_errors_fall_precisions_rise_and_what_is_no_number_stays_behind() -> None:
    assert _best("top1_err")(40.0, 30.0) == 30.0
    assert _best("map")(40.0, 30.0) == 40.0
    for metric in ("top1_err", "map"):
        assert _best(metric)(40.0, float("nan")) == 40.0
