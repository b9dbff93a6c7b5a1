"""Mirrors slowfast/engine/optim.py."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from slowfast.config import get_cfg, load_cfg, with_values
from slowfast.engine.optim import Decay, optimizer_from_cfg, parameter_groups
from slowfast.models import build_model, create_model
from slowfast.models.memory_layout import channels_last
from slowfast.ops.norm import make_norm

ROOT = Path(__file__).parents[2]
CONTRACT = json.loads((ROOT / "tests" / "parity" / "schedules.json").read_text())["param_groups"]


TRANSFORMERS = json.loads(
    gzip.decompress((ROOT / "tests" / "parity" / "param_groups_mvit.json.gz").read_bytes())
)["param_groups"]


def small_net() -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4), nn.LayerNorm(4), nn.Linear(4, 2))


def small_transformer() -> nn.Module:
    with torch.device("meta"):
        return create_model(
            "mvit_v2_s_16x4", depth=2, crop_size=32, num_frames=4, absolute_positions=True,
            dim_mul=[], head_mul=[], pool_q_stride=[], num_classes=3,
        )  # fmt: skip


def names_of(model: nn.Module, group: dict) -> list[str]:
    by_id = {id(p): name for name, p in model.named_parameters()}
    return [by_id[id(p)] for p in group["params"]]


def check_groups(name: str, expected: dict[str, Any]) -> None:
    """Names, order, decay and learning rate of the groups that a recipe trains with."""
    cfg = load_cfg(ROOT / f"configs/{name}.yaml", ["NUM_GPUS", "0"])
    with torch.device("meta"):
        net = build_model(cfg)
    optimizer = optimizer_from_cfg(net, cfg)
    assert type(optimizer).__name__ == expected["optimizer"]
    for key, value in expected["defaults"].items():
        found = optimizer.defaults[key]
        assert (list(found) if key == "betas" else found) == value
    assert len(optimizer.param_groups) == len(expected["groups"])
    for group, wanted in zip(optimizer.param_groups, expected["groups"], strict=True):
        names = names_of(net, group)
        assert group["weight_decay"] == wanted["weight_decay"]
        assert group["layer_decay"] == pytest.approx(wanted["layer_decay"], rel=1e-6)
        assert group["apply_LARS"] is bool(wanted.get("apply_LARS"))  # no recipe here has LARS_ON
        assert len(names) == wanted["n"]
        shown = wanted["params"]
        assert names[: len(shown)] == shown
        joined = "\n".join(sorted(names)).encode()
        assert hashlib.sha1(joined).hexdigest() == wanted["sha1_sorted_names"]


@pytest.mark.parametrize("name", CONTRACT)
def test_groups_of_public_recipes(name: str) -> None:
    check_groups(name, CONTRACT[name])


def test_lars_is_for_the_groups_that_decay() -> None:
    net, cfg = small_net(), with_values(get_cfg(), {"SOLVER.LARS_ON": True})
    groups = optimizer_from_cfg(net, cfg).param_groups
    assert [group["apply_LARS"] for group in groups] == [False, True]
    spared = parameter_groups(net, Decay(0.1, skip_1d=True), lars=True)
    assert [group["apply_LARS"] for group in spared] == [False, True, False]


LARGE = [name for name in TRANSFORMERS if "_L_" in name]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n for n in TRANSFORMERS],
)
def test_groups_of_transformers(name: str) -> None:
    check_groups(name, TRANSFORMERS[name])


def test_positions_are_spared() -> None:
    """ZERO_DECAY_POS_CLS, which no recipe leaves at its default."""
    net = small_transformer()
    optimizer = optimizer_from_cfg(net, with_values(get_cfg(), {"SOLVER.WEIGHT_DECAY": 0.1}))
    spared = [n for g in optimizer.param_groups if not g["weight_decay"] for n in names_of(net, g)]
    tables = ("rel_pos_h", "rel_pos_w", "rel_pos_t")
    positions = [f"blocks.{i}.attn.{table}" for i in range(2) for table in tables]
    assert spared == ["cls_token", "pos_embed", *positions]


def test_rates_grow_with_depth() -> None:
    net = small_transformer()
    groups = parameter_groups(net, Decay(0.1, layers=0.5))
    rates = {name: g["layer_decay"] for g in groups for name in names_of(net, g)}
    assert rates["cls_token"] == rates["patch_embed.proj.weight"] == 0.125
    assert rates["blocks.0.norm1.weight"] == 0.25
    assert rates["blocks.1.mlp.fc2.bias"] == 0.5
    assert rates["norm.weight"] == rates["head.projection.bias"] == 1


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


METHODS = ("sgd", "adam", "adamw", "mt_adamw")


def steps(optimizer: torch.optim.Optimizer, model: nn.Module, count: int = 1) -> None:
    for _ in range(count):
        for i, parameter in enumerate(model.parameters()):
            generator = torch.Generator().manual_seed(i)
            # Laid out as autograd does it.
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.grad = torch.empty_like(parameter).copy_(noise)
        optimizer.step()


@pytest.mark.parametrize("method", METHODS)
def test_fused_steps_are_those_of_the_plain_loop(method: str) -> None:
    torch.manual_seed(0)
    nets = [small_net(), small_net()]
    nets[1].load_state_dict(nets[0].state_dict())
    changes = {"SOLVER.OPTIMIZING_METHOD": method, "SOLVER.WEIGHT_DECAY": 0.1}
    fused, plain = (optimizer_from_cfg(net, with_values(get_cfg(), changes)) for net in nets)
    assert all(group["fused"] for group in fused.param_groups)
    for group in plain.param_groups:
        group["fused"], group["foreach"] = False, False
    for optimizer, net in zip((fused, plain), nets, strict=True):
        steps(optimizer, net, 3)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("method", METHODS)
def test_a_state_of_another_implementation_and_layout_goes_on_alike(method: str) -> None:
    """As the public code saves it, into weights whose channels are innermost in memory."""
    torch.manual_seed(0)
    start = nn.Conv3d(3, 4, 3)
    nets = [start, copy.deepcopy(start)]
    cfg = with_values(get_cfg(), {"SOLVER.OPTIMIZING_METHOD": method})
    plain = optimizer_from_cfg(nets[0], cfg)
    for group in plain.param_groups:
        group["fused"], group["foreach"] = None, None
    steps(plain, nets[0], 2)
    channels_last(nets[1]).load_state_dict(nets[0].state_dict())
    fused = optimizer_from_cfg(nets[1], cfg)
    fused.load_state_dict(copy.deepcopy(plain.state_dict()))
    assert all(group["fused"] for group in fused.param_groups)
    steps(plain, nets[0], 2)
    steps(fused, nets[1], 2)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_state_brings_no_settings_of_the_run_that_it_is_of() -> None:
    """Adam's would make plain Adam of AdamW; the rate alone stays, until the next step."""
    net = small_net()
    keys = {"SOLVER.OPTIMIZING_METHOD": "adam", "SOLVER.WEIGHT_DECAY": 0.1, "SOLVER.BASE_LR": 0.3}
    before = optimizer_from_cfg(net, with_values(get_cfg(), keys))
    steps(before, net)
    keys = {"SOLVER.OPTIMIZING_METHOD": "adamw", "BN.WEIGHT_DECAY": 0.2, "SOLVER.BETAS": [0, 0]}
    after = optimizer_from_cfg(net, with_values(get_cfg(), keys))
    own = [{**group, "lr": 0.3} for group in after.param_groups]
    after.load_state_dict(before.state_dict())
    for group, wanted in zip(after.param_groups, own, strict=True):
        assert {k: v for k, v in group.items() if k != "params"} == {
            k: v for k, v in wanted.items() if k != "params"
        }
    steps(after, net)


def test_states_of_others_are_refused() -> None:
    """Fused kernels would read past the end of one that is too short."""
    net = small_net()
    sgd = with_values(get_cfg(), {"SOLVER.OPTIMIZING_METHOD": "sgd"})
    adam = with_values(get_cfg(), {"SOLVER.OPTIMIZING_METHOD": "adamw"})
    optimizers = [optimizer_from_cfg(net, cfg) for cfg in (sgd, adam)]
    states = []
    for optimizer in optimizers:
        steps(optimizer, net)
        states.append(optimizer.state_dict())
    with pytest.raises(ValueError, match=r"another optimizer: it keeps exp_avg, exp_avg"):
        optimizers[0].load_state_dict(states[1])
    with pytest.raises(ValueError, match=r"another optimizer: it keeps momentum_buffer for"):
        optimizers[1].load_state_dict(states[0])
    states[0]["state"][0]["momentum_buffer"] = torch.zeros(2)
    with pytest.raises(ValueError, match=r"momentum_buffer 0 is \(2,\), its parameter \(4,\)"):
        optimizers[0].load_state_dict(states[0])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("SOLVER.MOMENTUM", 0.0, r"NESTEROV is True, .*MOMENTUM is 0 and .* 0; set"),
        ("SOLVER.DAMPENING", 0.5, r"MOMENTUM is 0\.9 and SOLVER\.DAMPENING 0\.5; set"),
        ("SOLVER.OPTIMIZING_METHOD", "rmsprop", "OPTIMIZING_METHOD"),
        ("SOLVER.LAYER_DECAY", 0.75, r"LAYER_DECAY is 0\.75, but Sequential has no layers"),
    ],
)
def test_what_cannot_be_had_is_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        optimizer_from_cfg(small_net(), with_values(get_cfg(), {key: value}))


def test_a_network_without_anything_to_train_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no parameter is left to train; MODEL\.FREEZE names"):
        optimizer_from_cfg(small_net().requires_grad_(False), get_cfg())
