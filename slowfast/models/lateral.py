"""Lateral connections from the Fast to the Slow pathway."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slowfast.ops.conv import Conv3d
from slowfast.ops.norm import Norm

FUSIONS = ("t-conv", "t-sample", "ttoc-concat", "ttoc-sum", "none")


@dataclass(frozen=True)
class Lateral:
    """Settings of the fusion; the defaults are those of SlowFast 8x8, ResNet-50."""

    alpha: int = 4  # Fast frames per Slow frame
    ratio: int = 2  # fused channels per Fast channel, of the convolution
    kernel: int = 7  # temporal kernel of the convolution, in Fast frames
    fusion: str = "t-conv"  # one of FUSIONS

    def __post_init__(self) -> None:
        if self.alpha < 1 or self.ratio < 1:
            raise ValueError(
                f"SLOWFAST.ALPHA is {self.alpha} and SLOWFAST.FUSION_CONV_CHANNEL_RATIO is "
                f"{self.ratio}; both must be at least 1"
            )
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(
                f"SLOWFAST.FUSION_KERNEL_SZ is {self.kernel}, but must be odd and at least 1, so "
                "that the fused frames stay aligned with the Slow ones"
            )
        if self.fusion not in FUSIONS:
            near = difflib.get_close_matches(self.fusion, FUSIONS, n=1, cutoff=0.3)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"SLOWFAST.FUSION is {self.fusion!r}; use one of {', '.join(FUSIONS)}{hint}"
            )

    def dim_added(self, dim_fast: int) -> int:
        """Channels that the fusion adds to the Slow features."""
        channels = {
            "t-conv": self.ratio * dim_fast,
            "t-sample": dim_fast,
            "ttoc-concat": self.alpha * dim_fast,
        }
        return channels.get(self.fusion, 0)

    def connect(
        self, dim_slow: int, dim_fast: int, *, norm: Norm = nn.BatchNorm3d, inplace: bool = True
    ) -> nn.Module:
        """The connection after one stage: [slow, fast] -> [fused, fast].

        Raises:
            ValueError: features are to be summed whose channels differ.
        """
        if self.fusion == "t-conv":
            return FuseFastToSlow(dim_fast, self, norm=norm, inplace=inplace)
        if self.fusion == "none":
            return nn.Identity()
        if self.fusion == "ttoc-sum" and self.alpha * dim_fast != dim_slow:
            raise ValueError(
                f"SLOWFAST.FUSION 'ttoc-sum' adds ALPHA x {dim_fast} = {self.alpha * dim_fast} "
                f"Fast channels to {dim_slow} Slow ones; they are as many when SLOWFAST.BETA_INV "
                "equals SLOWFAST.ALPHA"
            )
        return RearrangeFastToSlow(self)


class FuseFastToSlow(nn.Module):
    """Time-strided convolution on the Fast features, concatenated to the Slow ones.

    The "T-conv" of SlowFast (Feichtenhofer et al., 1812.03982, Sec. 3.4 and Table 1).

    Shape:
        slow (N, C_s, T, H, W) and fast (N, C_f, alpha * T, h, w)
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
        self.conv_f2s = Conv3d(
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
        return [torch.cat([slow, _at_size_of(slow, fuse)], dim=1), fast]


class RearrangeFastToSlow(nn.Module):
    """The connections of 1812.03982, Sec. 3.4, that learn nothing.

    "t-sample": one of each alpha Fast frames is concatenated. "ttoc-concat" and "ttoc-sum"
    (time to channel): the channels of alpha frames become those of one, concatenated or added.

    Shape: as in `FuseFastToSlow`, with `Lateral.dim_added` more channels.
    """

    def __init__(self, lateral: Lateral) -> None:
        super().__init__()
        self.alpha, self.fusion = lateral.alpha, lateral.fusion

    def forward(self, pathways: list[Tensor]) -> list[Tensor]:
        slow, fast = pathways
        if self.fusion == "t-sample":
            moved = fast[:, :, :: self.alpha]
        else:
            frames = fast.unflatten(2, (-1, self.alpha))  # N C T alpha H W
            moved = frames.transpose(2, 3).flatten(1, 2)  # N C*alpha T H W
        moved = _at_size_of(slow, moved)
        if self.fusion == "ttoc-sum":
            return [slow + moved, fast]
        return [torch.cat([slow, moved], dim=1), fast]


def _at_size_of(slow: Tensor, fuse: Tensor) -> Tensor:
    """`fuse` with the height and width of `slow`: a Fast pathway may see smaller frames."""
    if fuse.shape[-2:] == slow.shape[-2:]:
        return fuse
    return F.interpolate(fuse, size=slow.shape[2:], mode="nearest")
