"""Mirrors slowfast/engine/predict.py: a prediction is what the test would say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import simplejson
import torch

from slowfast.config import load_cfg
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import best_path, checkpoint_path, read_checkpoint
from slowfast.engine.predict import Predictor
from slowfast.engine.test import test as run_test
from slowfast.engine.train import train

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


@pytest.fixture(scope="module")
def trained(tiny_in: Callable[[Path], list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run that was trained and tested, and which no test changes."""
    run = tmp_path_factory.mktemp("trained")
    cfg = load_cfg(CONFIG, [*tiny_in(run), "SOLVER.MAX_EPOCH", "1"])
    train(cfg)
    run_test(cfg)
    return checkpoint_path(run, 1)


def test_scores_are_those_of_the_test(trained: Path) -> None:
    lines = (trained.parents[1] / "predictions.jsonl").read_text().splitlines()
    tested = [simplejson.loads(line) for line in lines[:3]]
    predictor = Predictor.from_checkpoint(trained, device="cpu")
    for expected in tested:
        prediction = predictor(expected["video"], top=12)
        assert prediction.names[0] == expected["prediction_name"]
        assert prediction.views == expected["views"]
        scores = [expected["scores"][k] for k in prediction.labels]
        assert prediction.scores == pytest.approx(scores, abs=1e-5)


def test_the_ensemble_is_that_of_the_test(trained: Path, tmp_path: Path, tiny: list[str]) -> None:
    tested = ["TEST.CHECKPOINT_FILE_PATH", str(trained)]
    run_test(load_cfg(CONFIG, [*tiny, *tested, "DATA.ENSEMBLE_METHOD", "max"]))
    line = (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()[0]
    expected = simplejson.loads(line)
    highest = ["DATA.ENSEMBLE_METHOD", "max"]
    predictor = Predictor.from_checkpoint(trained, overrides=highest, device="cpu")
    prediction = predictor(expected["video"], top=12)
    scores = [expected["scores"][k] for k in prediction.labels]
    assert prediction.scores == pytest.approx(scores, abs=1e-5)
    assert sum(scores) > 1.0001, "the highest of several views, not their mean"


def test_top_is_bounded_by_the_classes_and_sorted(trained: Path, motions: Path) -> None:
    video = next((motions / "test").rglob("*.mp4"))
    prediction = Predictor.from_checkpoint(trained, device="cpu")(video, top=50)
    assert len(prediction.labels) == 12
    assert prediction.scores == sorted(prediction.scores, reverse=True)
    assert prediction.as_dict()["predictions"][0]["name"] in str(prediction)


def test_a_checkpoint_without_config_asks_for_one(
    trained: Path, tmp_path: Path, tiny: list[str], motions: Path
) -> None:
    bare = tmp_path / "bare.pyth"
    torch.save({"model_state": read_checkpoint(trained)["model_state"]}, bare)
    with pytest.raises(CheckpointError, match=r"bare\.pyth: the checkpoint carries no config"):
        Predictor.from_checkpoint(bare)
    predictor = Predictor.from_checkpoint(bare, cfg=CONFIG, overrides=tiny, device="cpu")
    assert predictor.class_names[0] == "left"


def test_a_network_of_detection_is_refused(trained: Path) -> None:
    with pytest.raises(ValueError, match=r"a network for persons in boxes \(DETECTION.ENABLE\)"):
        Predictor.from_checkpoint(trained, overrides=["DETECTION.ENABLE", "True"], device="cpu")


def test_the_best_checkpoint_predicts_too(trained: Path) -> None:
    assert Predictor.from_checkpoint(best_path(trained.parents[1])).class_names[-1]


def test_an_unreadable_video_is_named(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"text\.mp4"):
        Predictor.from_checkpoint(trained, device="cpu")(tmp_path / "text.mp4")
