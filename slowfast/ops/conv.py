"""The 3D convolution all networks use, and the rounding of channel counts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slowfast.ops.precision import runs_in_half

Stride = int | tuple[int, int, int]  # of H and W; or of T, H and W


class Conv3d(nn.Conv3d):
    """`torch.nn.Conv3d` whose gradient is also right for clips smaller than the kernel.

    On CPUs PyTorch's bfloat16 gradient of the weights is wrong there, by as much as its size or
    NaN, and may write beyond its memory (torch 2.10 and 2.15): taps that meet nothing but padding
    are not cleared. X3D-XS, with 4 frames and a kernel of 5, is such a case. Those convolutions
    are small, and computed in float32.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not (x.is_cpu and runs_in_half(x) and self._exceeds(x)):
            return super().forward(x)
        dtype = torch.get_autocast_dtype("cpu") if x.dtype.itemsize > 2 else x.dtype
        bias = None if self.bias is None else self.bias.float()
        with torch.autocast("cpu", enabled=False):
            return self._conv_forward(x.float(), self.weight.float(), bias).to(dtype)

    def _exceeds(self, x: Tensor) -> bool:
        """Whether the kernel is longer than T, H or W of x."""
        sizes = zip(x.shape[2:], self.kernel_size, self.dilation, strict=True)
        return any(side <= dilation * (kernel - 1) for side, kernel, dilation in sizes)


def conv3d(
    dim_in: int,
    dim_out: int,
    kernel: tuple[int, int, int],
    *,
    stride: Stride = 1,
    dilation: int = 1,
    groups: int = 1,
) -> Conv3d:
    """A bias-free convolution that keeps T, H and W up to the `stride`; they are rounded up.

    Args:
        kernel: (T, H, W), odd numbers.
        stride: one number strides in space alone.
        dilation: of H and W; time is never dilated.
    """
    t, h, w = kernel
    return Conv3d(
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
