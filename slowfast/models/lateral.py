"""Lateral connection from the Fast to the Slow pathway."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slowfast.ops.norm import Norm


@dataclass(frozen=True)
class Lateral:
    """Settings of the fusion; the defaults are those of SlowFast 8x8, ResNet-50."""

    alpha: int = 4  # Fast frames per Slow frame
    ratio: int = 2  # fused channels per Fast channel
    kernel: int = 7  # temporal kernel of the convolution, in Fast frames

    def __post_init__(self) -> None:
        if self.alpha < 1 or self.ratio < 1:
            raise ValueError(
                f"SLOWFAST.ALPHA is {self.alpha} and SLOWFAST.FUSION_CONV_CHANNEL_RATIO is "
                f"{self.ratio}; both must be at least 1"
            )
        if self.kernel % 2 == 0:
            raise ValueError(
                f"SLOWFAST.FUSION_KERNEL_SZ is {self.kernel}, but must be odd, so that the fused "
                "frames stay aligned with the Slow ones"
            )


class FuseFastToSlow(nn.Module):
    """Time-strided convolution on the Fast features, concatenated to the Slow ones.

    The "T-conv" of SlowFast (Feichtenhofer et al., 1812.03982, Sec. 3.4 and Table 1).

    Shape:
        slow (N, C_s, T, H, W) and fast (N, C_f, alpha * T, H, W)
        -> slow (N, C_s + ratio * C_f, T, H, W) and fast, unchanged.
    """

    def __init__(
        self,
        dim_fast: int,
        lateral: Lateral,
        *,
        norm: Norm = nn.BatchNorm3d,
        inplace: bool = True,
    ) -> None:
        super().__init__()
        dim_fuse = dim_fast * lateral.ratio
        # The attribute names are keys of published checkpoints.
        self.conv_f2s = nn.Conv3d(
            dim_fast,
            dim_fuse,
            (lateral.kernel, 1, 1),
            stride=(lateral.alpha, 1, 1),
            padding=(lateral.kernel // 2, 0, 0),
            bias=False,
        )
        self.bn = norm(dim_fuse)
        self.relu = nn.ReLU(inplace=inplace)

    def forward(self, pathways: list[Tensor]) -> list[Tensor]:
        slow, fast = pathways
        fuse = self.relu(self.bn(self.conv_f2s(fast)))
        return [torch.cat([slow, fuse], dim=1), fast]
