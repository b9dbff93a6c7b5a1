"""A run with each value of DATA.PIXELS: nearly the same losses and scores, with any workers."""

from __future__ import annotations

from pathlib import Path

import pytest
import simplejson

from slowfast.config import load_cfg
from slowfast.engine.test import test as run_test
from slowfast.engine.train import train

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


def run(tiny: list[str], folder: Path, *settings: str) -> tuple[list[float], float]:
    """Losses of one epoch, and the highest score of the first test video."""
    options = [*tiny, "SOLVER.MAX_EPOCH", "1", "OUTPUT_DIR", str(folder), *settings]
    cfg = load_cfg(CONFIG, options)
    train(cfg)
    run_test(cfg)
    records = map(simplejson.loads, (folder / "metrics.jsonl").read_text().splitlines())
    losses = [record["loss"] for record in records if record["_type"] == "train_iter"]
    line = (folder / "predictions.jsonl").read_text().splitlines()[0]
    return losses, max(simplejson.loads(line)["scores"])


def test_every_kind_of_pixels_trains_and_tests(tiny: list[str], tmp_path: Path) -> None:
    runs = {
        mode: run(tiny, tmp_path / mode, "DATA.PIXELS", mode) for mode in ("rgb", "yuv", "strict")
    }
    losses, score = runs["strict"]
    for mode in ("rgb", "yuv"):
        # The first loss is before any update: only pixels differ.
        assert runs[mode][0][0] == pytest.approx(losses[0], rel=0.02)
        assert runs[mode][0][0] != losses[0]
        assert runs[mode][1] == pytest.approx(score, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["rgb", "yuv", "strict"])
def test_workers_change_nothing(mode: str, tiny: list[str], tmp_path: Path) -> None:
    alone = run(tiny, tmp_path / "0", "DATA.PIXELS", mode)
    shared = run(tiny, tmp_path / "2", "DATA.PIXELS", mode, "DATA_LOADER.NUM_WORKERS", "2")
    assert alone == shared
