"""Weights with the channels innermost in memory."""

from __future__ import annotations

import torch
from torch import nn

LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}


def channels_last(net: nn.Module) -> nn.Module:
    """Lay out the weights of 2D and 3D convolutions in place; returns `net`.

    `net.to(memory_format=...)` takes one layout, and networks for images may have both kinds.
    """
    for tensor in (*net.parameters(), *net.buffers()):
        if tensor.ndim in LAYOUTS:
            tensor.data = tensor.data.contiguous(memory_format=LAYOUTS[tensor.ndim])
    return net
