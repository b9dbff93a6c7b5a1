"""Mirrors slowfast/config/load.py: files, overrides, origins and what is written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from slowfast.config import (
    ConfigError,
    cfg_from_text,
    dump_cfg,
    explain,
    get_cfg,
    load_cfg,
    with_values,
)
from slowfast.config.yaml_source import _Dumper, to_yaml

Write = Callable[..., str]
# The smallest file that passes the checks: the default network needs lists for two pathways.
SLOW = """\
MODEL:
  MODEL_NAME: ResNet
  ARCH: slow
DATA:
  INPUT_CHANNEL_NUM: [3]
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str, name: str = "a.yaml") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return str(path)

    return _write


def test_a_file_overrides_the_defaults_and_words_override_the_file(write: Write) -> None:
    path = write(SLOW + "TRAIN:\n  BATCH_SIZE: 16\n  EVAL_PERIOD: 3\n")
    cfg = load_cfg(path, ["TRAIN.BATCH_SIZE", "4", "MODEL.NUM_CLASSES", 12])
    assert (cfg.TRAIN.BATCH_SIZE, cfg.TRAIN.EVAL_PERIOD, cfg.MODEL.NUM_CLASSES) == (4, 3, 12)
    assert cfg.TEST.BATCH_SIZE == 8
    assert cfg.is_frozen()


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("SOLVER.BASE_LR", "1", 1.0),
        ("SOLVER.BASE_LR", "1e-5", 1e-5),
        ("SOLVER.BASE_LR", "'1e-5'", 1e-5),
        ("SOLVER.LRS", "[1, 1e-1, 1.e-2, 1E-3]", [1, 0.1, 0.01, 0.001]),
        ("SOLVER.BETAS", "!!python/tuple [0.9, 0.95]", None),
        ("SOLVER.BETAS", "(0.9, 0.95)", [0.9, 0.95]),
        ("DATA.MEAN", "'[0.4, 0.5, 0.6]'", [0.4, 0.5, 0.6]),
        ("CONTRASTIVE.DELTA_CLIPS_MAX", "inf", float("inf")),
        ("CONTRASTIVE.DELTA_CLIPS_MAX", ".inf", float("inf")),
        ("CONTRASTIVE.DELTA_CLIPS_MIN", "-.inf", float("-inf")),
        ("DATA.IN22k_VAL_IN1K", "''", ""),
        ("DATA.PATH_PREFIX", "", None),
        ("DATA.CLASS_NAMES_FILE", "", ""),
        ("TRAIN.CHECKPOINT_FILE_PATH", "None", ""),
        ("AUG.AA_TYPE", "~", ""),
        ("DATA.PATH_PREFIX", "2024-01-01", "2024-01-01"),
        ("TASK", "007", "007"),
        ("TASK", "'no'", "no"),
        ("AUG.MAX_MASK_PATCHES_PER_BLOCK", "75", 75),
        ("AUG.COLOR_JITTER", "null", None),
        ("SOLVER.CLIP_GRAD_VAL", "1", 1.0),
        ("SOLVER.CLIP_GRAD_L2NORM", "0.02", 0.02),
        ("MVIT.POOL_KVQ_KERNEL", "[3, 3, 3]", [3, 3, 3]),
        ("MVIT.REV.ENABLE", "yes", True),
        ("DATA.TARGET_FPS", "29.97", 29.97),
        ("AVA.TEST_PREDICT_BOX_LISTS", "null", None),
    ],
)
def test_values_as_public_files_write_them(
    write: Write, key: str, text: str, value: object
) -> None:
    path = write(f"{SLOW}{key}: {text}\n")  # a dotted key stands for its sections
    if text.startswith("!!python"):  # tags that build objects stay shut
        with pytest.raises(ConfigError, match=r"a\.yaml:6: not valid YAML: could not determine"):
            load_cfg(path)
        return
    cfg = load_cfg(path)
    section, _, name = key.rpartition(".")
    node = cfg
    for part in section.split(".") if section else ():
        node = node[part]
    assert node[name] == value
    assert type(node[name]) is type(value)


@pytest.mark.parametrize(
    ("key", "word", "value"),
    [
        ("TRAIN.ENABLE", "false", False),
        ("SOLVER.BASE_LR", "1e-3", 1e-3),
        ("SOLVER.BASE_LR", "1", 1.0),
        ("DATA.MEAN", "(1, 2, 3)", [1, 2, 3]),
        ("NONLOCAL.LOCATION", "[[(1, 3)], [[]], [[]], [[]]]", [[[1, 3]], [[]], [[]], [[]]]),
        ("AVA.TRAIN_LISTS", "[train.csv, more.csv]", ["train.csv", "more.csv"]),
        ("OUTPUT_DIR", "runs/a b", "runs/a b"),
        ("OUTPUT_DIR", "2024", "2024"),
        ("TRAIN.CHECKPOINT_FILE_PATH", "", ""),
        ("DATA.PATH_PREFIX", "None", None),
        ("TEST.PREDICTIONS", "None", ""),
        ("TEST.DATASET", "'ssv2'", "ssv2"),
        ("SOLVER.CLIP_GRAD_L2NORM", "None", None),
    ],
)
def test_words_of_a_command_line(write: Write, key: str, word: str, value: object) -> None:
    section, _, name = key.rpartition(".")
    cfg = load_cfg(write(SLOW), [key, word])
    node = cfg[section] if section else cfg
    assert node[name] == value
    assert type(node[name]) is type(value)


def test_empty_sections_and_files_are_fine(write: Write) -> None:
    assert load_cfg(write(SLOW + "TRAIN:\nTEST: {}\n")).TRAIN == get_cfg().TRAIN
    base = write(SLOW, "base.yaml")
    write("# nothing yet\n", "empty.yaml")
    assert load_cfg(write("_BASE_: [base.yaml, empty.yaml]\n")) == load_cfg(base)


def test_bases_are_relative_to_their_file_and_chain(write: Write) -> None:
    write(SLOW + "RNG_SEED: 1\nNUM_GPUS: 0\nTASK: far\n", "shared/far.yaml")
    write("_BASE_: far.yaml\nRNG_SEED: 2\nNUM_GPUS: 2\n", "shared/near.yaml")
    write("TEST:\n  BATCH_SIZE: 6\nNUM_GPUS: 3\n", "other.yaml")
    path = write("_BASE_: [../shared/near.yaml, ../other.yaml]\nRNG_SEED: 3\n", "sub/own.yaml")
    cfg = load_cfg(path, ["TRAIN.BATCH_SIZE", "3"])
    assert (cfg.RNG_SEED, cfg.NUM_GPUS, cfg.TASK, cfg.TEST.BATCH_SIZE) == (3, 3, "far", 6)


def test_explain_names_file_and_line_of_each_value(write: Write, tmp_path: Path) -> None:
    write(SLOW + "RNG_SEED: 7\nNUM_SHARDS: 4\nLOG_PERIOD: 10\n", "base.yaml")
    path = write(
        "_BASE_: base.yaml\nSOLVER:\n  BASE_LR: 0.05\n  BASE_LR_SCALE_NUM_SHARDS: True\n"
        "MODEL:\n  NUM_CLASSES: 12\n"
    )
    rows = explain(path, ["RNG_SEED", "8"])
    assert rows == [
        ("NUM_SHARDS", 4, f"{tmp_path}/base.yaml:7"),
        ("RNG_SEED", 8, "command line"),
        ("DATA.INPUT_CHANNEL_NUM", [3], f"{tmp_path}/base.yaml:5"),
        ("MODEL.MODEL_NAME", "ResNet", f"{tmp_path}/base.yaml:2"),
        ("MODEL.ARCH", "slow", f"{tmp_path}/base.yaml:3"),
        ("MODEL.NUM_CLASSES", 12, f"{path}:6"),
        ("SOLVER.BASE_LR", 0.2, f"{path}:3, times NUM_SHARDS"),
        ("SOLVER.WARMUP_START_LR", 0.04, "default, times NUM_SHARDS"),
    ]


def test_a_written_config_reads_back_equal(write: Write) -> None:
    words = ["SOLVER.LRS", "[1, 1e-5]", "TASK", "1e-5", "AVA.TRAIN_LISTS", "['no', '1e3']"]
    words += ["DATA.PATH_PREFIX", "None", "OUTPUT_DIR", "yes", "SOLVER.CLIP_GRAD_VAL", "1"]
    cfg = load_cfg(write(SLOW), words)
    again = load_cfg(write(dump_cfg(cfg), "again.yaml"))
    assert again == cfg
    assert dump_cfg(again) == dump_cfg(cfg)
    assert again.AVA.TRAIN_LISTS == ["no", "1e3"]
    assert cfg_from_text(dump_cfg(cfg)) == cfg


def test_rates_are_scaled_once_even_if_the_written_config_is_loaded_again(write: Write) -> None:
    words = ["SOLVER.BASE_LR_SCALE_NUM_SHARDS", "True", "NUM_SHARDS", "3"]
    cfg = load_cfg(write(SLOW), words)
    solver = cfg.SOLVER
    assert (solver.BASE_LR, solver.WARMUP_START_LR, solver.COSINE_END_LR) == (0.1 * 3, 0.01 * 3, 0)
    assert load_cfg(write(dump_cfg(cfg), "again.yaml")) == cfg
    assert solver == cfg_from_text(dump_cfg(cfg)).SOLVER
    one = load_cfg(write(SLOW), words[:2])
    assert one.SOLVER.BASE_LR == 0.1
    assert one.SOLVER.BASE_LR_SCALE_NUM_SHARDS, "several machines may still go on from here"


def test_a_finished_public_config_is_not_scaled_again() -> None:
    text = "NUM_SHARDS: 16\nSOLVER:\n  BASE_LR: 1.6\n  BASE_LR_SCALE_NUM_SHARDS: true\n"
    assert cfg_from_text(text).SOLVER.BASE_LR == 1.6


def test_a_checkpoint_config_of_another_version_loads(caplog: pytest.LogCaptureFixture) -> None:
    text = (
        "DATA: {NUM_FRAMES: 30, OLD_KEY: 1}\nPREFETCH: {ENABLE: true}\nNUM_GPUS: 8\n"
        "TRAIN: {BATCH_SIZE: 12}\n"
    )
    with caplog.at_level(logging.WARNING, logger="slowfast"):
        cfg = cfg_from_text(text, ["NUM_GPUS", "0"], name="net.pyth")
    assert (cfg.DATA.NUM_FRAMES, cfg.TRAIN.BATCH_SIZE, cfg.NUM_GPUS) == (30, 12, 0)
    assert cfg.is_frozen()
    assert "net.pyth:1: unknown key DATA.OLD_KEY is ignored" in caplog.text
    assert "net.pyth:2: PREFETCH.ENABLE is ignored: batches are always prefetched" in caplog.text
    with pytest.raises(ConfigError, match=r"net.pyth:1: _BASE_ can only be used in files"):
        cfg_from_text("_BASE_: a.yaml", name="net.pyth")


def test_overrides_of_a_checkpoint_config_are_checked() -> None:
    odd = "DATA: {NUM_FRAMES: 30}\nTRAIN: {BATCH_SIZE: 12}\nNUM_GPUS: 8\nRNG_SEED: -1\n"
    cfg = cfg_from_text(odd, ["TEST.BATCH_SIZE", "3"])
    assert (cfg.RNG_SEED, cfg.TEST.BATCH_SIZE) == (-1, 3), "what was used stays usable"
    with pytest.raises(
        ConfigError, match=r"^command line: TEST.NUM_ENSEMBLE_VIEWS is 0, but must be at least 1"
    ):
        cfg_from_text(odd, ["TEST.NUM_ENSEMBLE_VIEWS", "0"])
    with pytest.raises(
        ConfigError, match=r"'ResNet' has one pathway, but MODEL.ARCH is 'slowfast'"
    ):
        cfg_from_text(SLOW, ["MODEL.ARCH", "slowfast"])


def test_empty_values_of_an_old_checkpoint_are_the_defaults(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, logger="slowfast"):
        cfg = cfg_from_text("MODEL: {ARCH: }\nSOLVER: {BETAS: }\nAUG: {AA_TYPE: }", name="net.pyth")
    assert (cfg.MODEL.ARCH, cfg.SOLVER.BETAS) == ("slowfast", [0.9, 0.999])
    assert cfg.AUG.AA_TYPE == "", "where nothing can be meant, it is"
    assert "net.pyth:2: SOLVER.BETAS is empty; the default is used" in caplog.text


def test_with_values_is_a_frozen_copy(write: Write) -> None:
    cfg = load_cfg(write(SLOW))
    other = with_values(cfg, {"SOLVER.BASE_LR": 1, "DATA.MEAN": (0, 0, 0)})
    assert (other.SOLVER.BASE_LR, other.DATA.MEAN, other.is_frozen()) == (1.0, [0, 0, 0], True)
    assert cfg.SOLVER.BASE_LR == 0.1
    assert cfg.is_frozen()
    with pytest.raises(ConfigError, match=r"unknown key TRAIN.BATCHSIZE. Did you mean TRAIN.BATCH"):
        with_values(cfg, {"TRAIN.BATCHSIZE": 1})
    with pytest.raises(ConfigError, match=r"TRAIN.BATCH_SIZE is 0, but must be at least 1"):
        with_values(cfg, {"TRAIN.BATCH_SIZE": 0})


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("PREFETCH:\n  ENABLE: True\n  DEPTH: {A: 1}\n", "PREFETCH.ENABLE is ignored: batches"),
        ("TENSORBOARD:\n  MODEL_VIS:\n    TOPK: 3\n", "set TENSORBOARD.MODEL_VIS.TOPK_PREDS"),
        ("DEMO:\n  DATA_SOURCE: 0\n", "a.yaml:7: DEMO.DATA_SOURCE is ignored"),
    ],
)
def test_retired_keys_are_ignored_with_the_reason(
    write: Write, caplog: pytest.LogCaptureFixture, lines: str, reason: str
) -> None:
    with caplog.at_level(logging.WARNING, logger="slowfast"):
        cfg = load_cfg(write(SLOW + lines))
    assert cfg == load_cfg(write(SLOW, "plain.yaml"))
    assert reason in caplog.text


def test_a_key_set_twice_to_one_value_only_warns(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """A public file holds such a pair."""
    with caplog.at_level(logging.WARNING, logger="slowfast"):
        load_cfg(write("MODEL:\n  ARCH: slow\n" + SLOW.replace("DATA:", "  ARCH: slow\nDATA:")[7:]))
    assert "a.yaml:4: MODEL.ARCH is set twice, to the same value" in caplog.text


def test_the_c_library_writes_the_same_text_as_python() -> None:
    """Configs are written with either, and kept in checkpoints as text."""

    class Plain(yaml.SafeDumper):
        ignore_aliases = _Dumper.ignore_aliases
        yaml_implicit_resolvers = _Dumper.yaml_implicit_resolvers

    numbers = [0.1, 1e-5, float("inf"), -3, True, None]
    texts = ["1e-5", "é 日本", "a b: c", "#x", "", "line\nbreak", "tab\t", "word " * 40, "x" * 120]
    tree = {"A": {"B": [numbers] * 9, "C": texts, "D": {}}, "E": [], "F": "007", "G": "True"}
    assert to_yaml(tree) == yaml.dump(tree, Dumper=Plain, default_flow_style=None, width=100)
