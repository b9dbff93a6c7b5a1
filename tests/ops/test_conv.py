"""Mirrors slowfast/ops/conv.py."""

from __future__ import annotations

import pytest
import torch

from slowfast.ops.conv import Conv3d, conv3d, round_width


@pytest.mark.parametrize("kernel", [(1, 1, 1), (3, 1, 1), (5, 3, 3), (1, 7, 7)])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_time_is_kept_and_space_divided(
    kernel: tuple[int, int, int], stride: int, dilation: int
) -> None:
    conv = conv3d(2, 4, kernel, stride=stride, dilation=dilation)
    assert conv.bias is None
    assert conv(torch.rand(1, 2, 5, 8, 8)).shape == (1, 4, 5, 8 // stride, 8 // stride)


@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize(
    ("kernel", "size", "dilation"),
    [
        ((5, 1, 1), (4, 8, 8), 1),
        ((3, 3, 3), (2, 7, 7), 1),
        ((1, 3, 3), (4, 1, 1), 1),
        ((1, 3, 3), (4, 4, 4), 2),
        ((3, 3, 3), (3, 5, 5), 1),
    ],
)
def test_the_gradient_in_half_precision_is_that_in_full(
    kernel: tuple[int, int, int],
    size: tuple[int, int, int],
    dilation: int,
    layout: torch.memory_format,
    groups: int,
) -> None:
    """Also where the kernel is longer than the clip; PyTorch's own is wrong there on CPUs."""
    torch.manual_seed(0)
    conv = conv3d(8, 8, kernel, dilation=dilation, groups=groups)
    conv = conv.to(memory_format=layout)
    x = torch.randn(2, 8, *size).contiguous(memory_format=layout)
    gradients = []
    for enabled in (False, True):
        conv.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y = conv(x)
        assert y.dtype is (torch.bfloat16 if enabled else torch.float32)
        y.float().square().sum().backward()
        gradients.append(conv.weight.grad.clone())
    full, half = gradients
    assert (half - full).norm() < 0.02 * full.norm()


def test_weights_in_half_precision_stay_so() -> None:
    conv = Conv3d(2, 2, (5, 1, 1), padding=(2, 0, 0)).bfloat16()
    assert conv(torch.randn(1, 2, 3, 4, 4).bfloat16()).dtype is torch.bfloat16


def test_round_width() -> None:
    assert round_width(12, 2) == 24
    assert round_width(54, 1 / 16, min_width=8, divisor=8) == 8
    assert round_width(20, 1, divisor=8) == 24
    # 19 would round down to 16, which is less than 90 % of it.
    assert round_width(19, 1, divisor=8) == 24
    assert round_width(17, 1, divisor=8) == 16
