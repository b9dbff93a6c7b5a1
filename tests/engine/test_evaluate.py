"""Mirrors slowfast/engine/evaluate.py."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
import simplejson

from slowfast.config import load_cfg
from slowfast.engine.train import train
from slowfast.log import LOGGER

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"
SKIP = ["DATA.ON_BAD_SAMPLE", "skip", "DATA.MAX_BAD_FRACTION", "1.0", "SOLVER.MAX_EPOCH", "1"]


def lists(motions: Path, folder: Path, **changed: str) -> list[str]:
    """Overrides for lists whose files are those of `motions`, but for those given."""
    folder.mkdir()
    for split in ("train", "val", "test"):
        shutil.copy(motions / f"{split}.csv", folder)
    for split, text in changed.items():
        (folder / f"{split}.csv").write_text(text)
    return ["DATA.PATH_TO_DATA_DIR", str(folder)]


def test_no_readable_video_is_no_error_rate(tiny: list[str], motions: Path, tmp_path: Path) -> None:
    val = lists(motions, tmp_path / "lists", val="gone.mp4 0\n")
    with pytest.raises(ValueError, match=r"no video of val can be read \(1 listed, see .*jsonl\)"):
        train(load_cfg(CONFIG, [*tiny, *SKIP, *val]))
    assert not (tmp_path / "run" / "checkpoints" / "checkpoint_best.pyth").exists()


def test_videos_left_out_are_counted_in_a_warning(
    tiny: list[str],
    motions: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slowfast.engine.record.setup_logging", lambda *args, **kwargs: None)
    monkeypatch.setattr(LOGGER, "propagate", True)
    some = (motions / "val.csv").read_text() + "gone.mp4 0\n"
    with caplog.at_level(logging.WARNING):
        train(load_cfg(CONFIG, [*tiny, *SKIP, *lists(motions, tmp_path / "lists", val=some)]))
    assert "1 of 9 val videos could not be read and are in no figure" in caplog.text


def test_batches_of_bad_videos_alone_are_passed_over(
    tiny: list[str], motions: Path, tmp_path: Path
) -> None:
    rows = (motions / "train.csv").read_text().splitlines()[:3]
    text = "".join(f"{row}\n" for row in [*rows, "gone.mp4 0"])
    changed = lists(motions, tmp_path / "lists", train=text)
    train(load_cfg(CONFIG, [*tiny, *SKIP, *changed, "TRAIN.BATCH_SIZE", "1"]))
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    iterations = [r for r in map(simplejson.loads, lines) if r["_type"] == "train_iter"]
    assert len(iterations) == 3, "and none for the batch without a video"
    assert (tmp_path / "run" / "checkpoints" / "checkpoint_epoch_00001.pyth").exists()
