"""Non-local block: self-attention over all positions of a clip."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slowfast.ops.norm import Norm


class Nonlocal(nn.Module):
    """`x + BN(conv_out(attention(x)))` (Wang et al., 1711.07971, Fig. 2).

    Args:
        dim: channels of x.
        dim_inner: channels inside the attention; half of `dim` in the paper.
        pool: (T, H, W) max pool of what is attended to (Sec. 3.3).
        kind: "softmax" (embedded Gaussian, Eq. 3) or "dot_product" (Eq. 4).
        groups: the clip is cut into this many parts in time, each attending to itself.

    Shape: (N, C, T, H, W) -> same. T must be a multiple of `groups`.
    """

    def __init__(
        self,
        dim: int,
        dim_inner: int,
        *,
        pool: tuple[int, int, int] = (1, 2, 2),
        kind: str = "softmax",
        groups: int = 1,
        norm: Norm = nn.BatchNorm3d,
    ) -> None:
        super().__init__()
        if kind not in ("softmax", "dot_product"):
            raise ValueError(f"NONLOCAL.INSTANTIATION is {kind!r}; use 'softmax' or 'dot_product'")
        self.kind, self.groups = kind, groups
        # The attribute names are keys of published checkpoints.
        self.conv_theta = nn.Conv3d(dim, dim_inner, 1)
        self.conv_phi = nn.Conv3d(dim, dim_inner, 1)
        self.conv_g = nn.Conv3d(dim, dim_inner, 1)
        self.conv_out = nn.Conv3d(dim_inner, dim, 1)
        self.bn = norm(dim)
        self.pool = nn.MaxPool3d(pool, stride=pool) if max(pool) > 1 else nn.Identity()

    @property
    def final_bn(self) -> nn.Module:
        """The norm at the end of the residual branch, see `slowfast.ops.init`."""
        return self.bn

    def forward(self, x: Tensor) -> Tensor:
        batch, _, frames, _, _ = x.shape
        if frames % self.groups:
            raise ValueError(
                f"a non-local block got {frames} frames, which its {self.groups} groups do not "
                "divide; change NONLOCAL.GROUP or DATA.NUM_FRAMES"
            )
        x = fold_time(x, self.groups)
        pooled = self.pool(x)
        theta = self.conv_theta(x).flatten(2)  # N' C' P, P = all positions
        phi = self.conv_phi(pooled).flatten(2)  # N' C' Q, Q = pooled positions
        g = self.conv_g(pooled).flatten(2)
        attention = torch.einsum("ncp,ncq->npq", theta, phi)
        if self.kind == "softmax":
            attention = (attention * theta.shape[1] ** -0.5).softmax(dim=2)
        else:
            attention = attention / attention.shape[2]
        y = torch.einsum("npq,ncq->ncp", attention, g).unflatten(2, x.shape[2:])
        x = x + self.bn(self.conv_out(y))
        return unfold_time(x, batch, self.groups)


def fold_time(x: Tensor, groups: int) -> Tensor:
    """(N, C, G * t, H, W) -> (N * G, C, t, H, W)."""
    if groups == 1:
        return x
    return x.unflatten(2, (groups, -1)).transpose(1, 2).flatten(0, 1)


def unfold_time(x: Tensor, batch: int, groups: int) -> Tensor:
    """Inverse of `fold_time`."""
    if groups == 1:
        return x
    return x.unflatten(0, (batch, groups)).transpose(1, 2).flatten(2, 3)
