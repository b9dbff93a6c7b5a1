"""Augmentation by the number of ranks: of a sample always the same, of no two samples alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from slowfast.config import load_cfg
from slowfast.data.augmentation_from_cfg import augment_stage_from_cfg
from slowfast.data.datasets.build import build_dataset
from slowfast.data.loader import TrainLoader
from slowfast.data.samplers import TrainBatches
from slowfast.data.transforms.augment_stage import AugmentStage

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"
SAMPLES = 12
KINDS = {
    "crop, scale and flip": [],
    "area, colours, gray, blur and time difference": [
        *("DATA.TRAIN_JITTER_SCALES_RELATIVE", "[0.3, 1.0]"),
        *("DATA.TRAIN_JITTER_ASPECT_RELATIVE", "[0.75, 1.33]"),
        *("DATA.SSL_COLOR_JITTER", "True"),
        *("DATA.COLOR_RND_GRAYSCALE", "0.3"),
        *("DATA.SSL_MOCOV2_AUG", "True"),
        *("DATA.TIME_DIFF_PROB", "0.3"),
    ],
    "RandAugment, erasing, masks and two samples of each clip": [
        *("AUG.ENABLE", "True"),
        *("AUG.AA_TYPE", "rand-m7-n4-mstd0.5-inc1"),
        *("AUG.RE_PROB", "0.8"),
        *("AUG.NUM_SAMPLE", "2"),
        *("AUG.GEN_MASK_LOADER", "True"),
        *("AUG.MASK_WINDOW_SIZE", "[8, 4, 4]"),
    ],
}


@pytest.fixture
def same_video(tiny: list[str], motions: Path, tmp_path: Path) -> list[str]:
    """A list that names one video twelve times: clips differ by their augmentation alone."""
    (tmp_path / "train.csv").write_text(f"{next(iter(motions.rglob('*.mp4')))} 0\n" * SAMPLES)
    return [*tiny, "DATA.PATH_TO_DATA_DIR", str(tmp_path), "NUM_GPUS", "0"]


def augmented(cfg: Any, *, world: int) -> list[dict[tuple[int, int], Tensor]]:
    """By rank: clips, and their masks if there are any, of (video, view), all in one row."""
    dataset, stage = build_dataset(cfg, "train"), augment_stage_from_cfg(cfg)
    ranks = []
    for rank in range(world):
        batches = TrainBatches(SAMPLES, SAMPLES, rank=rank, world=world, seed=cfg.RNG_SEED)
        batches.set_position(3)
        (batch,) = map(stage, TrainLoader(dataset, batches))
        rows = batch.clips.flatten(1).float()
        if batch.masks is not None:
            rows = torch.cat([rows, batch.masks.flatten(1).float()], dim=1)
        names = zip(batch.videos.tolist(), batch.views.tolist(), strict=True)
        ranks.append(dict(zip(names, rows, strict=True)))
    return ranks


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_augmented_alike_at_any_world_size(same_video: list[str], kind: str) -> None:
    cfg = load_cfg(CONFIG, [*same_video, *KINDS[kind]])
    (alone,) = augmented(cfg, world=1)
    assert len(alone) == SAMPLES * (2 if "two samples" in kind else 1)
    for world in (2, 3):
        ranks = augmented(cfg, world=world)
        together = {key: row for rank in ranks for key, row in rank.items()}
        assert together.keys() == alone.keys()
        assert all(torch.equal(together[key], alone[key]) for key in alone)
    # The first of a rank is not the first of another, as where all ranks draw the same numbers.
    assert len(torch.stack(list(alone.values())).unique(dim=0)) == len(alone)


def test_mixing_depends_on_the_clips_that_a_process_has(same_video: list[str]) -> None:
    """Two ranks mix by other shares; a rank's batch by the same one, however often it comes."""
    cfg = load_cfg(CONFIG, [*same_video, "MIXUP.ENABLE", "True", "MIXUP.CUTMIX_ALPHA", "0.0"])
    (mixing,) = augment_stage_from_cfg(cfg).batch_augments
    dataset = build_dataset(cfg, "train")
    shares = []
    for rank in (0, 1, 0):
        batches = TrainBatches(SAMPLES, SAMPLES, rank=rank, world=2, seed=cfg.RNG_SEED)
        (batch,) = map(AugmentStage(), TrainLoader(dataset, batches))
        shares.append(mixing.draw(batch, 32, 32).share)  # type: ignore[attr-defined]
    assert shares[0] == shares[2] != shares[1]
