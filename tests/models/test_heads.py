"""Mirrors slowfast/models/heads.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from slowfast.models.heads import ResNetHead, TransformerHead, average


def head(act: str = "softmax", **changes: object) -> ResNetHead:
    torch.manual_seed(0)
    settings = {"dropout": 0.0, "act": act, **changes}
    return ResNetHead([3], 4, [(2, 2, 2)], **settings)


def test_training_gives_logits_and_eval_scores() -> None:
    x = torch.randn(5, 3, 2, 2, 2)
    net = head()
    logits = net([x])
    torch.testing.assert_close(logits, net.projection(x.mean(dim=(2, 3, 4))))
    torch.testing.assert_close(net.eval()([x]), logits.softmax(dim=1))


@pytest.mark.parametrize(
    ("act", "apply"),
    [("softmax", nn.Softmax(dim=1)), ("sigmoid", nn.Sigmoid()), ("none", nn.Identity())],
)
def test_larger_clips_average_the_scores_of_the_positions(act: str, apply: nn.Module) -> None:
    """Features 2x3x3 under a 2x2x2 pool leave four positions: activation first, then the mean."""
    net = head(act).eval()
    x = torch.randn(1, 3, 2, 3, 3)
    corners = [x[..., i : i + 2, j : j + 2] for i in (0, 1) for j in (0, 1)]
    expected = torch.stack([apply(net.projection(c.mean(dim=(2, 3, 4)))) for c in corners]).mean(0)
    torch.testing.assert_close(net([x]), expected)


def test_smaller_clips_are_refused_with_both_sizes() -> None:
    with pytest.raises(ValueError, match=r"averages 2x2x2 features .* left only 2x1x2"):
        head()([torch.zeros(1, 3, 2, 1, 2)])


def test_no_pool_size_takes_any_clip() -> None:
    net = ResNetHead([3, 1], 4, [None, None], dropout=0.0)
    xs = [torch.randn(2, 3, 2, 5, 3), torch.randn(2, 1, 8, 5, 3)]
    both = torch.cat([x.mean(dim=(2, 3, 4)) for x in xs], dim=1)
    torch.testing.assert_close(net(xs), net.projection(both))


def test_pathways_that_leave_different_positions() -> None:
    net = ResNetHead([3, 1], 4, [(1, 1, 1), (4, 1, 1)])
    with pytest.raises(ValueError, match=r"pathway 0 has 2x1x1 positions .* pathway 1 has 5x1x1"):
        net([torch.zeros(1, 3, 2, 1, 1), torch.zeros(1, 1, 8, 1, 1)])


def test_detached_features_get_no_gradient() -> None:
    for detach in (False, True):
        x = torch.randn(1, 3, 2, 2, 2, requires_grad=True)
        net = head(detach=detach)
        net([x]).sum().backward()
        assert (x.grad is None) == detach
        assert net.projection.weight.grad is not None


def test_unknown_activation() -> None:
    with pytest.raises(ValueError, match=r"HEAD_ACT is 'relu'; use one of softmax, sigmoid, none"):
        head("relu")


@pytest.mark.parametrize("size", [(2, 2, 2), (2, 1, 1)])
def test_average_in_bfloat16(size: tuple[int, int, int]) -> None:
    x: Tensor = torch.rand(1, 2, 2, 2, 2)
    got = average(x.bfloat16(), size)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), average(x, size), rtol=1e-2, atol=1e-2)


def test_transformer_head() -> None:
    x = torch.randn(2, 3, requires_grad=True)
    net = TransformerHead(3, 4, dropout=0.0, act="sigmoid", detach=True)
    logits = net(x)
    torch.testing.assert_close(logits, net.projection(x))
    torch.testing.assert_close(net.eval()(x), logits.sigmoid())
    logits.sum().backward()
    assert x.grad is None
    assert net.projection.weight.grad is not None
    with pytest.raises(ValueError, match=r"MODEL\.HEAD_ACT is 'relu'"):
        TransformerHead(3, 4, act="relu")
