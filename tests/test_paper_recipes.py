"""configs/paper: the networks of the SlowFast paper cost what it prints, and train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from slowfast.config import load_cfg
from slowfast.data.datasets.build import input_stage_from_cfg
from slowfast.models import build_model, count_cost, example_input

PAPER = Path(__file__).parents[1] / "configs" / "paper"
TABLES = json.loads((PAPER / "published.json").read_text())["tables"]
ROWS = {entry["recipe"]: entry for table in TABLES for entry in table["rows"]}
RECIPES = sorted(
    str(path.relative_to(PAPER).with_suffix(""))
    for path in PAPER.rglob("*.yaml")
    if path.parent.name != "_BASE_"
)
# Printed cells that no reading of the paper gives; docs/complexity.md says what was tried.
UNMET = {
    "table5a/fast_only": 0.08,
    "table5b/beta_1_4": 0.02,
    "table5b/beta_1_12": 0.01,
    "table5c/time_difference": 0.006,
    "baselines/3d_r50_8x8": 0.012,
}


def test_each_recipe_has_its_row() -> None:
    assert sorted(ROWS) == RECIPES


# Each branch of the networks once; all of them are slow tests.
QUICK = ("table5a/fast_only", "table5a/t_conv", "table5a/ttoc_sum", "table5c/optical_flow")


def late(recipe: str) -> Any:
    return recipe if recipe in QUICK else pytest.param(recipe, marks=pytest.mark.slow)


def network(recipe: str, *overrides: Any) -> torch.nn.Module:
    with torch.device("meta"):
        return build_model(load_cfg(PAPER / f"{recipe}.yaml", ["NUM_GPUS", 1, *overrides])).eval()


@pytest.mark.parametrize("recipe", [late(name) for name in RECIPES if ROWS[name]["gflops"]])
def test_costs_what_the_paper_prints(recipe: str) -> None:
    net = network(recipe)
    for crop, printed in ROWS[recipe]["gflops"].items():
        cost = count_cost(net, example_input(net, size=int(crop))).gflops
        # A printed digit is half of its last place wide.
        place = 0.05 if isinstance(printed, float) else 0.5
        allowed = max(UNMET.get(recipe, 0.004) * printed, place + 0.02)
        assert cost == pytest.approx(printed, abs=allowed)


@pytest.mark.parametrize("recipe", [late(name) for name in RECIPES])
def test_a_training_step_moves_every_weight(recipe: str) -> None:
    cfg = load_cfg(PAPER / f"{recipe}.yaml", ["NUM_GPUS", 1, "DATA.TRAIN_CROP_SIZE", 64])
    torch.manual_seed(0)
    net = build_model(cfg).train()
    # Every branch that starts at zero would hide the gradients of what lies in it.
    for name, parameter in net.named_parameters():
        if name.endswith("bn.weight"):
            torch.nn.init.ones_(parameter)
    frames = cfg.DATA.NUM_FRAMES
    clips = torch.randint(256, (2, frames, 64, 64, 3), dtype=torch.uint8)
    pathways = input_stage_from_cfg(cfg)(clips)
    boxes = torch.tensor([[0.0, 4, 4, 60, 60], [1, 8, 0, 40, 64]]) if cfg.DETECTION.ENABLE else None
    out = net(pathways, boxes)
    assert out.shape == (2, cfg.MODEL.NUM_CLASSES)
    loss = F.cross_entropy(out, torch.tensor([0, 1]))
    loss.backward()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    optimizer.step()
    still = [name for name, value in net.named_parameters() if torch.equal(value, before[name])]
    assert not still
