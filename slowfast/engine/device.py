"""Devices by the names that users write."""

from __future__ import annotations

import torch


def find_device(name: str | torch.device | None) -> torch.device:
    """The device of that name; the first GPU if there is one, else the CPU, for None.

    Raises:
        ValueError: there is no such device here.
    """
    found = torch.cuda.device_count()
    try:
        device = torch.device(name or ("cuda" if found else "cpu"))
    except RuntimeError:
        raise ValueError(
            f"device is {name!r}, expected 'cpu', 'cuda' or such as 'cuda:1'"
        ) from None
    if device.type == "cuda" and (device.index or 0) >= found:
        raise ValueError(
            f"device is {str(device)!r}, but PyTorch finds {found} CUDA device(s) here; "
            "use 'cpu' or another"
        )
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device is {str(device)!r}, expected 'cpu', 'cuda' or such as 'cuda:1'")
    return device
