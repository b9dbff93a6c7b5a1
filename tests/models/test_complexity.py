"""Mirrors slowfast/models/complexity.py; the recipes' numbers are in test_contract.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from slowfast.models import count_cost, example_input, training_memory
from slowfast.models.mvit import mvit
from slowfast.models.mvit_options import ReversibleOptions
from slowfast.models.video_resnet import VideoResNet


class Small(nn.Module):
    """One convolution, one linear layer, one product of matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.s1 = nn.Conv3d(2, 4, (1, 3, 3), padding=(0, 1, 1), groups=2)
        self.head = nn.Linear(4, 5)

    def forward(self, pathways: list[Tensor]) -> Tensor:
        x = self.s1(pathways[0]).flatten(2).transpose(1, 2)  # N P C
        return self.head(x @ (x.transpose(1, 2) @ x))


def test_counts_by_hand() -> None:
    """A clip of 3 x 4 x 5 = 60 positions."""
    cost = count_cost(Small(), [torch.zeros(1, 2, 3, 4, 5)])
    assert cost.params == 4 * 9 + 4 + 4 * 5 + 5
    assert cost.by_operator["conv"] * 1e9 == pytest.approx(60 * 4 * 1 * 9)
    assert cost.by_operator["matmul"] * 1e9 == pytest.approx(2 * 60 * 4 * 4)
    assert cost.by_operator["linear"] * 1e9 == pytest.approx(60 * 4 * 5)
    assert cost.gflops == pytest.approx(sum(cost.by_operator.values()))
    assert cost.activations * 1e6 == pytest.approx(60 * 4 + 4 * 4 + 60 * 4 + 60 * 5)


def test_parts_add_up_and_nothing_changes(tiny_slowfast: Callable[..., VideoResNet]) -> None:
    net = tiny_slowfast()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    cost = count_cost(net, example_input(net))
    assert set(cost.by_pathway) == {"pathway0", "pathway1", "lateral", "head"}
    assert list(cost.by_module)[:2] == ["s1", "s1_fuse"]
    for table in (cost.by_module, cost.by_pathway, cost.by_operator):
        assert sum(table.values()) == pytest.approx(cost.gflops)
    assert net.training
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_the_same_in_inference_mode_and_compiled(tiny_slowfast: Callable[..., VideoResNet]) -> None:
    net = tiny_slowfast().eval()
    cost = count_cost(net, example_input(net))
    with torch.inference_mode():
        assert count_cost(net, example_input(net)) == cost
    assert count_cost(torch.compile(net, backend="eager"), example_input(net)) == cost
    assert "GFLOPs" in str(cost)


def test_parameters_add_up_and_are_found_where_they_lie(
    tiny_slowfast: Callable[..., VideoResNet],
) -> None:
    net = tiny_slowfast()
    cost = count_cost(net, example_input(net))
    for table in (cost.params_by_module, cost.params_by_pathway):
        assert sum(table.values()) == cost.params
    assert cost.params_by_module["head"] == sum(p.numel() for p in net.head.parameters())
    laterals = [p.numel() for name, p in net.named_parameters() if "_fuse." in name]
    assert cost.params_by_pathway["lateral"] == sum(laterals)


def test_training_memory_is_what_autograd_keeps(tiny_slowfast: Callable[..., VideoResNet]) -> None:
    net = tiny_slowfast().eval()
    clips = example_input(net, batch=2)
    counted = training_memory(net, clips)
    assert not any(module.training for module in net.modules())
    own = {tensor.untyped_storage().data_ptr() for tensor in net.state_dict().values()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    net.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        net(clips)
    sizes = {at: t.untyped_storage().nbytes() for at, t in kept.items() if at not in own}
    assert counted == sum(sizes.values())


def test_stages_of_a_transformer_are_its_blocks_of_one_resolution() -> None:
    """2104.11227, Table 3: a block that pools its queries begins a stage."""
    settings: dict[str, Any] = {
        "depth": 5,
        "dim": 16,
        "crop_size": 32,
        "num_frames": 4,
        "pool_q_stride": [(1, 1, 2, 2), (2, 1, 1, 1), (4, 1, 2, 2)],
        "pool_kernel": (3, 3, 3),
    }
    for changes in ({}, {"class_token": False, "reversible": ReversibleOptions((1, 4))}):
        net = mvit(**settings | changes)
        cost = count_cost(net, example_input(net))
        rows = [name for name in cost.by_module if name.startswith("blocks")]
        assert rows == ["blocks 0", "blocks 1-3", "blocks 4"]
        names = [name for name, _ in net.named_parameters() if ".1." in name and "proj" in name]
        assert {net.stage_of(name) for name in names} == {"blocks 1-3"}
        for table in (cost.by_module, cost.by_pathway):
            assert sum(table.values()) == pytest.approx(cost.gflops)
        assert list(cost.by_pathway) == ["pathway0", "head"]
        assert sum(cost.params_by_module.values()) == cost.params
        shown = str(cost)
        assert shown.count("blocks 1-3") == 1
        assert all(f"  {name} " in shown for name in cost.params_by_module)
    net = mvit(**settings | {"pool_q_stride": [], "depth": 2})
    assert list(net.stages) == ["blocks 0-1"]


def test_training_memory_of_reversible_blocks_is_free_of_depth() -> None:
    def kept(depth: int) -> int:
        net = mvit(
            depth=depth,
            dim=16,
            crop_size=32,
            num_frames=4,
            class_token=False,
            reversible=ReversibleOptions(),
        )
        return training_memory(net, example_input(net))

    assert 0 < kept(2) == kept(6)
