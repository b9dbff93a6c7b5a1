"""Mirrors slowfast/engine/checkpoint/load.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.interpolate import Grid
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
        r"\(5, 2\) expected\).*TRAIN\.ALLOW_PARTIAL True \(--allow-partial\)",
    ):
        load_weights(net(5), net(2).state_dict(), source="a.pyth", adjustable=True)


def test_no_key_is_named_where_it_would_not_count() -> None:
    with pytest.raises(CheckpointError, match="use the config that the checkpoint was") as caught:
        load_weights(net(5), net(2).state_dict(), source="a.pyth")
    assert "PARTIAL" not in str(caught.value)


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


def test_vectors_of_norms_alone_are_nothing_that_fits() -> None:
    """They have the shapes of those of any other network, and half a network would be claimed."""
    own = nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4))
    other = nn.Sequential(nn.Conv3d(5, 4, 1), nn.BatchNorm3d(4)).state_dict()
    for keys in ({"allow_partial": True}, {"adjustable": True}):  # which would name that key
        with pytest.raises(
            CheckpointError,
            match=r"but 6 vectors and counters\. .*of another shape is 0\.weight \(\(4, 5.*WIDTH_",
        ):
            load_weights(own, other, source="a.pyth", **keys)


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


def test_patterns_may_hold_the_prefixes_of_wrappers() -> None:
    state = {f"module.backbone.{name}": value for name, value in net().state_dict().items()}
    for pattern in ("module.backbone.", "backbone."):
        assert load_weights(net(), state, source="a.pyth", clear_patterns=[pattern]).exact
    with pytest.raises(CheckpointError, match=r"nearest name in the file is 'module\.backbone\."):
        load_weights(net(), state, source="a.pyth")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (torch.ones(2, dtype=torch.complex64), "complex64"),
        (torch.ones(2, dtype=torch.int32), "int32"),
        (torch.ones(2, dtype=torch.bool), "bool"),
    ],
)
def test_weights_that_would_be_cut_are_refused(value: torch.Tensor, kind: str) -> None:
    for allow in (False, True):
        with pytest.raises(CheckpointError, match=rf"floating point.* 1\.bias \({kind}\)"):
            load_weights(
                net(), net().state_dict() | {"1.bias": value}, source="a", allow_partial=allow
            )


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 1e300])
def test_weights_that_are_no_numbers_are_refused(value: float) -> None:
    """1e300 is a number in the file, and infinite in the network."""
    target = net()
    before = target[0].weight.clone()
    broken = torch.tensor([0, value], dtype=torch.float64)
    with pytest.raises(CheckpointError, match=r"1 of its tensors .* not finite .*: 1\.bias; "):
        load_weights(target, net().state_dict() | {"1.bias": broken}, source="a.pyth")
    assert torch.equal(target[0].weight, before)
    load_weights(
        target, net().state_dict() | {"1.bias": broken.clamp(-1, 1).nan_to_num()}, source="a"
    )


def test_half_and_double_precision_are_weights_too() -> None:
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        source, target = net().to(kind), net()
        assert load_weights(target, source.state_dict(), source="a.pyth").exact
        assert torch.equal(target[0].weight, source[0].weight.float())


class Positions(nn.Module):
    """Joint positions, on frame t of value t, and relative ones."""

    def __init__(self, frames: int, size: int = 2) -> None:
        super().__init__()
        self.grid: Grid = (frames, size, size)
        times = torch.arange(float(frames)).repeat_interleave(size**2)
        times = torch.cat([torch.full((1,), -1.0), times])
        self.pos_embed = nn.Parameter(times[None, :, None].repeat(1, 1, 3))
        self.rel_pos_t = nn.Parameter(torch.randn(2 * frames - 1, 3))

    def frames(self) -> torch.Tensor:
        """(T, H * W) of the first channel."""
        return self.pos_embed.detach()[0, 1:, 0].unflatten(0, (self.grid[0], -1))


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (1, [3.5]),
        (2, [1.5, 5.5]),
        (4, [0.5, 2.5, 4.5, 6.5]),
        (16, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75]),
        (32, [0, 0, 0.125, 0.375, 0.625, 0.875, 1.125, 1.375, 1.625]),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_frame_s_positions_stay_together_whatever_the_length(
    frames: int, expected: list[float], known: bool
) -> None:
    """From 8 x 4 x 4: by a factor of four, other grids have as many patches."""
    source, target = Positions(8, 4), Positions(frames, 4)
    saved = source.grid if known else None
    report = load_weights(target, source.state_dict(), source="a.pyth", saved_grid=saved)
    found = target.frames()
    assert torch.equal(found, found[:, :1].expand_as(found))
    assert found[:, 0][: len(expected)].tolist() == pytest.approx(expected)
    assert target.pos_embed[0, 0, 0] == -1
    if known or frames in (1, 4, 16):
        assert report.guessed == []
    else:
        (said,) = report.guessed
        assert said.startswith("pos_embed (taken for 8x4x4 patches in T, H, W; ")
        assert f"1 whose grid the file does not tell: {said}" in str(report)


def test_as_many_patches_on_another_grid_are_resized_where_it_is_known() -> None:
    source, target = Positions(8, 4), Positions(2, 8)
    state = source.state_dict() | {"rel_pos_t": target.rel_pos_t}
    report = load_weights(target, state, source="a.pyth", saved_grid=source.grid)
    assert report.interpolated == ["pos_embed"]
    assert not report.exact
    assert target.frames()[:, 0].tolist() == [1.5, 5.5]
    assert target.frames().std(dim=1).max() == 0
    report = load_weights(target, state, source="a.pyth", saved_grid=(3, 3, 3))  # not of this file
    assert report.interpolated == []


def test_positions_of_another_size_are_interpolated_and_reported() -> None:
    source, target = Positions(4), Positions(8)
    report = load_weights(target, source.state_dict(), source="a.pyth")
    assert report.complete
    assert not report.exact
    assert report.interpolated == ["pos_embed", "rel_pos_t"]
    assert "2 tensors loaded; 2 interpolated: pos_embed, rel_pos_t" in str(report)
    assert torch.equal(target.pos_embed[:, 0], source.pos_embed[:, 0])
