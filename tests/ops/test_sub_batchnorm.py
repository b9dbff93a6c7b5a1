"""Mirrors slowfast/ops/sub_batchnorm.py."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from slowfast.ops.norm import statistics_unchanged
from slowfast.ops.sub_batchnorm import SubBatchNorm3d, aggregate_statistics


def layer(splits: int = 2, dim: int = 3) -> SubBatchNorm3d:
    torch.manual_seed(0)
    norm = SubBatchNorm3d(dim, splits=splits)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def test_checkpoint_keys() -> None:
    """Published code depends on these names and on this order."""
    counted = ("running_mean", "running_var", "num_batches_tracked")
    assert list(layer().state_dict()) == [
        *("weight", "bias"),
        *(f"bn.{name}" for name in counted),
        *(f"split_bn.{name}" for name in counted),
    ]
    assert layer(splits=2, dim=3).split_bn.running_mean.shape == (6,)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last_3d])
def test_each_part_is_normalised_by_itself(memory: torch.memory_format) -> None:
    """Clips 0, 2, 4 are one part and 1, 3, 5 the other, as for a plain layer of its own."""
    norm = layer()
    x = torch.randn(6, 3, 2, 4, 4) + torch.arange(6.0)[:, None, None, None, None]
    x = x.contiguous(memory_format=memory).requires_grad_()
    out = norm(x)
    out.square().sum().backward()
    grads = [norm.weight.grad.clone(), norm.bias.grad.clone()]
    parts = []
    for part in range(2):
        plain = nn.BatchNorm3d(3)
        plain.weight, plain.bias = norm.weight, norm.bias
        parts.append(plain)
        torch.testing.assert_close(out[part::2], plain(x[part::2]))
    norm.zero_grad()
    sum(plain(x[part::2]).square().sum() for part, plain in enumerate(parts)).backward()
    torch.testing.assert_close(grads, [norm.weight.grad, norm.bias.grad])
    means = norm.split_bn.running_mean.unflatten(0, (2, 3))
    torch.testing.assert_close(means[1], 0.1 * x.detach()[1::2].mean(dim=(0, 2, 3, 4)))


def test_eval_mode_uses_the_statistics_of_all_parts_together() -> None:
    """The variance of the whole: the mean variance of the parts and that of their means."""
    norm = layer(dim=1)
    norm.split_bn.running_mean.copy_(torch.tensor([1.0, 3.0]))
    norm.split_bn.running_var.copy_(torch.tensor([2.0, 4.0]))
    norm.split_bn.num_batches_tracked.fill_(7)
    norm.eval()
    assert norm.bn.running_mean.item() == 2
    assert norm.bn.running_var.item() == 3 + 1
    assert norm.bn.num_batches_tracked == 7
    x = torch.randn(3, 1, 2, 2, 2)  # any number of clips
    expected = (x - 2) / (4 + norm.eps) ** 0.5 * norm.weight + norm.bias
    torch.testing.assert_close(norm(x), expected)


def test_aggregated_before_saving_while_training_goes_on() -> None:
    norm = layer(dim=1)
    norm(5 + torch.randn(4, 1, 2, 4, 4))
    assert norm.bn.running_mean.eq(0).all()
    aggregate_statistics(nn.Sequential(norm, nn.BatchNorm3d(1)))
    torch.testing.assert_close(norm.bn.running_mean, norm.split_bn.running_mean.mean(0, True))
    assert norm.training


def test_a_batch_that_can_not_be_divided() -> None:
    with pytest.raises(ValueError, match=r"3 clips can't be divided into BN\.NUM_SPLITS \(2\)"):
        layer()(torch.randn(3, 3, 1, 2, 2))


def test_compiles_and_keeps_half_precision() -> None:
    norm = layer()
    x = torch.randn(4, 3, 2, 4, 4)
    for mode in (True, False):
        eager, compiled = copy.deepcopy(norm).train(mode), copy.deepcopy(norm).train(mode)
        run = torch.compile(compiled, fullgraph=True, backend="eager")
        torch.testing.assert_close(run(x), eager(x))
        torch.testing.assert_close(compiled.split_bn.running_var, eager.split_bn.running_var)
        assert eager(x.bfloat16()).dtype == torch.bfloat16


def test_a_second_forward_leaves_the_statistics_alone() -> None:
    norm = layer()
    with statistics_unchanged(norm):
        norm(3 + torch.randn(4, 3, 2, 4, 4))
    assert norm.split_bn.running_mean.eq(0).all()
    assert norm.split_bn.num_batches_tracked == 0
