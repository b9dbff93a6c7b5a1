"""The 3D convolution all residual blocks use, and the rounding of channel counts."""

from __future__ import annotations

from torch import nn

Stride = int | tuple[int, int, int]  # of H and W; or of T, H and W


def conv3d(
    dim_in: int,
    dim_out: int,
    kernel: tuple[int, int, int],
    *,
    stride: Stride = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv3d:
    """A bias-free convolution that keeps T, H and W up to the `stride`; they are rounded up.

    Args:
        kernel: (T, H, W), odd numbers.
        stride: one number strides in space alone.
        dilation: of H and W; time is never dilated.
    """
    t, h, w = kernel
    return nn.Conv3d(
        dim_in,
        dim_out,
        kernel,
        stride=(1, stride, stride) if isinstance(stride, int) else stride,
        padding=(t // 2, dilation * (h // 2), dilation * (w // 2)),
        dilation=(1, dilation, dilation),
        groups=groups,
        bias=False,
    )


def round_width(width: float, multiplier: float, *, min_width: int = 1, divisor: int = 1) -> int:
    """Scale a channel count and round it to `divisor`, never below 90 % of the target."""
    target = width * multiplier
    rounded = max(min_width, int(target + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * target else rounded
