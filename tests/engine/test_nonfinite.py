"""Mirrors slowfast/engine/nonfinite.py: who had it, on what, the same told by all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast import dist
from slowfast.config import load_cfg
from slowfast.data.batch import Batch
from slowfast.engine.build import Position
from slowfast.engine.guard import Explosion, NonFinite
from slowfast.engine.journal import Journal
from slowfast.engine.nonfinite import explain, note_skipped

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


def config(folder: Path, *words: str) -> Any:
    return load_cfg(CONFIG, ["OUTPUT_DIR", str(folder), *words])


def batch_of(count: int) -> Batch:
    zeros = torch.zeros(count, dtype=torch.int64)
    clips = torch.zeros(count, 1, 2, 2, 3, dtype=torch.uint8)
    return Batch(clips, zeros, zeros, zeros, [f"{i}.mp4" for i in range(count)], epoch=3)


def test_another_ranks_videos_are_named_and_not_the_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"rank": 5, "loss": float("inf"), "paths": ["theirs.mp4"], "file": "their.pt"}
    said: list[Any] = []

    def gather(mine: Any) -> list[Any]:
        said.append(mine)
        return [mine, other]

    monkeypatch.setattr(dist, "gather_objects", gather)
    error = NonFinite(batch_of(2), 0.5, ranks=1, late=True)
    text = str(explain(error, Position(2, 7), config(tmp_path)))
    assert said == [None]
    assert list(tmp_path.iterdir()) == []
    assert text.startswith("the loss is inf at epoch 3, iteration 7 (rank 5, on theirs.mp4; the")
    assert "their.pt" in text
    assert "SOLVER.BASE_LR" in text


def test_gradients_are_of_all_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "gather_objects", lambda mine: [mine] * 9)
    error = NonFinite(batch_of(20), 0.5, ranks=0, late=False)
    skip = config(tmp_path, "TRAIN.ON_NONFINITE", "skip", "TRAIN.MAX_NONFINITE", "3")
    text = str(explain(error, Position(0, 7), skip))
    assert text.startswith("the loss is finite, but the gradients are not at epoch 1, iteration 8")
    assert "7.mp4 and 12 more; " in text
    assert "; and 5 more ranks)" in text
    assert "3 steps (TRAIN.MAX_NONFINITE) were left out before it" in text
    saved = torch.load(tmp_path / "nonfinite_batch_rank0.pt", weights_only=True)
    assert len(saved["paths"]) == 20
    assert saved["epoch"] == 3


def test_a_batch_that_cannot_be_saved_hides_nothing(tmp_path: Path) -> None:
    error = NonFinite(batch_of(1), float("nan"), ranks=1, late=False)
    text = str(explain(error, Position(), config(tmp_path / "missing")))
    assert "the loss is nan at epoch 1, iteration 1 (rank 0, on 0.mp4; the batch is in no" in text


def test_an_explosion_says_how_far(tmp_path: Path) -> None:
    cfg = config(tmp_path, "TRAIN.KILL_LOSS_EXPLOSION_FACTOR", "3.0")
    text = str(explain(Explosion(9.5, 2.0, late=False), Position(1, 1), cfg))
    assert re.match(
        r"the loss is 9\.5 at epoch 2, iteration 2, more than TRAIN\.KILL_LOSS_EXPLOSION_FACTOR "
        r"\(3\) times its running mean \(2\)",
        text,
    )


def test_a_step_that_is_left_out_is_in_the_journal_and_rewound(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    skipped = [NonFinite(batch_of(2), float("nan"), ranks=1, late=False)]
    note_skipped(skipped, Position(1, 4), config(tmp_path), journal)
    assert skipped == []
    (record,) = journal.records()
    assert record == {
        "_type": "train_skip",
        "epoch": 2,
        "iter": 5,
        "cause": "loss",
        "ranks": [0],
        "paths": ["0.mp4", "1.mp4"],
    }
    journal.rewind(epoch=1, batch=5, step=1)
    assert len(journal.records()) == 1
    journal.rewind(epoch=1, batch=4, step=1)
    assert journal.records() == []
