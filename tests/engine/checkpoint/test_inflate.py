"""Mirrors slowfast/engine/checkpoint/inflate.py."""

from __future__ import annotations

import pytest
import torch

from slowfast.engine.checkpoint.inflate import inflate


@pytest.mark.parametrize("flat", [(4, 3, 7, 7), (4, 3, 1, 7, 7)])
def test_a_still_clip_gives_what_the_image_gives(flat: tuple[int, ...]) -> None:
    kernel = torch.randn(flat)
    image = torch.randn(2, 3, 9, 9)
    inflated = inflate(kernel, (4, 3, 5, 7, 7), how="divide")
    clip = image[:, :, None].expand(-1, -1, 5, -1, -1)
    expected = torch.nn.functional.conv2d(image, kernel.reshape(4, 3, 7, 7))
    result = torch.nn.functional.conv3d(clip, inflated)[:, :, 0]
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-4)


def test_repeating_does_not_divide() -> None:
    kernel = torch.randn(2, 1, 3, 3)
    repeated = inflate(kernel, (2, 1, 3, 3, 3), how="repeat")
    assert all(torch.equal(repeated[:, :, t], kernel) for t in range(3))
    repeated[0, 0, 0] = 0  # memory of its own
    assert repeated[0, 0, 1].any()


@pytest.mark.parametrize(
    ("kernel", "shape"),
    [
        ((4, 3, 7, 7), (4, 8, 5, 7, 7)),  # other channels
        ((4, 3, 7, 7), (4, 3, 5, 3, 3)),  # another size
        ((4, 3, 3, 7, 7), (4, 3, 5, 7, 7)),  # 3D already
        ((4, 3), (4, 3, 1, 1, 1)),  # a linear layer
        ((4,), (4, 3, 1, 1, 1)),
        ((4, 3, 7, 7), (5, 3)),
    ],
)
def test_other_tensors_are_left_alone(kernel: tuple[int, ...], shape: tuple[int, ...]) -> None:
    assert inflate(torch.zeros(kernel), shape, how="divide") is None


def test_nothing_is_inflated_unasked() -> None:
    assert inflate(torch.zeros(4, 3, 7, 7), (4, 3, 5, 7, 7), how="") is None
