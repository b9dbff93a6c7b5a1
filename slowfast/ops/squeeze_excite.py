"""Squeeze-and-excitation: a gate on the channels."""

from __future__ import annotations

from torch import Tensor, nn

from slowfast.ops.conv import round_width


class SqueezeExcite(nn.Module):
    """Channel gate from the clip-wide average (Hu et al., 1709.01507, Sec. 3).

    Shape: (N, C, T, H, W) -> same.
    """

    def __init__(self, dim: int, *, ratio: float = 1 / 16) -> None:
        super().__init__()
        dim_fc = round_width(dim, ratio, min_width=8, divisor=8)
        # The attribute names are keys of published checkpoints.
        self.fc1 = nn.Conv3d(dim, dim_fc, 1)
        self.fc1_act = nn.ReLU()
        self.fc2 = nn.Conv3d(dim_fc, dim, 1)
        self.fc2_sig = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        gate = self.fc1_act(self.fc1(x.mean(dim=(2, 3, 4), keepdim=True)))
        return x * self.fc2_sig(self.fc2(gate))
