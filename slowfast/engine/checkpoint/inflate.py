"""2D kernels as 3D ones (Carreira and Zisserman, 1705.07750, Sec. 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

Inflation = Literal["", "divide", "repeat"]


def inflate(kernel: Tensor, shape: Sequence[int], *, how: Inflation) -> Tensor | None:
    """A kernel (O, I, H, W) or (O, I, 1, H, W), repeated over time to `shape` (O, I, T, H, W).

    Args:
        how: "divide" by T too, so that a still clip gives what the image gives
            (TRAIN.CHECKPOINT_INFLATE); "repeat" only (TRAIN.CHECKPOINT_IN_INIT); "" neither.

    Returns:
        None if `how` is "", or if the two are not the same kernel but for its length.
    """
    flat = kernel.unsqueeze(2) if kernel.dim() == 4 else kernel
    if not how or len(shape) != 5 or flat.dim() != 5 or flat.shape[2] != 1:
        return None
    if flat.shape[:2] != tuple(shape[:2]) or flat.shape[3:] != tuple(shape[3:]):
        return None
    length = shape[2]
    repeated = flat.expand(-1, -1, length, -1, -1)
    return repeated / length if how == "divide" else repeated.clone()
