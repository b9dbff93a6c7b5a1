"""Memory for frames: a loader's worker writes what it sends where the training process reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

Empty = Callable[[Sequence[int]], Tensor]  # shape -> uint8 that is not filled


def empty_pixels(shape: Sequence[int]) -> Tensor:
    """uint8 of this process. NumPy asks for large pages: filling them takes half of the time."""
    return torch.from_numpy(np.empty(tuple(shape), np.uint8))


def empty_to_send(shape: Sequence[int], dtype: torch.dtype = torch.uint8) -> Tensor:
    """The same in shared memory if this is a worker, so that sending it copies nothing."""
    if get_worker_info() is None:
        return empty_pixels(shape) if dtype == torch.uint8 else torch.empty(*shape, dtype=dtype)
    storage = torch.UntypedStorage._new_shared(prod(shape) * dtype.itemsize, device="cpu")
    return torch.empty(0, dtype=dtype).set_(storage).view(*shape)


def cat_to_send(parts: Sequence[Tensor]) -> Tensor:
    """`torch.cat` along the first axis, into such memory."""
    shape = sum(len(part) for part in parts), *parts[0].shape[1:]
    return torch.cat(tuple(parts), out=empty_to_send(shape, parts[0].dtype))
