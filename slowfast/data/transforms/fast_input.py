"""What the Fast pathway sees instead of full colour (1812.03982, Table 5c)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from slowfast.data.transforms.optical_flow import optical_flow

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue; ITU-R BT.601
FLOW_RANGE = 20.0  # pixels a frame that become 1; two-stream networks cut flow off there


def gray(clip: Tensor, *, reverse_channels: bool = False) -> Tensor:
    """Brightness of normalised colours, (N, 3, T, H, W) -> (N, 1, T, H, W)."""
    weights = clip.new_tensor(LUMA[::-1] if reverse_channels else LUMA)
    return (clip * weights[:, None, None, None]).sum(dim=1, keepdim=True)


def difference(clip: Tensor, *, reverse_channels: bool = False) -> Tensor:
    """Brightness less that of the frame before; 0 for the first frame."""
    bright = gray(clip, reverse_channels=reverse_channels)
    change = bright[:, :, 1:] - bright[:, :, :-1]
    return torch.cat([torch.zeros_like(bright[:, :, :1]), change], dim=2)


def flow(clip: Tensor, *, reverse_channels: bool = False) -> Tensor:
    """Optical flow from the frame before, in units of `FLOW_RANGE` pixels, within -1 and 1."""
    motion = optical_flow(gray(clip, reverse_channels=reverse_channels))
    return (motion / FLOW_RANGE).clamp(-1, 1).to(clip.dtype)


def half(clip: Tensor, *, reverse_channels: bool = False) -> Tensor:
    """Half the height and width, each pixel the mean of four."""
    return F.avg_pool3d(clip, (1, 2, 2))


# By the name that SLOWFAST.FAST_INPUT has for it; "rgb" is the clip itself.
FAST_INPUTS: dict[str, Callable[..., Tensor]] = {
    "gray": gray,
    "difference": difference,
    "flow": flow,
    "half": half,
}
