"""Mirrors slowfast/config/defaults.py and sections: every public key, its default and meaning."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from fvcore.common.config import CfgNode

from slowfast.config import get_cfg
from slowfast.config.defaults import KEYS, get_value

PUBLIC = json.loads((Path(__file__).parents[1] / "parity" / "config_defaults.json").read_text())
OURS = {
    "RESNET.STAGE_DEPTHS": [],
    "RESNET.STEM_TIME_STRIDES": [1, 1],
    "SLOWFAST.FUSION": "t-conv",
    "SLOWFAST.FAST_INPUT": "rgb",
    "MODEL.LABEL_SMOOTHING": 0.0,
    "MODEL.CHANNELS_LAST": False,
    "MODEL.COMPILE": False,
    "TRAIN.AMP_DTYPE": "float16",
    "TEST.MIXED_PRECISION": False,
    "TRAIN.ALLOW_BATCH_CHANGE": False,
    "TRAIN.ALLOW_PARTIAL": False,
    "TRAIN.CHECKPOINT_PERIOD_STEPS": 0,
    "TRAIN.MAX_NONFINITE": 10,
    "TRAIN.ON_NONFINITE": "raise",
    "TRAIN.CHECKPOINT_FORMAT": "pyth",
    "TRAIN.CHECKPOINT_ASYNC": False,
    "TRAIN.PARALLEL": "ddp",
    "DATA.ON_BAD_SAMPLE": "raise",
    "DATA.QUARANTINE": "",
    "DATA.VERIFY_CONTENT": "",
    "DATA.MAX_BAD_FRACTION": 0.01,
    "DATA.MAX_PIXELS": 33554432,
    "DATA.DECODE_DEVICE": "cpu",
    "DATA.PICTURE_FPS": 30.0,
    "DATA.PIXELS": "rgb",
    "DATA.CLASS_NAMES_FILE": "",
    "DATA.FOLDER_SPLIT": [0.8, 0.1, 0.1],
    "DATA.OFFICIAL_SPLIT": 1,
    "AVA.FPS": 30,
    "DIST_MAX_RESTARTS": 3,
    "EMA.ENABLE": False,
    "EMA.DECAY": 0.9999,
    "MODEL.FREEZE": [],
    "TRAIN.GRAD_ACCUM_STEPS": 1,
    "AVA.START_SECOND": 900,
    "AVA.TEST_CLIPS": 1,
    "AVA.TEST_CLIP_SHIFT": 0.25,
    "AVA.TEST_FLIP": False,
    "AVA.TEST_SCALES": [],
    "AVA.VALID_SECONDS": [902, 1798],
    "AVA.VAL_EVERY_SECONDS": 4,
    "AVA.VIDEO_DIR": "",
    "DATA_LOADER.PREFETCH_FACTOR": 2,
    "TEST.PREDICTIONS": "predictions.jsonl",
    "REPORT.ENABLE": True,
    "REPORT.NUM_MISTAKES": 12,
    "DIST_TIMEOUT_MINUTES": 30,
}


def test_every_public_key_has_its_public_default() -> None:
    cfg = get_cfg()
    assert len(PUBLIC) == 339
    for path, default in PUBLIC.items():
        if default in ("inf", "-inf"):  # JSON has no infinity
            default = float(default)
        value = get_value(cfg, path)
        assert value == default, path
        assert type(value) is type(default), path


def test_our_keys_stand_beside_the_public_ones() -> None:
    cfg = get_cfg()
    assert {path: get_value(cfg, path) for path in OURS} == OURS
    assert set(KEYS) == set(PUBLIC) | set(OURS)


@pytest.mark.parametrize("path", KEYS)
def test_a_key_explains_itself_and_accepts_its_default(path: str) -> None:
    key = KEYS[path]
    key.validate(key.default, path=path, origin="")
    assert key.doc.endswith(".")
    assert len(key.doc) > 5
    assert type(key.default) in key.accepts
    assert bool(key.rule) == (key.check.__name__ != "anything"), "a check and its words"


def test_two_configs_share_nothing() -> None:
    first, second = get_cfg(), get_cfg()
    first.DATA.MEAN.append(1.0)
    first.NONLOCAL.POOL[0][0].append(2)
    assert second.DATA.MEAN == [0.45, 0.45, 0.45]
    assert second.NONLOCAL.POOL[0] == second.NONLOCAL.POOL[1] == [[1, 2, 2], [1, 2, 2]]


def test_a_frozen_config_survives_pickling() -> None:
    """Loader workers and launched processes get it that way."""
    cfg = get_cfg()
    cfg.freeze()
    copy = pickle.loads(pickle.dumps(cfg))
    assert copy == cfg
    assert type(copy) is type(copy.MVIT.REV) is CfgNode
    with pytest.raises(AttributeError, match="immutable"):
        copy.TRAIN.BATCH_SIZE = 1
