"""configs/: each recipe, merged, sets exactly what its public namesake does."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from slowfast.config import dump_cfg, get_cfg, load_cfg
from slowfast.config.defaults import KEYS, get_value
from slowfast.config.load import merge

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
TABLE: dict[str, dict[str, Any]] = json.loads(
    gzip.decompress((ROOT / "tests" / "parity" / "recipes.json.gz").read_bytes())
)
BASES = sorted(CONFIGS.rglob("_BASE_/*.yaml"))


def test_the_table_is_complete() -> None:
    assert len(TABLE) == 109


@pytest.mark.parametrize("name", TABLE)
def test_recipe_equals_the_table_and_passes_the_checks(name: str) -> None:
    path = CONFIGS / name
    cfg = merge(path).cfg
    values = {key: get_value(cfg, key) for key in KEYS}
    differing = {key: value for key, value in values.items() if value != KEYS[key].default}
    assert differing == TABLE[name]
    loaded = load_cfg(path)
    if TABLE[name].get("NUM_SHARDS", 1) == 1:
        assert loaded == cfg, "checks and derived values change nothing"


@pytest.mark.parametrize("name", ["4x16_R50", "8x8_R50", "8x8_R101", "16x8_R101"])
def test_slowfast_on_kinetics_600_as_the_paper_says(name: str) -> None:
    """Twice the schedule of Kinetics-400 and half its rate: 0.8 for 1,024 clips (1812.03982)."""
    cfg = load_cfg(CONFIGS / f"Kinetics600/SLOWFAST_{name}.yaml")
    small = CONFIGS / f"Kinetics/SLOWFAST_{name}.yaml"
    paper = CONFIGS / f"paper/table2/slowfast_{name.lower()}.yaml"
    before = load_cfg(small if small.is_file() else paper)
    assert pytest.approx(0.8) == cfg.SOLVER.BASE_LR / cfg.TRAIN.BATCH_SIZE * 1024
    assert before.SOLVER.BASE_LR == 2 * cfg.SOLVER.BASE_LR
    for key in ("MAX_EPOCH", "WARMUP_EPOCHS"):
        assert cfg.SOLVER[key] == 2 * before.SOLVER[key]
    assert (before.MODEL.NUM_CLASSES, cfg.MODEL.NUM_CLASSES) == (400, 600)


def test_the_recipe_of_sixteen_machines_is_scaled() -> None:
    cfg = load_cfg(CONFIGS / "Kinetics" / "REV_MVIT_B_16x4_CONV.yaml")
    assert cfg.NUM_SHARDS == 16
    assert pytest.approx(16e-4) == cfg.SOLVER.BASE_LR
    assert cfg.SOLVER.WARMUP_START_LR == cfg.SOLVER.COSINE_END_LR == pytest.approx(16e-6)


@pytest.mark.parametrize(
    "name",
    [
        "Kinetics/c2/SLOWFAST_NLN_16x8_R101_50_50.yaml",
        "ImageNet/MVITv2_B.yaml",
        "AVA/SLOW_8x8_R50_SHORT.yaml",
        "SSv2/SLOWFAST_16x8_R50_multigrid.yaml",
        "contrastive_ssl/finetune_ava_Slow_R50_syn8.yaml",
        "masked_ssl/k400_VIT_H_16x4_MAE_PT.yaml",
    ],
)
def test_recipes_are_plain_fvcore_configs_too(name: str) -> None:
    """Whoever merges them with fvcore gets the same: no number only our parser understands."""
    cfg = get_cfg()
    cfg.merge_from_file(str(CONFIGS / name))
    assert cfg == merge(CONFIGS / name).cfg


@pytest.mark.parametrize("name", ["Kinetics/SLOWFAST_8x8_R50.yaml", "ImageNet/MVITv2_B.yaml"])
def test_a_flat_public_style_file_gives_the_same(name: str, tmp_path: Path) -> None:
    """One file without `_BASE_`, sections and keys as in the table, retired keys included."""
    tree: dict[str, Any] = {"PREFETCH": {"ENABLE": False}}
    for key, value in TABLE[name].items():
        *sections, leaf = key.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[leaf] = value
    flat = tmp_path / "flat.yaml"
    flat.write_text(yaml.safe_dump(tree))
    assert load_cfg(flat) == load_cfg(CONFIGS / name)


def test_a_written_recipe_reads_back(tmp_path: Path) -> None:
    for name in ("Kinetics/REV_MVIT_B_16x4_CONV.yaml", "contrastive_ssl/BYOL_SlowR50_8x8.yaml"):
        cfg = load_cfg(CONFIGS / name)
        (tmp_path / "config.yaml").write_text(dump_cfg(cfg))
        assert load_cfg(tmp_path / "config.yaml") == cfg


def test_files_begin_with_what_they_are() -> None:
    for path in [CONFIGS / name for name in TABLE] + BASES:
        assert re.match(r"# [A-Za-z0-9].*\.\n", path.read_text()), path


def test_no_base_file_is_left_over() -> None:
    named: set[Path] = set()
    for path in CONFIGS.rglob("*.yaml"):
        entry = re.search(r"^_BASE_:((?: .*)?\n(?:  - .*\n)*)", path.read_text(), re.MULTILINE)
        for base in re.findall(r"[\w./]+\.yaml", entry[1]) if entry else ():
            named.add((path.parent / base).resolve())
    assert {path.resolve() for path in BASES} <= named
