"""Mirrors slowfast/engine/journal.py and the figures of slowfast/log.py."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from slowfast.engine.journal import Journal
from slowfast.log import LOGGER, setup_logging, write_line


def iteration(epoch: int, i: int) -> dict:
    return {"_type": "train_iter", "epoch": epoch, "epochs": 3, "iter": i, "iters": 4, "loss": 0.5}


def test_log_lines_have_the_public_form(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    with caplog.at_level(logging.INFO):
        Journal(tmp_path).write(iteration(2, 3) | {"lr": 0.123456789})
        Journal(tmp_path).write({"_type": "test_final", "top1_acc": 16.6666})
    line = 'json_stats: {"_type": "train_iter", "epoch": "2/3", "iter": "3/4", "loss": 0.5, '
    assert line + '"lr": 0.12346}' in caplog.text
    assert 'json_stats: {"split": "test_final", "top1_acc": "16.67"}' in caplog.text


def test_a_gradient_norm_without_end_is_null(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the first steps in float16, which the scaler skips."""
    monkeypatch.setattr(LOGGER, "propagate", True)
    journal = Journal(tmp_path)
    with caplog.at_level(logging.INFO):
        journal.write(iteration(1, 1) | {"grad_norm": float("inf")})
    assert '"grad_norm": null' in caplog.text
    assert journal.records()[0]["grad_norm"] is None


def test_a_file_name_that_is_no_text_can_be_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setup_logging(tmp_path)
    try:
        LOGGER.info("cannot read %s", b"bad\xe8.mp4".decode("utf-8", "surrogateescape"))
    finally:
        setup_logging()
    assert "cannot read bad\\udce8.mp4" in capsys.readouterr().out
    assert "bad\\udce8.mp4" in (tmp_path / "stdout.log").read_text()


def test_the_file_keeps_numbers_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write({"_type": "val_epoch", "epoch": 1, "top1_err": 100 / 3})
    assert journal.records() == [{"_type": "val_epoch", "epoch": 1, "top1_err": 100 / 3}]


def test_rewinding_drops_what_a_resumed_run_writes_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for epoch in (1, 2):
        for i in (2, 4):
            journal.write(iteration(epoch, i))
        journal.write({"_type": "train_epoch", "epoch": epoch})
        journal.write({"_type": "val_epoch", "epoch": epoch})
    journal.write({"_type": "test_final"})
    journal.rewind(epoch=1, batch=2, step=1)  # one whole epoch and two batches of the second
    kept = [(r["_type"], r["epoch"], r.get("iter")) for r in journal.records()]
    assert kept == [
        ("train_iter", 1, 2),
        ("train_iter", 1, 4),
        ("train_epoch", 1, None),
        ("val_epoch", 1, None),
        ("train_iter", 2, 2),
    ]


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(iteration(1, 2))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"_type": "train_it')
    assert len(journal.records()) == 1


def test_tensorboard_gets_the_numbers(tmp_path: Path) -> None:
    journal = Journal(tmp_path, tensorboard_dir=tmp_path / "runs-kinetics")
    journal.write(iteration(1, 2), step=2)
    journal.close()
    assert list((tmp_path / "runs-kinetics").glob("events.out.tfevents.*"))


def test_a_run_goes_on_when_nobody_reads_its_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `slowfast run ... | head`."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as console:
        with pytest.raises(BrokenPipeError):
            os.write(writer, b"to nobody")
        monkeypatch.setattr("sys.stdout", console)
        setup_logging(tmp_path)
        LOGGER.warning("first")
        LOGGER.warning("second")
        write_line("the end", stream=console)
    said = [line.split("] ")[1] for line in (tmp_path / "stdout.log").read_text().splitlines()]
    assert said == ["first", "second"]


def test_tensorboard_passes_over_what_a_resumed_run_writes_again(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for values in ((1.0, 2.0, 3.0, 4.0), (30.0, 40.0)):
        journal = Journal(tmp_path, tensorboard_dir=tmp_path / "runs")
        done = 4 - len(values)
        journal.rewind(epoch=0, batch=done, step=done)
        for step, value in enumerate(values, start=done + 1):
            journal.write({**iteration(1, step), "loss": value}, step=step)
        journal.close()
    board = EventAccumulator(str(tmp_path / "runs")).Reload()
    shown = [(event.step, event.value) for event in board.Scalars("Train/loss")]
    assert shown == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0)]
