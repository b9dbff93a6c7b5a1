"""Mirrors slowfast/ops/conv.py."""

from __future__ import annotations

import pytest
import torch

from slowfast.ops.conv import conv3d, round_width


@pytest.mark.parametrize("kernel", [(1, 1, 1), (3, 1, 1), (5, 3, 3), (1, 7, 7)])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_time_is_kept_and_space_divided(
    kernel: tuple[int, int, int], stride: int, dilation: int
) -> None:
    conv = conv3d(2, 4, kernel, stride=stride, dilation=dilation)
    assert conv.bias is None
    assert conv(torch.rand(1, 2, 5, 8, 8)).shape == (1, 4, 5, 8 // stride, 8 // stride)


def test_round_width() -> None:
    assert round_width(12, 2) == 24
    assert round_width(54, 1 / 16, min_width=8, divisor=8) == 8
    assert round_width(20, 1, divisor=8) == 24
    # 19 would round down to 16, which is less than 90 % of it.
    assert round_width(19, 1, divisor=8) == 24
    assert round_width(17, 1, divisor=8) == 16
