"""Which frames may be asked for: increasing numbers of frames that are there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor


def checked_indices(indices: Tensor | Sequence[int], num_frames: int) -> list[int]:
    """The indices as a list.

    Raises:
        IndexError: there are none, they do not increase, or not all are from 0 to the last frame.
    """
    wanted = indices.tolist() if isinstance(indices, Tensor) else [int(i) for i in indices]
    rising = all(a < b for a, b in pairwise(wanted))
    if not wanted or not rising or wanted[0] < 0 or wanted[-1] >= num_frames:
        raise IndexError(f"frames must be increasing and from 0 to {num_frames - 1}, got {wanted}")
    return wanted
