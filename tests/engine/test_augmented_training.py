"""Training of a public MViT recipe, cut down: repeated samples, RandAugment, erasing, mixup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import simplejson
import torch

from slowfast.config import load_cfg
from slowfast.data.batch import Batch
from slowfast.engine.build import build_trainer
from slowfast.engine.checkpoint.state import checkpoint_path, read_checkpoint
from slowfast.engine.step import Stepper
from slowfast.engine.train import train

RECIPE = Path(__file__).parents[2] / "configs" / "Kinetics" / "MVIT_B_16x4_CONV.yaml"
NUMBERS = ("_type", "epoch", "iter", "loss", "grad_norm", "top1_err", "min_top1_err")
SMALL: dict[str, Any] = {
    "AUG.RE_PROB": 0.5,
    "DATA.NUM_FRAMES": 8,
    "DATA.SAMPLING_RATE": 2,
    "MODEL.NUM_CLASSES": 12,
    "MVIT.DEPTH": 2,
    "MVIT.DIM_MUL": [[1, 2.0]],
    "MVIT.EMBED_DIM": 16,
    "MVIT.HEAD_MUL": [[1, 2.0]],
    "MVIT.POOL_KV_STRIDE_ADAPTIVE": [1, 4, 4],
    "MVIT.POOL_Q_STRIDE": [[1, 1, 2, 2]],
    "NUM_GPUS": 0,
    "TEST.BATCH_SIZE": 4,
    "TRAIN.CHECKPOINT_PERIOD_STEPS": 2,
}


@pytest.fixture
def options(tiny: list[str]) -> list[str]:
    return [*tiny, *[str(part) for pair in SMALL.items() for part in pair]]


def figures(folder: Path) -> list[tuple]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [tuple(simplejson.loads(line).get(name) for name in NUMBERS) for line in lines]


def test_a_run_that_was_broken_off_ends_like_one_that_was_not(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six steps an epoch; broken off in the second one, and continued with other workers."""
    train(load_cfg(RECIPE, [*options, "OUTPUT_DIR", str(tmp_path / "whole")]))
    broken = [*options, "OUTPUT_DIR", str(tmp_path / "broken")]
    real, batches = Stepper.__call__, []

    def break_off(self: Stepper, batch: Batch, *args: Any, **kwargs: Any) -> Any:
        batches.append(batch)
        if len(batches) == 10:
            raise RuntimeError("the power failed")
        return real(self, batch, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "__call__", break_off)
        with pytest.raises(RuntimeError, match="the power failed"):
            train(load_cfg(RECIPE, broken))
    train(load_cfg(RECIPE, [*broken, "DATA_LOADER.NUM_WORKERS", "1"]))

    assert figures(tmp_path / "broken") == figures(tmp_path / "whole")
    whole, resumed = (
        read_checkpoint(checkpoint_path(tmp_path / name, 2)) for name in ("whole", "broken")
    )
    for name, tensor in whole["model_state"].items():
        assert torch.equal(tensor, resumed["model_state"][name]), name
    states = [content["optimizer_state"]["state"] for content in (whole, resumed)]
    assert states[0]
    torch.testing.assert_close(states[1], states[0], rtol=0, atol=0)

    # What it was trained on: two samples of each of four videos, mixed and smoothed.
    for batch in batches:
        assert batch.clips.shape == (8, 8, 32, 32, 3)
        assert batch.clips.dtype is torch.float32
        assert batch.labels.shape == (8, 12)
        torch.testing.assert_close(batch.labels.sum(1), torch.ones(8))
        assert float(batch.labels.min()) == pytest.approx(0.1 / 12)
        assert batch.videos.tolist() == [v for v in batch.videos[::2].tolist() for _ in (0, 1)]
    assert any(float(batch.labels.max()) < 0.85 for batch in batches)


def test_top1_of_mixed_clips_counts_the_class_with_the_larger_share(options: list[str]) -> None:
    trainer = build_trainer(load_cfg(RECIPE, options))
    (batch, *_) = trainer.loader
    mixed = trainer.augment(batch)

    class Says(torch.nn.Module):
        def __init__(self, classes: torch.Tensor) -> None:
            super().__init__()
            self.classes = classes

        def forward(self, pathways: list[torch.Tensor]) -> torch.Tensor:
            return torch.nn.functional.one_hot(self.classes, 12).float()

    share = mixed.labels.argmax(1)
    assert float(trainer.task.loss(Says(share), mixed)["top1_err"]) == 0
    assert float(trainer.task.loss(Says((share + 1) % 12), mixed)["top1_err"]) == 100
    assert float(trainer.task.loss(Says(batch.labels), batch)["top1_err"]) == 0


def test_validation_is_not_augmented(options: list[str]) -> None:
    trainer = build_trainer(load_cfg(RECIPE, options))
    assert trainer.val_loader is not None
    for batch in trainer.val_loader:
        assert batch.clips.dtype is torch.uint8
        assert batch.clips.shape == (4, 8, 32, 32, 3)
        assert batch.labels.dtype is torch.int64
