"""Which precision an operator is about to run in."""

from __future__ import annotations

import torch
from torch import Tensor


def autocast_is_on(x: Tensor) -> bool:
    """Whether autocast is on for the device of x; never for the meta device."""
    return not x.is_meta and torch.is_autocast_enabled(x.device.type)


def runs_in_half(x: Tensor) -> bool:
    """Whether a convolution of x is computed in bfloat16 or float16."""
    return x.dtype.itemsize == 2 or autocast_is_on(x)
