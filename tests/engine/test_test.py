"""Mirrors slowfast/engine/test.py: every view of every video, counted once."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import simplejson
import torch

from slowfast.config import load_cfg
from slowfast.data.datasets.build import build_dataset
from slowfast.engine.build import build_network, build_task
from slowfast.engine.checkpoint.formats import write_weights
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import checkpoint_path, write_checkpoint
from slowfast.engine.test import load_tested_weights, score_views
from slowfast.engine.test import test as run_test

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


@pytest.fixture
def tested(tiny: list[str], tmp_path: Path) -> list[str]:
    """Overrides of a run whose checkpoint holds random weights."""
    cfg = load_cfg(CONFIG, tiny)
    net = build_network(cfg, torch.device("cpu"))
    write_checkpoint(checkpoint_path(tmp_path / "run", 1), {"model_state": net.state_dict()})
    return tiny


def test_every_view_is_counted_and_written(tested: list[str], tmp_path: Path) -> None:
    options = ["TEST.SAVE_RESULTS_PATH", "results.pkl", "TEST.NUM_ENSEMBLE_VIEWS", "3"]
    results = run_test(load_cfg(CONFIG, [*tested, *options]))
    run = tmp_path / "run"
    assert (results["num_videos"], results["views_per_video"], results["num_views"]) == (12, 9, 108)
    assert results == simplejson.loads((run / "test_results.json").read_text())
    lines = (run / "predictions.jsonl").read_text().splitlines()
    predictions = [simplejson.loads(line) for line in lines]
    assert len({p["video"] for p in predictions}) == 12
    assert {p["views"] for p in predictions} == {9}
    assert all(sum(p["scores"]) == pytest.approx(1, abs=1e-4) for p in predictions)
    right = sum(p["correct"] for p in predictions)
    assert results["top1"] == pytest.approx(100 * right / 12)
    assert sum(map(sum, results["confusion"])) == 12
    with (run / "results.pkl").open("rb") as file:
        scores, labels = pickle.load(file)
    assert labels.tolist() == [p["label"] for p in predictions]
    for row, p in zip(scores, predictions, strict=True):  # the public file holds sums
        torch.testing.assert_close(row / 9, torch.tensor(p["scores"]), rtol=1e-4, atol=1e-6)


def test_chunks_and_order_change_no_score(tested: list[str]) -> None:
    cfg = load_cfg(CONFIG, tested)
    net = build_network(cfg, torch.device("cpu")).eval()
    sample = build_dataset(cfg, "test").read(0)
    where = torch.device("cpu")
    whole, parts = (
        score_views(net, build_task(cfg), sample, device=where, chunk=chunk) for chunk in (100, 4)
    )
    assert whole.shape == (6, 12)
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-6)


def test_a_max_ensemble_differs_from_a_sum(tested: list[str]) -> None:
    sums, maxima = (
        run_test(load_cfg(CONFIG, [*tested, "DATA.ENSEMBLE_METHOD", method]))
        for method in ("sum", "max")
    )
    assert sums["num_views"] == maxima["num_views"]


def test_a_lost_view_stops_the_test(tested: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "slowfast.engine.test.score_views",
        lambda *args, **kwargs: score_views(*args, **kwargs)[:-1],
    )
    with pytest.raises(ValueError, match="for each of 6 views, got 5"):
        run_test(load_cfg(CONFIG, tested))


def test_nothing_to_test_is_an_error(tiny: list[str]) -> None:
    with pytest.raises(CheckpointError, match=r"nothing to test.*TEST\.CHECKPOINT_FILE_PATH"):
        run_test(load_cfg(CONFIG, tiny))


def test_boxes_with_the_loss_of_clips_are_refused_before_anything_is_loaded(
    tiny: list[str],
) -> None:
    with pytest.raises(ValueError, match=r"DETECTION\.ENABLE is True, MODEL\.LOSS_FUNC 'cross"):
        run_test(load_cfg(CONFIG, [*tiny, "DETECTION.ENABLE", "True"]))


def test_weights_of_another_kind_are_tested(tiny: list[str], tmp_path: Path) -> None:
    cfg = load_cfg(CONFIG, tiny)
    source, net = (build_network(cfg, torch.device("cpu")) for _ in range(2))
    source.head.projection.weight.data.add_(1)
    write_weights(tmp_path / "net.safetensors", source.state_dict(), class_names=("left", "right"))
    path = ["TEST.CHECKPOINT_FILE_PATH", str(tmp_path / "net.safetensors")]
    assert load_tested_weights(net, load_cfg(CONFIG, [*tiny, *path])) == ["left", "right"]
    assert torch.equal(net.head.projection.weight, source.head.projection.weight)


def test_another_network_is_an_error(tested: list[str]) -> None:
    with pytest.raises(CheckpointError, match="does not fit the network"):
        run_test(load_cfg(CONFIG, [*tested, "SLOWFAST.FUSION_KERNEL_SZ", "3"]))


@pytest.fixture
def one_bad(tested: list[str], motions: Path, tmp_path: Path) -> list[str]:
    """The same test with a list whose fifth video is no video."""
    broken = tmp_path / "broken.mp4"
    broken.write_text("404 not found")
    lines = (motions / "test.csv").read_text().splitlines()
    lines[4] = f"{broken} {lines[4].rpartition(' ')[2]}"
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "test.csv").write_text("\n".join(lines) + "\n")
    return [*tested, "DATA.PATH_TO_DATA_DIR", str(tmp_path / "lists")]


def test_an_unreadable_video_stops_the_test_by_name(one_bad: list[str]) -> None:
    with pytest.raises(ValueError, match=r"broken\.mp4"):
        run_test(load_cfg(CONFIG, one_bad))


@pytest.mark.parametrize("policy", ["skip", "substitute"])
def test_a_test_never_substitutes(one_bad: list[str], tmp_path: Path, policy: str) -> None:
    results = run_test(load_cfg(CONFIG, [*one_bad, "DATA.ON_BAD_SAMPLE", policy]))
    assert results["num_videos"] == 11
    (left_out,) = results["left_out"]
    assert left_out["video"].endswith("broken.mp4")
    assert "broken.mp4" in (tmp_path / "run" / "bad_samples.jsonl").read_text()
    assert "1 of 12 videos could not be read" in (tmp_path / "run" / "stdout.log").read_text()
