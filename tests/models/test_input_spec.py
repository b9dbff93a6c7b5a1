"""Mirrors slowfast/models/input_spec.py; the errors are read in test_video_resnet.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from slowfast.models import example_input
from slowfast.models.input_spec import InputSpec
from slowfast.models.video_resnet import VideoResNet


def test_example_of_two_pathways(tiny_slowfast: Callable[..., VideoResNet]) -> None:
    net = tiny_slowfast(num_frames=16, alpha=8, in_channels=(3, 2), crop_size=64)
    assert net.input_spec == InputSpec(channels=(3, 2), frames=(2, 16), size=64, downscale=(1, 1))
    slow, fast = example_input(net, batch=3)
    assert slow.shape == (3, 3, 2, 64, 64)
    assert fast.shape == (3, 2, 16, 64, 64)
    assert example_input(net, size=96)[0].shape[-2:] == (96, 96)


def test_example_of_a_fast_pathway_with_smaller_frames(
    tiny_slowfast: Callable[..., VideoResNet],
) -> None:
    net = tiny_slowfast(num_frames=8, alpha=4, crop_size=64, fast_downscale=2).eval()
    slow, fast = example_input(net, size=96)
    assert slow.shape == (1, 3, 2, 96, 96)
    assert fast.shape == (1, 3, 8, 48, 48)
    with torch.inference_mode():
        scores = net([slow, fast])
    torch.testing.assert_close(scores.sum(), torch.tensor(1.0))


def test_wrapped_networks(tiny_resnet: Callable[..., VideoResNet]) -> None:
    net = tiny_resnet()
    assert example_input(nn.DataParallel(net))[0].shape == (1, 3, 4, 32, 32)
    assert example_input(torch.compile(net, backend="eager"))[0].shape == (1, 3, 4, 32, 32)


def test_other_modules() -> None:
    with pytest.raises(ValueError, match="Linear is not a network of"):
        example_input(nn.Linear(1, 1))


@pytest.mark.parametrize("value", [0, -3, 2.5, True, None, "8"])
def test_sizes_are_whole_numbers_from_one(value: Any) -> None:
    good = {"channels": (3, 3), "frames": (4, 8), "size": 32}
    spec = InputSpec(**good)
    for name, key, bad in (
        ("channels", r"in_channels \(DATA\.INPUT_CHANNEL_NUM\)", (3, value)),
        ("frames", r"num_frames \(DATA\.NUM_FRAMES\)", (value, 8)),
        ("size", r"crop_size \(DATA\.TRAIN_CROP_SIZE\)", value),
    ):
        said = f"{key} is {value!r}, expected a whole number from 1"
        with pytest.raises(ValueError, match=said):
            InputSpec(**good | {name: bad})
    with pytest.raises(ValueError, match=f"the number of clips is {value!r}, expected"):
        spec.example(value)
    if value is not None:
        with pytest.raises(ValueError, match=f"the size of clips in pixels is {value!r}, expected"):
            spec.example(size=value)
