"""A folder as a run leaves it, for the tests of reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WriteRun = Callable[..., Path]
NAMES = ["left", "right", "rock <&> roll"]


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """A tested run with three classes: 4 of 6 videos right; the names of absent files go last."""

    def write(*without: str, video: str = "gone/a <b>.mp4") -> Path:
        folder = tmp_path / "run"
        folder.mkdir()
        for name, text in run_content(video).items():
            if name not in without:
                (folder / name).write_text(text)
        return folder

    return write


def run_content(video: str) -> dict[str, str]:
    """File name -> text."""
    predictions = [
        prediction(video, label, scores)
        for label, scores in (
            (0, [0.8, 0.1, 0.1]),
            (0, [0.05, 0.9, 0.05]),
            (1, [0.2, 0.7, 0.1]),
            (1, [0.3, 0.1, 0.6]),
            (2, [0.1, 0.1, 0.8]),
            (2, [0.2, 0.2, 0.6]),
        )
    ]
    confusion = [[1, 1, 0], [0, 1, 1], [0, 0, 2]]
    per_class = [
        {"name": name, "accuracy": accuracy, "videos": 2}
        for name, accuracy in zip(NAMES, (50.0, 50.0, 100.0), strict=True)
    ]
    metrics = []
    for epoch in (1, 2, 3):
        metrics.append(iteration(epoch))
        metrics.append(
            {
                "_type": "train_epoch",
                "epoch": epoch,
                "loss": 2.0 / epoch,
                "lr": 0.1,
                "top1_err": 60.0 / epoch,
                "clips_per_s": 12.5,
                "data_wait": 0.5,
                "seconds": 60.0,
            }
        )
        metrics.append({"_type": "val_epoch", "epoch": epoch, "top1_err": 70.0 / epoch})
    config = (
        "DATA:\n  PATH_TO_DATA_DIR: lists/motions\nDATA_LOADER:\n  NUM_WORKERS: 2\n"
        "MODEL:\n  ARCH: slowfast\n  MODEL_NAME: SlowFast\nNUM_GPUS: 0\nSOLVER:\n  BASE_LR: 0.25\n"
    )
    return {
        "config.yaml": config,
        "model.json": json.dumps({"name": "SlowFast", "params": 33_646_336, "gflops": 65.71}),
        "data.json": json.dumps({"train": {"videos": 12_345, "list_sha256": "ab" * 32}}),
        "metrics.jsonl": lines(metrics) + '{"_type": "train_ep',  # cut short by a crash
        "predictions.jsonl": lines(predictions),
        "test_results.json": json.dumps(
            {
                "top1": 66.6667,
                "top5": 100.0,
                "num_videos": 6,
                "views_per_video": 30,
                "per_class": per_class,
                "confusion": confusion,
                "left_out": [{"video": "lost.mp4", "cause": "lost.mp4: found no frames"}],
            }
        ),
        "bad_samples.jsonl": lines(
            [{"path": "torn.mp4", "cause": "torn.mp4: cut short", "replaced_by": 7, "epoch": 0}]
        ),
    }


def prediction(video: str, label: int, scores: list[float]) -> dict[str, Any]:
    best = scores.index(max(scores))
    return {
        "video": video,
        "label": label,
        "label_name": NAMES[label],
        "prediction": best,
        "prediction_name": NAMES[best],
        "correct": best == label,
        "views": 30,
        "scores": scores,
    }


def iteration(epoch: int) -> dict[str, Any]:
    return {"_type": "train_iter", "epoch": epoch, "iter": 5, "iters": 10, "lr": 0.1 / epoch}


def lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)
