"""Numbers on their way from the device to the host, so that nobody waits for them too early."""

from __future__ import annotations

import torch
from torch import Tensor


class ToHost:
    """A copy of a small tensor on its way; `read` waits for it, if it has not come.

    A GPU works through its queue meanwhile: what is read a step later has long been there.
    """

    def __init__(self, values: Tensor) -> None:
        self._values, self._event = values, None
        if values.is_cuda:
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record()

    def read(self) -> list[float]:
        if self._event is not None:
            self._event.synchronize()
        return self._values.tolist()
