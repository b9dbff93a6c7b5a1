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


def test_pathways_that_do_not_belong_together(
    tiny_slowfast: Callable[..., VideoResNet],
) -> None:
    net = tiny_slowfast(num_frames=8, alpha=4, crop_size=64, fast_downscale=2)
    slow, fast = example_input(net)
    with pytest.raises(ValueError, match=r"expected 1 clips of 32x32 .*, got 1 of 64x64"):
        net([slow, torch.rand(1, 3, 8, 64, 64)])
    with pytest.raises(ValueError, match="1 of 64x64 in pathway 0, got 2 of 32x32"):
        net([slow, fast.repeat(2, 1, 1, 1, 1)])


@pytest.mark.parametrize("dtype", ["uint8", "int64", "ndarray"])
def test_clips_are_floating_point(dtype: str, tiny_resnet: Callable[..., VideoResNet]) -> None:
    net = tiny_resnet()
    clip: Any = example_input(net)[0]
    clip = clip.numpy() if dtype == "ndarray" else clip.to(getattr(torch, dtype))
    found = "float32" if dtype == "ndarray" else f"torch.{dtype}"
    with pytest.raises(ValueError, match=rf"floating point numbers, got {found}; .*/ 255"):
        net([clip])


def test_wrapped_networks(tiny_resnet: Callable[..., VideoResNet]) -> None:
    net = tiny_resnet()
    assert example_input(nn.DataParallel(net))[0].shape == (1, 3, 4, 32, 32)
    assert example_input(torch.compile(net, backend="eager"))[0].shape == (1, 3, 4, 32, 32)


def test_other_modules() -> None:
    with pytest.raises(ValueError, match="Linear is not a network of"):
        example_input(nn.Linear(1, 1))


@pytest.mark.parametrize("value", [0, -3, 2.5, True, "8"])
def test_examples_have_a_number_of_clips_and_a_size(value: Any) -> None:
    spec = InputSpec(channels=(3,), frames=(4,), size=32)
    with pytest.raises(ValueError, match=f"batch is {value!r}, but must be a whole number from 1"):
        spec.example(value)
    with pytest.raises(ValueError, match=f"size is {value!r}, but must be a whole number from 1"):
        spec.example(size=value)
