"""Mirrors slowfast/engine/support.py: what a config asks for is done, refused or warned of."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from slowfast import dist
from slowfast.config import get_cfg, load_cfg, with_values
from slowfast.config.defaults import KEYS
from slowfast.engine.record import open_run
from slowfast.engine.support import _ELSEWHERE, _NEUTRAL, check_batch_norm, refuse_unsupported
from slowfast.engine.train import train

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "Motions" / "SLOWFAST_TINY.yaml"
ASKED: dict[str, Any] = {
    "CONTRASTIVE.PREDICTOR_DEPTHS": [2],
    "MODEL.DROPCONNECT_RATE": 0.5,
    "SOLVER.GAMMA": 0.5,
    "SOLVER.STEP_SIZE": 3,
    "SOLVER.WARMUP_FACTOR": 0.2,
    "TENSORBOARD.CATEGORIES_PATH": "a.json",
    "TENSORBOARD.CLASS_NAMES_PATH": "a.json",
    "TENSORBOARD.PREDICTIONS_PATH": "a.pkl",
}


def test_neutral_values_are_the_defaults() -> None:
    neutral = _NEUTRAL | {key: value for key, (value, _) in _ELSEWHERE.items()}
    assert neutral == {key: KEYS[key].default for key in neutral}
    refuse_unsupported(get_cfg())


@pytest.mark.parametrize("key", _NEUTRAL)
def test_what_cannot_be_done_is_refused(key: str) -> None:
    cfg = with_values(get_cfg(), {key: ASKED.get(key, True)})
    with pytest.raises(ValueError, match=rf"^{key} is .*cannot do yet.* Set it to ") as caught:
        refuse_unsupported(cfg)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"BN.NUM_SPLITS": 3},
            r"NUM_SPLITS is 3, .* the 4 clips of a process into .*; change BN\.",
        ),
        (
            {"BN.NUM_SPLITS": 4, "TRAIN.GRAD_ACCUM_STEPS": 2},
            "a process in TRAIN.GRAD_ACCUM_STEPS 2",
        ),
        (
            {"BN.NUM_SPLITS": 3, "MULTIGRID.LONG_CYCLE": True, "MULTIGRID.DEFAULT_B": 7},
            r"in batches of 12: change MULTIGRID\.BN_BASE_SIZE \(8\) or .*BATCH_SIZE \(7\)",
        ),
        (
            {"BN.NORM_TYPE": "sync_batchnorm", "BN.NUM_SYNC_DEVICES": 2},
            r"SYNC_DEVICES is 2, .* the 3 processes .*; change BN\.NUM_SYNC_DEVICES or .*GLOBAL",
        ),
    ],
)
def test_batch_norm_that_cannot_divide_a_step_is_refused_before_it(
    keys: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dist, "world_size", lambda: 3)
    monkeypatch.setattr(dist, "processes_from_cfg", lambda cfg: 3)
    asked = {"TRAIN.BATCH_SIZE": 12, "BN.NORM_TYPE": "sub_batchnorm"}
    check_batch_norm(with_values(get_cfg(), {**asked, "BN.NUM_SPLITS": 2}))
    cfg = with_values(get_cfg(), {**asked, **keys})
    with pytest.raises(ValueError, match=message):
        check_batch_norm(cfg)
    check_batch_norm(with_values(cfg, {"MODEL.FROZEN_BN": True}))


@pytest.mark.parametrize("key", _ELSEWHERE)
def test_what_changes_nothing_is_a_line_in_the_log(key: str, tmp_path: Path) -> None:
    cfg = with_values(get_cfg(), {key: ASKED.get(key, True), "OUTPUT_DIR": str(tmp_path)})
    refuse_unsupported(cfg)
    for _ in range(2):  # training, then the test
        open_run(cfg).close()
    warnings = [line for line in _log(tmp_path) if "[WARNING]" in line]
    assert len(warnings) == 1
    assert f"{key} is " in warnings[0]
    assert "which changes nothing here: " in warnings[0]


def test_compiled_reversible_blocks_are_warned_of(tmp_path: Path) -> None:
    keys = {"MODEL.COMPILE": True, "MVIT.REV.ENABLE": True, "OUTPUT_DIR": str(tmp_path)}
    open_run(with_values(get_cfg(), keys)).close()
    (warning,) = (line for line in _log(tmp_path) if "[WARNING]" in line)
    assert "MVIT.REV.ENABLE is True, which changes no memory here" in warning


def test_a_plain_run_has_no_warning(tmp_path: Path) -> None:
    open_run(with_values(get_cfg(), {"OUTPUT_DIR": str(tmp_path)})).close()
    assert not [line for line in _log(tmp_path) if "[WARNING]" in line]


def test_pictures_for_tensorboard_are_refused_before_anything_is_made(
    tiny: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"^TENSORBOARD\.MODEL_VIS\.ENABLE is True"):
        train(load_cfg(CONFIG, [*tiny, "TENSORBOARD.MODEL_VIS.ENABLE", "True"]))
    assert not (tmp_path / "run").exists()


def test_public_recipes_ask_for_none_of_what_only_pictures_need() -> None:
    packed = (ROOT / "tests" / "parity" / "recipes.json.gz").read_bytes()
    used = {key for recipe in json.loads(gzip.decompress(packed)).values() for key in recipe}
    pictures = ("TENSORBOARD.", "DEMO.", "VIS_MASK.")
    assert not [key for key in used & {*_NEUTRAL, *_ELSEWHERE} if key.startswith(pictures)]


def _log(folder: Path) -> list[str]:
    return (folder / "stdout.log").read_text().splitlines()


def test_keys_of_another_kind_of_batch_norm_are_told(tmp_path: Path) -> None:
    keys = {"BN.NUM_SPLITS": 2, "BN.NUM_SYNC_DEVICES": 4, "BN.GLOBAL_SYNC": True}
    for kind, told in (("batchnorm", set(keys)), ("sync_batchnorm", {"BN.NUM_SPLITS"})):
        folder = tmp_path / kind
        open_run(
            with_values(get_cfg(), {**keys, "BN.NORM_TYPE": kind, "OUTPUT_DIR": str(folder)})
        ).close()
        lines = [line for line in _log(folder) if f"nothing with BN.NORM_TYPE '{kind}'" in line]
        assert {key for key in keys for line in lines if f" {key} is" in line} == told
