"""Mirrors slowfast/models/res_block.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slowfast.models.res_block import BasicBlock, Bottleneck, ResBlock, SplitConv


def test_bottleneck_keys_in_order() -> None:
    """Published checkpoints depend on these names and on this order."""
    block = ResBlock(8, 16, Bottleneck(8, 4, 16))
    names = [name for name, _ in block.named_parameters()]
    assert names == [
        "branch1.weight",
        "branch1_bn.weight",
        "branch1_bn.bias",
        *(
            f"branch2.{name}"
            for conv in "abc"
            for name in (f"{conv}.weight", f"{conv}_bn.weight", f"{conv}_bn.bias")
        ),
    ]


def test_the_shortcut_projects_only_when_the_shape_changes() -> None:
    assert not hasattr(ResBlock(16, 16, Bottleneck(16, 4, 16)), "branch1")
    assert hasattr(ResBlock(16, 16, Bottleneck(16, 4, 16, stride=2), stride=2), "branch1")


@pytest.mark.parametrize("stride_1x1", [False, True])
def test_where_the_stride_is(stride_1x1: bool) -> None:
    block = Bottleneck(8, 4, 16, time_a=3, stride=2, stride_1x1=stride_1x1)
    assert (block.a.stride[1], block.b.stride[1]) == ((2, 1) if stride_1x1 else (1, 2))
    assert block(torch.randn(1, 8, 2, 8, 8)).shape == (1, 16, 2, 4, 4)


def test_dilation_and_groups() -> None:
    block = Bottleneck(8, 4, 16, dilation=2, groups=2)
    assert block.b.weight.shape == (4, 2, 1, 3, 3)
    assert block.b.dilation == (1, 2, 2)
    assert block(torch.randn(1, 8, 2, 6, 6)).shape == (1, 16, 2, 6, 6)


def test_time_reaches_as_far_as_the_kernel() -> None:
    """A change of frame 4 changes frames 3 to 5 with a temporal kernel of 3."""
    for block in (Bottleneck(2, 2, 2, time_a=3).eval(), BasicBlock(2, 2, time_a=3).eval()):
        clip = torch.rand(1, 2, 8, 4, 4)
        other = clip.clone()
        other[:, :, 4] += 1
        changed = (block(clip) - block(other)).abs().amax(dim=(0, 1, 3, 4)) > 0
        assert changed.nonzero().flatten().tolist() == [3, 4, 5]


def test_split_conv_sees_the_same_frames_and_pixels_as_a_whole_one() -> None:
    conv = SplitConv(2, 4, (3, 3, 3), stride=(2, 1, 1), groups=2).eval()
    assert [name for name, _ in conv.named_parameters()] == [
        *("conv_t.weight", "bn.weight", "bn.bias", "conv_xy.weight")
    ]
    assert conv.conv_t.weight.shape == (4, 1, 3, 1, 1)
    assert conv.conv_xy.weight.shape == (4, 2, 1, 3, 3)
    nn.init.ones_(conv.conv_t.weight)
    nn.init.ones_(conv.conv_xy.weight)
    clip = torch.zeros(1, 2, 8, 7, 7)
    clip[0, 0, 3, 2, 4] = 1  # frame 3 is seen by those centred at 2 and 4
    seen = conv(clip)[0, 0]
    assert seen.shape == (4, 7, 7)
    assert seen.amax(dim=(1, 2)).nonzero().flatten().tolist() == [1, 2]
    assert seen[1].amax(dim=1).nonzero().flatten().tolist() == [1, 2, 3]
    assert seen[1].amax(dim=0).nonzero().flatten().tolist() == [3, 4, 5]


def test_split_conv_is_linear_in_neither_half_alone() -> None:
    """The norm and the ReLU are between time and space."""
    conv = SplitConv(1, 1, (3, 3, 3)).eval()
    nn.init.constant_(conv.conv_t.weight, -1.0)
    assert conv(torch.rand(1, 1, 4, 5, 5)).abs().max() == 0
    conv.relu = nn.Identity()
    assert conv(torch.rand(1, 1, 4, 5, 5)).abs().max() > 0


def test_strides_in_time_project_the_shortcut() -> None:
    stride = (2, 1, 1)
    branch = Bottleneck(8, 4, 8, time_b=3, stride=stride)
    block = ResBlock(8, 8, branch, stride=stride)
    assert (block.branch1.stride, branch.b.stride) == (stride, stride)
    assert block(torch.rand(1, 8, 5, 4, 4)).shape == (1, 8, 3, 4, 4)
    assert not hasattr(ResBlock(8, 8, nn.Identity(), stride=(1, 1, 1)), "branch1")


def test_basic_block_keys_and_shape() -> None:
    block = BasicBlock(8, 16, time_a=3, stride=2)
    names = [name for name, _ in block.named_parameters()]
    assert names == ["a.weight", "a_bn.weight", "a_bn.bias", "b.weight", "b_bn.weight", "b_bn.bias"]
    assert block.a.weight.shape == (16, 8, 3, 3, 3)
    assert block.b.weight.shape == (16, 16, 1, 3, 3)
    assert block(torch.randn(1, 8, 2, 8, 8)).shape == (1, 16, 2, 4, 4)


def test_a_block_whose_last_norm_is_zero_is_its_shortcut() -> None:
    block = ResBlock(8, 8, Bottleneck(8, 4, 8))
    nn.init.zeros_(block.branch2.final_bn.weight)
    x = torch.rand(1, 8, 2, 4, 4)
    assert torch.equal(block(x), x)
