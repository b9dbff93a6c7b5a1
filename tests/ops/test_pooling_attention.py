"""Mirrors slowfast/ops/pooling_attention.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from slowfast.ops.pooling_attention import (
    AttentionOptions,
    PoolingAttention,
    Window,
    make_pool,
    pool_tokens,
    window_for_stride,
)

GRID = (2, 4, 4)
POOL = Window((3, 3, 3), (1, 2, 2))


def attention(dim: int = 8, dim_out: int = 8, **changes: Any) -> PoolingAttention:
    torch.manual_seed(0)
    windows = {"pool_q": changes.pop("pool_q", POOL), "pool_kv": changes.pop("pool_kv", POOL)}
    options = AttentionOptions(**changes)
    net = PoolingAttention(dim, dim_out, heads=2, grid=GRID, options=options, **windows)
    for table in (net.rel_pos_h, net.rel_pos_w, net.rel_pos_t):
        if table is not None:
            nn.init.normal_(table)
    return net


def test_window() -> None:
    assert POOL.out((2, 7, 8)) == (2, 4, 4)
    assert window_for_stride((1, 2, 8)).kernel == (1, 3, 9)


def test_without_pools_it_is_plain_attention() -> None:
    """Against PyTorch's own attention with the same weights."""
    net = attention(pool_q=None, pool_kv=None).eval()
    other = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    with torch.no_grad():
        other.in_proj_weight.copy_(net.qkv.weight)
        other.in_proj_bias.copy_(net.qkv.bias)
        other.out_proj.load_state_dict(net.proj.state_dict())
    x = torch.randn(3, 33, 8)
    torch.testing.assert_close(net(x, GRID), other(x, x, x)[0], rtol=1e-4, atol=1e-5)


def test_pooled_attention_by_hand() -> None:
    net = attention(rel_pos_spatial=True, rel_pos_temporal=True, residual_pooling=True)
    x = torch.randn(2, 33, 8)
    q, k, v = net.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
    pooled = []
    for name, y in zip("qkv", (q, k, v), strict=True):
        volume = y[:, :, 1:].flatten(0, 1).transpose(1, 2).unflatten(2, GRID)
        volume = getattr(net, f"pool_{name}")(volume).flatten(2).transpose(1, 2)
        tokens = torch.cat([y[:, :, :1], volume.unflatten(0, (2, 2))], dim=2)
        pooled.append(getattr(net, f"norm_{name}")(tokens))
    q, k, v = pooled
    logits = q @ k.transpose(2, 3) / 2
    bias = torch.zeros(2, 2, 8, 8)
    for i in range(8):
        for j in range(8):
            (ti, yi, xi), (tj, yj, xj) = ((n // 4, n // 2 % 2, n % 2) for n in (i, j))
            # Built for four queries and keys along H and W, and for one half of them here.
            h = F.interpolate(net.rel_pos_h.T[None], 3, mode="linear")[0].T
            w = F.interpolate(net.rel_pos_w.T[None], 3, mode="linear")[0].T
            embedding = h[yi - yj + 1] + w[xi - xj + 1] + net.rel_pos_t[ti - tj + 1]
            bias[:, :, i, j] = q[:, :, i + 1] @ embedding
    logits[:, :, 1:, 1:] += bias
    y = logits.softmax(-1) @ v
    y[:, :, 1:] += q[:, :, 1:]
    expected = net.proj(y.transpose(1, 2).flatten(2))
    torch.testing.assert_close(net(x, GRID), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["conv", "conv_unshared", "avg", "max"])
@pytest.mark.parametrize("pool_first", [False, True])
@pytest.mark.parametrize("class_token", [False, True])
def test_all_modes(mode: str, pool_first: bool, class_token: bool) -> None:
    net = attention(8, 16, mode=mode, pool_first=pool_first, class_token=class_token)
    first = int(class_token)
    y = net(torch.randn(2, first + 32, 8), GRID)
    assert y.shape == (2, first + 8, 16)
    y.square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []
    channels = 8 if pool_first else 16
    convs = {"conv": channels // 2, "conv_unshared": channels}
    assert (mode in convs) == isinstance(net.pool_q, nn.Conv3d)
    if mode in convs:
        assert net.pool_q.weight.shape == (convs[mode], 1, 3, 3, 3)
        assert net.norm_q.weight.shape == (convs[mode],)
    assert hasattr(net, "qkv") != pool_first


def test_shared_and_unshared_pools_agree_when_the_weights_are_the_same() -> None:
    shared, unshared = attention(mode="conv"), attention(mode="conv_unshared")
    weights = shared.state_dict()
    for name in "qkv":
        weights[f"pool_{name}.weight"] = weights[f"pool_{name}.weight"].repeat(2, 1, 1, 1, 1)
    x = torch.randn(1, 33, 8)
    with torch.no_grad():
        for name in "qkv":  # norms over one head or over both differ: take them away
            setattr(shared, f"norm_{name}", None)
            setattr(unshared, f"norm_{name}", None)
        unshared.load_state_dict({k: v for k, v in weights.items() if "norm" not in k})
        torch.testing.assert_close(shared(x, GRID), unshared(x, GRID))


def test_separate_projections_have_their_own_keys() -> None:
    keys = [key for key, _ in attention(separate_qkv=True, qkv_bias=False).named_parameters()]
    assert keys[:5] == ["q.weight", "k.weight", "v.weight", "proj.weight", "proj.bias"]


def test_one_token_windows_are_no_pools() -> None:
    net = attention(pool_q=Window((1, 1, 1), (1, 1, 1)))
    assert net.pool_q is None
    assert net.norm_q is None
    assert net.pool_k is not None


def test_mean_pool() -> None:
    pool = make_pool(POOL, 1, "avg")[0]
    x = torch.randn(2, 3, 4, 6, 6)
    expected = F.avg_pool3d(x, (3, 3, 3), (1, 2, 2), (1, 1, 1))
    torch.testing.assert_close(pool(x), expected)
    assert pool(x[..., :1, :1]).shape == (2, 3, 4, 1, 1), "smaller than the kernel"
    assert str(pool) == "MeanPool(kernel_size=(3, 3, 3), stride=(1, 2, 2))"


def test_pooling_leaves_the_class_token() -> None:
    x = torch.randn(2, 3, 33, 4)
    y = pool_tokens(x, GRID, nn.MaxPool3d(2), class_token=True)
    assert y.shape == (2, 3, 5, 4)
    torch.testing.assert_close(y[:, :, 0], x[:, :, 0])
    assert pool_tokens(x, GRID, None, class_token=True) is x


@pytest.mark.parametrize("mode", ["conv", "avg", "max"])
def test_half_precision(mode: str) -> None:
    net = attention(mode=mode, rel_pos_spatial=True)
    x = torch.randn(1, 33, 8)
    expected = net(x, GRID)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = net(x, GRID)
    half = net.bfloat16()(x.bfloat16(), GRID)
    for y in (mixed, half):
        assert y.dtype == torch.bfloat16
        torch.testing.assert_close(y.float(), expected, rtol=0.1, atol=0.1)


def test_unknown_mode() -> None:
    with pytest.raises(ValueError, match=r"MVIT\.MODE is 'sum'; use one of conv, conv_unshared"):
        attention(mode="sum")


def test_half_precision_gradients_of_two_frames() -> None:
    """PyTorch's own are wrong for channels-last volumes of two frames on CPUs."""
    pool, norm = make_pool(POOL, 16, "conv")
    x = torch.randn(2, 1, 2 * 8 * 8, 16)
    gradients = []
    for half in (False, True):
        pool.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = pool_tokens(x, (2, 8, 8), pool, norm, class_token=False)
        y.float().pow(3).sum().backward()
        gradients.append(pool.weight.grad.clone())
    error = (gradients[1] - gradients[0]).norm() / gradients[0].norm()
    assert error < 0.05
