"""Residual blocks of the 3D ResNet family; every network here is a stack of these."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from slowfast.ops.conv import Stride, conv3d
from slowfast.ops.norm import Norm


class SplitConv(nn.Module):
    """T x 1 x 1 convolution, norm, ReLU, 1 x 3 x 3 convolution in place of a T x 3 x 3 one.

    The (2+1)D convolution (Tran et al., 1711.11248, Sec. 3.5), with time first and as many
    channels between the two as around them.

    Shape: (N, dim_in, T, H, W) -> (N, dim_out, T, H, W), each divided by its stride.
    """

    def __init__(
        self,
        dim_in: int,
        dim_out: int,
        kernel: tuple[int, int, int],
        *,
        stride: Stride = 1,
        dilation: int = 1,
        groups: int = 1,
        norm: Norm = nn.BatchNorm3d,
        inplace: bool = True,
    ) -> None:
        super().__init__()
        t, h, w = kernel
        of_t, of_h, of_w = (1, stride, stride) if isinstance(stride, int) else stride
        self.conv_t = conv3d(dim_in, dim_out, (t, 1, 1), stride=(of_t, 1, 1), groups=groups)
        self.bn = norm(dim_out)
        self.relu = nn.ReLU(inplace=inplace)
        self.conv_xy = conv3d(
            dim_out, dim_out, (1, h, w), stride=(1, of_h, of_w), dilation=dilation, groups=groups
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_xy(self.relu(self.bn(self.conv_t(x))))


class Bottleneck(nn.Module):
    """1x1x1 -> 3x3 -> 1x1x1 convolutions; time enters at conv `a` or at conv `b`.

    ResNet-style networks convolve time in `a` (SlowFast, 1812.03982, Table 1). X3D makes `b` a
    channelwise 3x3x3 convolution and gates it (X3D, 2004.04730, Sec. 3); channel-separated
    networks (1904.02811) do so without the gate.

    Args:
        time_a: temporal kernel of conv `a`.
        time_b: temporal kernel of conv `b`.
        split_b: make conv `b` of two, see `SplitConv`.
        stride: in space; or in time, height and width.
        stride_1x1: stride in conv `a` (as in the Caffe2 ResNets) and not in conv `b`.
        gate: applied to the output of conv `b` before its activation.
        act_b: the activation after conv `b`; None: ReLU.

    Shape: (N, dim_in, T, H, W) -> (N, dim_out, T, H, W), each divided by its stride.
    """

    def __init__(
        self,
        dim_in: int,
        dim_inner: int,
        dim_out: int,
        *,
        time_a: int = 1,
        time_b: int = 1,
        split_b: bool = False,
        stride: Stride = 1,
        stride_1x1: bool = False,
        groups: int = 1,
        dilation: int = 1,
        norm: Norm = nn.BatchNorm3d,
        inplace: bool = True,
        gate: nn.Module | None = None,
        act_b: nn.Module | None = None,
    ) -> None:
        super().__init__()
        stride_a, stride_b = (stride, 1) if stride_1x1 else (1, stride)
        conv_b: Callable[..., nn.Module] = conv3d
        if split_b:
            conv_b = partial(SplitConv, norm=norm, inplace=inplace)
        # The attribute names are keys of published checkpoints.
        self.a = conv3d(dim_in, dim_inner, (time_a, 1, 1), stride=stride_a)
        self.a_bn = norm(dim_inner)
        self.a_relu = nn.ReLU(inplace=inplace)
        self.b = conv_b(
            dim_inner,
            dim_inner,
            (time_b, 3, 3),
            stride=stride_b,
            dilation=dilation,
            groups=groups,
        )
        self.b_bn = norm(dim_inner)
        self.se = gate
        self.b_relu = act_b or nn.ReLU(inplace=inplace)
        self.c = conv3d(dim_inner, dim_out, (1, 1, 1))
        self.c_bn = norm(dim_out)

    @property
    def final_bn(self) -> nn.Module:
        """The norm at the end of the residual branch, see `slowfast.ops.init`."""
        return self.c_bn

    @property
    def final_conv(self) -> nn.Module:
        """The convolution at the end of the residual branch, see `slowfast.ops.init`."""
        return self.c

    def forward(self, x: Tensor) -> Tensor:
        x = self.a_relu(self.a_bn(self.a(x)))
        x = self.b_bn(self.b(x))
        if self.se is not None:
            x = self.se(x)
        return self.c_bn(self.c(self.b_relu(x)))


class BasicBlock(nn.Module):
    """T x 3 x 3 -> 1 x 3 x 3 convolutions (He et al., 1512.03385, Fig. 5, left).

    Shape: (N, dim_in, T, H, W) -> (N, dim_out, T, H / stride, W / stride).
    """

    def __init__(
        self,
        dim_in: int,
        dim_out: int,
        *,
        time_a: int = 1,
        stride: Stride = 1,
        dilation: int = 1,
        norm: Norm = nn.BatchNorm3d,
        inplace: bool = True,
    ) -> None:
        super().__init__()
        # The attribute names are keys of published checkpoints.
        self.a = conv3d(dim_in, dim_out, (time_a, 3, 3), stride=stride, dilation=dilation)
        self.a_bn = norm(dim_out)
        self.a_relu = nn.ReLU(inplace=inplace)
        self.b = conv3d(dim_out, dim_out, (1, 3, 3), dilation=dilation)
        self.b_bn = norm(dim_out)

    @property
    def final_bn(self) -> nn.Module:
        """The norm at the end of the residual branch, see `slowfast.ops.init`."""
        return self.b_bn

    @property
    def final_conv(self) -> nn.Module:
        """The convolution at the end of the residual branch, see `slowfast.ops.init`."""
        return self.b

    def forward(self, x: Tensor) -> Tensor:
        x = self.a_relu(self.a_bn(self.a(x)))
        return self.b_bn(self.b(x))


class ResBlock(nn.Module):
    """`relu(shortcut(x) + branch2(x))`; the shortcut projects when the shape changes."""

    def __init__(
        self,
        dim_in: int,
        dim_out: int,
        branch2: nn.Module,
        *,
        stride: Stride = 1,
        norm: Norm = nn.BatchNorm3d,
        inplace: bool = True,
    ) -> None:
        super().__init__()
        self.project = dim_in != dim_out or stride not in (1, (1, 1, 1))
        if self.project:
            self.branch1 = conv3d(dim_in, dim_out, (1, 1, 1), stride=stride)
            self.branch1_bn = norm(dim_out)
        self.branch2 = branch2
        self.relu = nn.ReLU(inplace=inplace)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.branch1_bn(self.branch1(x)) if self.project else x
        return self.relu(shortcut + self.branch2(x))
