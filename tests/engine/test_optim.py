"""Mirrors slowfast/engine/optim.py."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from slowfast.config import get_cfg, load_cfg, with_values
from slowfast.engine.optim import Decay, optimizer_from_cfg, parameter_groups
from slowfast.models.build import build_model
from slowfast.ops.norm import make_norm

ROOT = Path(__file__).parents[2]
CONTRACT = json.loads((ROOT / "tests" / "parity" / "schedules.json").read_text())["param_groups"]


def small_net() -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4), nn.LayerNorm(4), nn.Linear(4, 2))


def names_of(model: nn.Module, group: dict) -> list[str]:
    by_id = {id(p): name for name, p in model.named_parameters()}
    return [by_id[id(p)] for p in group["params"]]


def test_groups_of_the_public_recipe() -> None:
    """Names, order and decay of the groups that SLOWFAST_8x8_R50 trains with."""
    expected = CONTRACT["Kinetics/SLOWFAST_8x8_R50"]
    cfg = load_cfg(ROOT / "configs/Kinetics/SLOWFAST_8x8_R50.yaml", ["NUM_GPUS", "0"])
    with torch.device("meta"):
        net = build_model(cfg)
    optimizer = optimizer_from_cfg(net, cfg)
    assert type(optimizer).__name__ == expected["optimizer"]
    for key, value in expected["defaults"].items():
        assert optimizer.defaults[key] == value
    assert len(optimizer.param_groups) == len(expected["groups"])
    for group, wanted in zip(optimizer.param_groups, expected["groups"], strict=True):
        names = names_of(net, group)
        assert group["weight_decay"] == wanted["weight_decay"]
        assert len(names) == wanted["n"]
        assert names[:5] == wanted["params"]
        joined = "\n".join(sorted(names)).encode()
        assert hashlib.sha1(joined).hexdigest() == wanted["sha1_sorted_names"]


def test_batch_norm_comes_first_and_without_decay() -> None:
    net = small_net()
    groups = parameter_groups(net, Decay(1e-4))
    assert [names_of(net, g) for g in groups] == [
        ["1.weight", "1.bias"],
        ["0.weight", "0.bias", "2.weight", "2.bias", "3.weight", "3.bias"],
    ]
    assert [g["weight_decay"] for g in groups] == [0.0, 1e-4]


@pytest.mark.parametrize("kind", ["sub_batchnorm", "sync_batchnorm"])
def test_every_kind_of_batch_norm_is_in_the_same_place(kind: str) -> None:
    """So that optimizer states fit when multigrid training changes the kind."""
    names = []
    for norm in (make_norm("batchnorm"), make_norm(kind, splits=2)):
        net = nn.Sequential(nn.Conv3d(3, 4, 1), norm(4), nn.Linear(4, 2))
        names.append([names_of(net, group) for group in parameter_groups(net, Decay(1e-4))])
    assert names[0] == names[1]


def test_vectors_and_named_parameters_can_be_spared() -> None:
    net = small_net()
    groups = parameter_groups(net, Decay(0.05, skip_1d=True, skip_names={"3.weight"}))
    assert names_of(net, groups[1]) == ["0.weight"]
    assert names_of(net, groups[2]) == ["0.bias", "2.weight", "2.bias", "3.weight", "3.bias"]
    assert groups[2]["weight_decay"] == 0.0


def test_frozen_parameters_are_in_no_group() -> None:
    net = small_net()
    net[3].requires_grad_(False)
    groups = parameter_groups(net, Decay(0.1))
    assert "3.weight" not in [name for group in groups for name in names_of(net, group)]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("SOLVER.OPTIMIZING_METHOD", "rmsprop", "OPTIMIZING_METHOD"),
        ("SOLVER.LAYER_DECAY", 0.75, r"SOLVER\.LAYER_DECAY is 0\.75, which this version"),
        ("SOLVER.LARS_ON", True, r"SOLVER\.LARS_ON is True, which this version"),
    ],
)
def test_what_cannot_be_had_is_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        optimizer_from_cfg(small_net(), with_values(get_cfg(), {key: value}))
