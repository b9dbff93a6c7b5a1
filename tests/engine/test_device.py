"""Mirrors slowfast/engine/device.py; the errors are read in tests/cli/test_predict.py too."""

from __future__ import annotations

import pytest
import torch

from slowfast.engine.device import find_device


def test_the_default_is_a_gpu_if_there_is_one() -> None:
    assert find_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert find_device("cpu") == find_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "meta", "xpu", "cuda:99"])
def test_other_devices_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"device is '{name}'"):
        find_device(name)
