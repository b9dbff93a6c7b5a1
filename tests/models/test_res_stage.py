"""Mirrors slowfast/models/res_stage.py."""

from __future__ import annotations

import copy

import torch
from torch import nn

from slowfast.models.pathway import BlockOptions
from slowfast.models.res_stage import ResStage, StageSpec


def stage(*, recompute: bool = False) -> ResStage:
    slow = StageSpec(8, 4, 16, (1, 3), stride=2, nonlocal_after=(0,))
    fast = StageSpec(4, 2, 8, (3, 3), stride=2)
    return ResStage([slow, fast], BlockOptions().branch, recompute=recompute)


def test_order_of_blocks_and_shapes() -> None:
    net = stage()
    assert [name for name, _ in net.named_children()] == [
        "pathway0_res0",
        "pathway0_nonlocal0",
        "pathway0_res1",
        "pathway1_res0",
        "pathway1_res1",
    ]
    slow, fast = net([torch.randn(2, 8, 2, 8, 8), torch.randn(2, 4, 8, 8, 8)])
    assert slow.shape == (2, 16, 2, 4, 4)
    assert fast.shape == (2, 8, 8, 4, 4)


def test_recomputed_activations_change_nothing_when_compiled() -> None:
    kept, recomputed = stage(), stage(recompute=True)
    recomputed.load_state_dict(copy.deepcopy(kept.state_dict()))
    clips = [torch.randn(2, 8, 2, 8, 8), torch.randn(2, 4, 8, 8, 8)]
    for net in (kept, torch.compile(recomputed, backend="aot_eager", fullgraph=True)):
        sum(x.square().sum() for x in net(clips)).backward()
    for first, second in zip(kept.parameters(), recomputed.parameters(), strict=True):
        torch.testing.assert_close(first.grad, second.grad)
    for key, value in kept.state_dict().items():
        torch.testing.assert_close(value, recomputed.state_dict()[key], msg=key)


def test_recomputed_activations_change_nothing() -> None:
    """Gradients and running statistics are bit-identical; each batch counts once."""
    kept = stage()
    recomputed = stage(recompute=True)
    recomputed.load_state_dict(copy.deepcopy(kept.state_dict()))
    assert list(kept.state_dict()) == list(recomputed.state_dict())
    clips = [torch.randn(2, 8, 2, 8, 8), torch.randn(2, 4, 8, 8, 8)]
    for net in (kept, recomputed):
        sum(x.square().sum() for x in net(clips)).backward()
    for first, second in zip(kept.parameters(), recomputed.parameters(), strict=True):
        assert torch.equal(first.grad, second.grad)
    for key, value in kept.state_dict().items():
        assert torch.equal(value, recomputed.state_dict()[key]), key
    norms = [m for m in recomputed.modules() if isinstance(m, nn.BatchNorm3d)]
    assert {m.momentum for m in norms} == {0.1}
    assert {m.num_batches_tracked.item() for m in norms} == {1}
