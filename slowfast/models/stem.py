"""Stems: the first convolution of each pathway."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from slowfast.ops.conv import Conv3d
from slowfast.ops.norm import Norm


class ResNetStem(nn.Module):
    """T x 7 x 7 convolution, norm, ReLU and, unless `pool` is False, 1 x 3 x 3 max pool.

    Args:
        time_strides: of the convolution and of the pool; a pool that strides looks at three
            frames (1711.07971, Table 1).

    Shape: (N, dim_in, T, H, W) -> (N, dim_out, T / strides, H / 4, W / 4), without the pool
        (N, dim_out, T / stride, H / 2, W / 2).
    """

    def __init__(
        self,
        dim_in: int,
        dim_out: int,
        temp_kernel: int,
        *,
        time_strides: Sequence[int] = (1, 1),
        pool: bool = True,
        norm: Norm = nn.BatchNorm3d,
        inplace: bool = True,
    ) -> None:
        super().__init__()
        conv_stride, pool_stride = time_strides
        # The attribute names are keys of published checkpoints.
        self.conv = Conv3d(
            dim_in,
            dim_out,
            (temp_kernel, 7, 7),
            stride=(conv_stride, 2, 2),
            padding=(temp_kernel // 2, 3, 3),
            bias=False,
        )
        self.bn = norm(dim_out)
        self.relu = nn.ReLU(inplace=inplace)
        self.pool_layer: nn.Module = nn.Identity()
        if pool:
            pool_kernel = 1 if pool_stride == 1 else 3
            self.pool_layer = nn.MaxPool3d(
                (pool_kernel, 3, 3), stride=(pool_stride, 2, 2), padding=(pool_kernel // 2, 1, 1)
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.pool_layer(self.relu(self.bn(self.conv(x))))


class X3DStem(nn.Module):
    """1 x 3 x 3 convolution, then a channelwise T x 1 x 1 one (X3D, 2004.04730, Table 1).

    Shape: (N, dim_in, T, H, W) -> (N, dim_out, T, H / 2, W / 2).
    """

    def __init__(
        self,
        dim_in: int,
        dim_out: int,
        temp_kernel: int,
        *,
        norm: Norm = nn.BatchNorm3d,
        inplace: bool = True,
    ) -> None:
        super().__init__()
        # The attribute names are keys of published checkpoints.
        self.conv_xy = Conv3d(
            dim_in, dim_out, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False
        )
        self.conv = Conv3d(
            dim_out,
            dim_out,
            (temp_kernel, 1, 1),
            padding=(temp_kernel // 2, 0, 0),
            groups=dim_out,
            bias=False,
        )
        self.bn = norm(dim_out)
        self.relu = nn.ReLU(inplace=inplace)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(self.conv_xy(x))))


class VideoStem(nn.Module):
    """One stem a pathway, as `pathway{p}_stem`."""

    def __init__(self, stems: Sequence[nn.Module]) -> None:
        super().__init__()
        for p, stem in enumerate(stems):
            self.add_module(f"pathway{p}_stem", stem)

    def forward(self, clips: list[Tensor]) -> list[Tensor]:
        return [stem(clip) for stem, clip in zip(self.children(), clips, strict=True)]
