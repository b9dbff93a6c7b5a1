"""Mirrors slowfast/models/mvit_block.py."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slowfast.models.mvit_block import BlockSpec, Mlp, MultiscaleBlock
from slowfast.ops.pooling_attention import AttentionOptions, Window, window_for_stride

GRID = (2, 4, 4)
POOL = Window((3, 3, 3), (1, 2, 2))
SKIP = window_for_stride((1, 2, 2))


def block(dims: tuple[int, int, int], layer_scale: float = 0.0) -> MultiscaleBlock:
    torch.manual_seed(0)
    dim, attention, out = dims
    spec = BlockSpec(dim, attention, out, 2, GRID, pool_q=POOL, pool_kv=POOL, pool_skip=SKIP)
    return MultiscaleBlock(spec, AttentionOptions(class_token=False), layer_scale=layer_scale)


def max_pooled(x: Tensor) -> Tensor:
    volume = x.transpose(1, 2).unflatten(2, GRID)
    pooled = nn.functional.max_pool3d(volume, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    return pooled.flatten(2).transpose(1, 2)


def test_growth_in_the_mlp() -> None:
    net, x = block((8, 8, 12)), torch.randn(2, 32, 8)
    middle = max_pooled(x) + net.attn(net.norm1(x), GRID)
    normed = net.norm2(middle)
    torch.testing.assert_close(net(x, GRID), net.proj(normed) + net.mlp(normed))


def test_growth_in_the_attention() -> None:
    net, x = block((8, 12, 12)), torch.randn(2, 32, 8)
    normed = net.norm1(x)
    middle = max_pooled(net.proj(normed)) + net.attn(normed, GRID)
    torch.testing.assert_close(net(x, GRID), middle + net.mlp(net.norm2(middle)))


def test_layer_scale() -> None:
    net, x = block((8, 8, 8), layer_scale=0.5), torch.randn(2, 32, 8)
    assert net.proj is None
    assert [name for name, _ in net.named_parameters()][:2] == ["gamma_1", "gamma_2"]
    middle = max_pooled(x) + 0.5 * net.attn(net.norm1(x), GRID)
    torch.testing.assert_close(net(x, GRID), middle + 0.5 * net.mlp(net.norm2(middle)))


def test_mlp_drops_twice() -> None:
    net = Mlp(4, 8, 4, dropout=1.0)
    assert (net(torch.randn(2, 4)) == 0).all()
    assert (net.eval()(torch.randn(2, 4)) != 0).any()
