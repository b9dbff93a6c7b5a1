"""Mirrors slowfast/engine/checkpoint/load.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.load import load_weights


def net(classes: int = 2) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2), nn.Linear(2, classes))


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_wrappers_leave_no_trace(prefix: str) -> None:
    source, target = net(), net()
    state = {prefix + name: value for name, value in source.state_dict().items()}
    report = load_weights(target, state, source="a.pyth")
    assert report.exact
    for name, value in target.state_dict().items():
        assert torch.equal(value, source.state_dict()[name])


def test_other_classes_are_an_error_that_names_the_way_out() -> None:
    with pytest.raises(
        CheckpointError,
        match=r"a\.pyth: the checkpoint does not fit.*2\.weight \(\(2, 2\) in the file, "
        r"\(5, 2\) expected\).*--allow-partial",
    ):
        load_weights(net(5), net(2).state_dict(), source="a.pyth")


def test_partial_loading_keeps_what_it_cannot_load_and_says_so() -> None:
    source, target = net(2), net(5)
    head = target[2].weight.clone()
    state = source.state_dict() | {"extra": torch.zeros(1)}
    report = load_weights(target, state, source="a.pyth", allow_partial=True)
    assert torch.equal(target[0].weight, source[0].weight)
    assert torch.equal(target[2].weight, head)
    assert [name.split()[0] for name in report.misfit] == ["2.weight", "2.bias"]
    assert report.unused == ["extra"]
    assert "2 re-initialised (another shape)" in str(report)
    assert "1 unused (not in the network): extra" in str(report)


def test_a_failed_load_changes_nothing() -> None:
    target = net(5)
    before = target[0].weight.clone()
    with pytest.raises(CheckpointError):
        load_weights(target, net(2).state_dict(), source="a.pyth")
    assert torch.equal(target[0].weight, before)


def test_nothing_that_fits_is_an_error_even_in_part() -> None:
    with pytest.raises(CheckpointError, match=r"no tensor of the checkpoint fits.*'0\.weight'"):
        load_weights(net(), {"a.b": torch.zeros(1)}, source="a.pyth", allow_partial=True)


def test_clear_patterns_are_removed_from_names() -> None:
    state = {f"backbone.{name}": value for name, value in net().state_dict().items()}
    assert load_weights(net(), state, source="a.pyth", clear_patterns=["backbone."]).exact


def test_the_batch_counter_of_old_checkpoints_may_be_missing() -> None:
    state = {k: v for k, v in net().state_dict().items() if "num_batches" not in k}
    assert load_weights(net(), state, source="old.pyth").exact


@pytest.mark.parametrize(
    "wrap",
    [
        "_orig_mod.module.{}",
        "module._checkpoint_wrapped_module.{}",
        "_fsdp_wrapped_module._orig_mod.{}",
    ],
)
def test_wrappers_in_any_order_leave_no_trace(wrap: str) -> None:
    state = {wrap.format(name): value for name, value in net().state_dict().items()}
    assert load_weights(net(), state, source="a.pyth").exact


def test_a_wrapper_around_one_layer_leaves_no_trace() -> None:
    """torch.compile and activation checkpointing of a part put their name into the middle."""
    inner = nn.Sequential(net())
    state = {
        name.replace("0.", "0._orig_mod._checkpoint_wrapped_module.", 1): value
        for name, value in inner.state_dict().items()
    }
    assert load_weights(nn.Sequential(net()), state, source="a.pyth").exact


def test_two_entries_of_one_name_are_an_error() -> None:
    state = {f"{part}.{name}": v for part in "ab" for name, v in net().state_dict().items()}
    with pytest.raises(CheckpointError, match=r"'b\.0\.weight' and another entry both become"):
        load_weights(net(), state, source="a.pyth", clear_patterns=["a.", "b."])


class Positions(nn.Module):
    def __init__(self, frames: int) -> None:
        super().__init__()
        self.grid = (frames, 2, 2)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + frames * 4, 3))
        self.rel_pos_t = nn.Parameter(torch.randn(2 * frames - 1, 3))


def test_positions_of_another_size_are_interpolated_and_reported() -> None:
    source, target = Positions(4), Positions(8)
    report = load_weights(target, source.state_dict(), source="a.pyth")
    assert report.complete
    assert not report.exact
    assert report.interpolated == ["pos_embed", "rel_pos_t"]
    assert "2 tensors loaded; 2 interpolated: pos_embed, rel_pos_t" in str(report)
    assert torch.equal(target.pos_embed[:, 0], source.pos_embed[:, 0])
