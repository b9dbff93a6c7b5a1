"""Mirrors slowfast/engine/checkpoint/sub_bn.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.load import load_weights
from slowfast.engine.checkpoint.sub_bn import split_statistics, to_plain
from slowfast.ops.norm import make_norm


def net(kind: str = "batchnorm", splits: int = 2, dim: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(1, dim, 1), make_norm(kind, splits=splits)(dim))


def trained(kind: str, splits: int = 2) -> nn.Sequential:
    model = net(kind, splits)
    model(1 + torch.randn(2 * splits, 1, 2, 4, 4))
    return model.eval()


def test_sub_bn_is_stored_as_plain_and_plain_stays() -> None:
    sub, plain = trained("sub_batchnorm"), trained("batchnorm")
    stored = to_plain(sub.state_dict())
    assert list(stored) == list(plain.state_dict())
    assert torch.equal(stored["1.running_var"], sub[1].bn.running_var)
    state = plain.state_dict()
    assert to_plain(state) is state
    assert split_statistics(state) == {}
    assert set(split_statistics(sub.state_dict())) == set(sub.state_dict()) - {
        "0.weight", "0.bias", "1.weight", "1.bias",
        "1.bn.running_mean", "1.bn.running_var", "1.bn.num_batches_tracked",
    }  # fmt: skip


@pytest.mark.parametrize("wrapper", ["", "module."])
@pytest.mark.parametrize("stored_plain", [True, False])
def test_both_kinds_load_into_both(wrapper: str, stored_plain: bool) -> None:
    """With another number of parts, too; each then scores as what was stored."""
    x = torch.randn(3, 1, 2, 4, 4)
    for source in (trained("batchnorm"), trained("sub_batchnorm", 2)):
        state = to_plain(source.state_dict()) if stored_plain else source.state_dict()
        state = {wrapper + name: value for name, value in state.items()}
        for target in (net(), net("sub_batchnorm", 2), net("sub_batchnorm", 4)):
            report = load_weights(target, state, source="a.pyth")
            assert report.exact
            torch.testing.assert_close(target.eval()(x), source(x))


def test_parts_of_the_same_number_keep_their_own_statistics() -> None:
    source, target = trained("sub_batchnorm"), net("sub_batchnorm")
    state = source.state_dict()
    stored = {**to_plain(state), **split_statistics(state)}
    load_weights(target, stored, source="a.pyth")
    for name, value in target.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_tiling() -> None:
    target = net("sub_batchnorm", splits=3)
    source = trained("batchnorm")
    load_weights(target, source.state_dict(), source="a.pyth")
    parts = target[1].split_bn
    assert torch.equal(parts.running_mean, source[1].running_mean.repeat(3))
    assert parts.num_batches_tracked == 1


def test_another_width_is_an_error() -> None:
    with pytest.raises(CheckpointError, match=r"1\.bn\.running_mean \(\(4,\) in the file, \(3,\)"):
        load_weights(net("sub_batchnorm"), net(dim=4).state_dict(), source="a.pyth")
