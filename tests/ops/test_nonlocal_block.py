"""Mirrors slowfast/ops/nonlocal_block.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slowfast.ops.nonlocal_block import Nonlocal, fold_time, unfold_time


def test_fold_puts_neighbouring_frames_together() -> None:
    """Six frames in three groups: (0, 1), (2, 3), (4, 5), of clip 0, then of clip 1."""
    x = torch.arange(12.0).reshape(2, 1, 6, 1, 1)
    folded = fold_time(x, 3)
    assert folded.flatten(1).tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    assert torch.equal(unfold_time(folded, 2, 3), x)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_fold_and_unfold_are_inverse(groups: int) -> None:
    x = torch.randn(2, 3, 4, 2, 5)
    folded = fold_time(x, groups)
    assert folded.shape == (2 * groups, 3, 4 // groups, 2, 5)
    assert torch.equal(unfold_time(folded, 2, groups), x)


def plain(kind: str, **changes: object) -> Nonlocal:
    """All four convolutions pass on their only channel; eval BN divides by sqrt(1 + 1e-5)."""
    block = Nonlocal(1, 1, kind=kind, pool=(1, 1, 1), **changes).eval()
    for conv in (block.conv_theta, block.conv_phi, block.conv_g, block.conv_out):
        nn.init.ones_(conv.weight)
        nn.init.zeros_(conv.bias)
    return block


def test_dot_product_by_hand() -> None:
    """x = (1, 2): y_i = x_i * (1 * 1 + 2 * 2) / 2, added to x_i."""
    x = torch.tensor([1.0, 2.0]).reshape(1, 1, 2, 1, 1)
    out = plain("dot_product")(x).flatten()
    torch.testing.assert_close(out, torch.tensor([1 + 2.5, 2 + 5.0]), rtol=1e-4, atol=0)


def test_softmax_by_hand() -> None:
    """x = (0, 1): position 0 weighs both alike, position 1 as 1 : e."""
    e = torch.e
    x = torch.tensor([0.0, 1.0]).reshape(1, 1, 2, 1, 1)
    out = plain("softmax")(x).flatten()
    torch.testing.assert_close(out, torch.tensor([0.5, 1 + e / (1 + e)]), rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind", ["softmax", "dot_product"])
def test_groups_attend_to_themselves_only(kind: str) -> None:
    x = torch.rand(1, 1, 4, 2, 2)
    other = x.clone()
    other[:, :, 3] += 1
    grouped = plain(kind, groups=2)
    difference = (grouped(x) - grouped(other)).abs().amax(dim=(0, 1, 3, 4)) > 0
    assert difference.tolist() == [False, False, True, True]
    halves = [plain(kind)(half) for half in x.split(2, dim=2)]
    torch.testing.assert_close(grouped(x), torch.cat(halves, dim=2))


def test_keys_and_pool() -> None:
    block = Nonlocal(4, 2)
    assert list(dict(block.named_parameters())) == [
        *("conv_theta.weight", "conv_theta.bias", "conv_phi.weight", "conv_phi.bias"),
        *("conv_g.weight", "conv_g.bias", "conv_out.weight", "conv_out.bias"),
        *("bn.weight", "bn.bias"),
    ]
    assert block.pool.kernel_size == (1, 2, 2)
    assert block(torch.rand(2, 4, 2, 5, 6)).shape == (2, 4, 2, 5, 6)


def test_errors() -> None:
    with pytest.raises(ValueError, match="INSTANTIATION is 'gaussian'; use 'softmax' or"):
        Nonlocal(4, 2, kind="gaussian")
    with pytest.raises(ValueError, match="got 3 frames, which its 2 groups do not divide"):
        Nonlocal(4, 2, groups=2)(torch.rand(1, 4, 3, 2, 2))
