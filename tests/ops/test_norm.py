"""Mirrors slowfast/ops/norm.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slowfast.ops.norm import FrozenBatchNorm3d, make_norm, statistics_unchanged


def test_frozen_statistics_stay_and_weights_learn() -> None:
    norm = FrozenBatchNorm3d(3).train()
    assert not norm.training
    assert list(norm.state_dict()) == list(nn.BatchNorm3d(3).state_dict())
    x = 5 + torch.randn(2, 3, 2, 4, 4)
    out = norm(x)
    torch.testing.assert_close(out, x, rtol=1e-4, atol=1e-4)  # mean 0, variance 1 from the start
    out.sum().backward()
    assert norm.weight.grad is not None
    assert norm.running_mean.eq(0).all()


def test_statistics_unchanged_inside_and_updated_after() -> None:
    net = nn.Sequential(nn.BatchNorm3d(2), nn.BatchNorm3d(2))
    net[1].eval()
    x = 3 + torch.randn(2, 2, 2, 4, 4)
    plain = nn.BatchNorm3d(2)(x)
    with statistics_unchanged(net):
        torch.testing.assert_close(net[0](x), plain)
    with pytest.raises(ValueError, match="expected 5D input"), statistics_unchanged(net):
        net(x[0])  # an error leaves no trace either
    assert net[0].running_mean.eq(0).all()
    assert net[0].num_batches_tracked == 0
    net(x)
    torch.testing.assert_close(net[0].running_mean, 0.1 * x.mean(dim=(0, 2, 3, 4)))
    assert net[0].num_batches_tracked == 1


def test_kinds() -> None:
    assert make_norm("batchnorm") is nn.BatchNorm3d
    assert make_norm("sub_batchnorm", splits=3)(2).splits == 3
    assert make_norm("sync_batchnorm", sync_devices=4)(2).group_size == 4
    assert make_norm("sync_batchnorm_apex", sync_devices=4)(2).group_size is None
    for kind in ("batchnorm", "sub_batchnorm", "sync_batchnorm"):
        assert make_norm(kind, frozen=True) is FrozenBatchNorm3d
    assert make_norm(nn.Identity) is nn.Identity
    with pytest.raises(ValueError, match=r"BN\.NORM_TYPE is 'groupnorm'; use one of batchnorm, s"):
        make_norm("groupnorm")
