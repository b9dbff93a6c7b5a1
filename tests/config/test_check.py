"""Mirrors slowfast/config/check.py: rules between keys."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from slowfast.config import ConfigError, clips_per_process, load_cfg, num_pathways

CONFIGS = Path(__file__).parents[2] / "configs"
SLOWFAST = CONFIGS / "Kinetics" / "SLOWFAST_8x8_R50.yaml"
SLOW = CONFIGS / "Kinetics" / "SLOW_8x8_R50.yaml"
STEPWISE = CONFIGS / "Kinetics" / "SLOWFAST_8x8_R50_stepwise.yaml"


@pytest.mark.parametrize(
    ("path", "words", "message"),
    [
        (
            SLOWFAST,
            "DATA.NUM_FRAMES 30",
            r"DATA.NUM_FRAMES \(30\) must be a multiple of SLOWFAST.ALPHA \(4\): the Slow pathway",
        ),
        (
            SLOWFAST,
            "TRAIN.BATCH_SIZE 12",
            r"TRAIN.BATCH_SIZE \(12\) must be a multiple of NUM_GPUS \(8\): it is shared among "
            r"the processes of a machine. Set TRAIN.BATCH_SIZE 8, or NUM_GPUS.",
        ),
        (
            SLOWFAST,
            "SLOWFAST.FAST_INPUT gray",
            r"FAST_INPUT 'gray' gives the Fast pathway 1 channel\(s\), but "
            r"DATA.INPUT_CHANNEL_NUM is \[3, 3\]; set it to \[3, 1\]",
        ),
        (
            SLOWFAST,
            "SLOWFAST.FAST_INPUT half DATA.TRAIN_CROP_SIZE 225",
            r"'half' halves clips of 225 \(DATA.TRAIN_CROP_SIZE\).*both must be even",
        ),
        (SLOWFAST, "SLOWFAST.FUSION t-convv", "SLOWFAST.FUSION is 't-convv'.*Did you mean t-conv"),
        (SLOWFAST, "TEST.BATCH_SIZE 3", r"TEST.BATCH_SIZE \(3\) must be a multiple of NUM_GPUS"),
        (SLOWFAST, "MODEL.MODEL_NAME Slowfast", "MODEL.MODEL_NAME is 'Slowfast'.* mean SlowFast"),
        (SLOWFAST, "MODEL.MODEL_NAME ResNt", r"must be one of .*Did you mean ResNet"),
        (SLOWFAST, "MODEL.ARCH slowfst", "MODEL.ARCH is 'slowfst'.*Did you mean slowfast"),
        (SLOWFAST, "TRAIN.DATASET kinetcs", "TRAIN.DATASET is 'kinetcs'.*Did you mean kinetics"),
        (SLOWFAST, "TEST.DATASET SSV3", "TEST.DATASET is 'SSV3', but .*Did you mean ssv2"),
        (SLOWFAST, "MODEL.MODEL_NAME ResNet", "'ResNet' has one pathway, but MODEL.ARCH is 'slowf"),
        (SLOWFAST, "MODEL.ARCH slow", "'SlowFast' has two pathways, but MODEL.ARCH is 'slow'. Set"),
        (SLOW, "MODEL.MODEL_NAME SlowFast MODEL.ARCH fast", "has two pathways, but MODEL.ARCH is"),
        (SLOWFAST, "SOLVER.LR_POLICY cosin", "SOLVER.LR_POLICY is 'cosin'.*Did you mean cosine"),
        (SLOWFAST, "SOLVER.OPTIMIZING_METHOD adamW", "OPTIMIZING_METHOD is 'adamW'.*mean adamw"),
        (SLOWFAST, "DATA.ENSEMBLE_METHOD mean", "must be one of 'sum', 'max'"),
        (
            SLOWFAST,
            "RESNET.SPATIAL_STRIDES [[1],[2],[2],[2]]",
            r"RESNET.SPATIAL_STRIDES must have one entry a pathway in each stage: MODEL.ARCH "
            r"'slowfast' has 2, but \[1\] has 1",
        ),
        (SLOW, "NONLOCAL.GROUP [[1,1],[1],[1],[1]]", r"NONLOCAL.GROUP must have one entry a path"),
        (SLOW, "DATA.INPUT_CHANNEL_NUM [3,3]", r"'slow' has 1, but \[3, 3\] has 2"),
        (STEPWISE, "SOLVER.STEPS [10,20]", r"SOLVER.STEPS is \[10, 20\], but must be epochs that"),
        (STEPWISE, "SOLVER.STEPS [0,20,20]", "start at 0 and grow"),
        (STEPWISE, "SOLVER.STEPS []", "start at 0 and grow"),
        (STEPWISE, "SOLVER.LRS [1,0.1]", "SOLVER.LRS has 2 rates for 4 SOLVER.STEPS below MAX_EPO"),
        (SLOWFAST, "SHARD_ID 2 NUM_SHARDS 2", r"SHARD_ID \(2\) must be below NUM_SHARDS \(2\)"),
    ],
)
def test_contradictions(path: Path, words: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_cfg(path, words.split())


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (SLOW, "DATA.NUM_FRAMES 30"),
        (SLOWFAST, "NUM_GPUS 0 TRAIN.BATCH_SIZE 3 TEST.BATCH_SIZE 5"),
        (SLOWFAST, "TRAIN.ENABLE False TRAIN.BATCH_SIZE 3"),
        (SLOWFAST, "NUM_SHARDS 3"),  # batches are per machine
        (SLOW, "MODEL.ARCH fast"),
        (SLOWFAST, "SOLVER.WARMUP_EPOCHS 500"),
        (STEPWISE, "SOLVER.LRS [1,0.1] SOLVER.MAX_EPOCH 100"),  # later steps are never reached
        (SLOWFAST, "SOLVER.STEPS [10]"),  # not read by the cosine
    ],
)
def test_what_must_pass(path: Path, words: str) -> None:
    load_cfg(path, words.split())


def test_clips_per_process() -> None:
    cfg = load_cfg(SLOWFAST, ["TRAIN.BATCH_SIZE", "24", "NUM_SHARDS", "2"])
    assert clips_per_process(cfg, "TRAIN") == 3
    assert clips_per_process(cfg, "TEST") == 8
    assert clips_per_process(load_cfg(SLOW, ["NUM_GPUS", "0"]), "TRAIN") == 64


def test_a_batch_of_one_loads_but_can_not_be_shared(caplog: pytest.LogCaptureFixture) -> None:
    path = CONFIGS / "masked_ssl" / "k400_VIT_B_16x4_FT.yaml"
    with caplog.at_level(logging.WARNING, logger="slowfast"):
        cfg = load_cfg(path)
    assert "TRAIN.BATCH_SIZE is 1 for 8 GPUs: set it to a multiple of NUM_GPUS" in caplog.text
    with pytest.raises(ConfigError, match=r"TRAIN.BATCH_SIZE \(1\) must be a multiple of NUM_GPUS"):
        clips_per_process(cfg, "TRAIN")


def test_pathways() -> None:
    assert num_pathways(load_cfg(SLOWFAST)) == 2
    assert num_pathways(load_cfg(SLOW)) == 1
    assert num_pathways(load_cfg(SLOW, ["MODEL.ARCH", "fast"])) == 1
