"""Stochastic depth: drop whole residual branches (Huang et al., 1603.09382)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """While training, each sample of the batch loses the branch with probability `rate`.

    What is kept is divided by 1 - rate, so that the expectation stays.

    Shape: (N, ...) -> the same.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = 1 - self.rate
        mask = torch.full((x.shape[0],) + (1,) * (x.ndim - 1), keep, device=x.device)
        # Where nothing is kept the division would be by zero, and the mask is zero anyway.
        return x * (mask.bernoulli() / max(keep, 1e-6)).to(x.dtype)

    def extra_repr(self) -> str:
        return f"rate={self.rate:g}"


def drop_path(rate: float) -> nn.Module:
    """`DropPath(rate)`, or nothing where the rate is 0."""
    return DropPath(rate) if rate > 0 else nn.Identity()
