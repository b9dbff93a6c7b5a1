"""Mirrors slowfast/data/transforms/colour.py; effects computed here by their definitions."""

from __future__ import annotations

import colorsys
import math

import pytest
import torch
from torch import Tensor

from slowfast.data.transforms.augment_stage import ClipKey
from slowfast.data.transforms.colour import (
    ColourJitter,
    Lighting,
    RandomBlur,
    RandomGray,
    TimeDifference,
    blur_in_time,
)

LUMA = torch.tensor([0.2989, 0.587, 0.114])  # torchvision's roundings
KEYS = [ClipKey(0, epoch, 7, 1) for epoch in range(200)]


def clip(frames: int = 4, height: int = 6, width: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(frames, 3, height, width, generator=generator) * 0.6 + 0.2


def luma(found: Tensor) -> Tensor:
    return (found * LUMA[:, None, None]).sum(1, keepdim=True)


def only(**strength: float) -> ColourJitter:
    return ColourJitter(**({"brightness": 0.0, "contrast": 0.0, "saturation": 0.0} | strength))


def test_brightness_multiplies() -> None:
    ratio = only(brightness=0.2)(clip(), KEYS[0]) / clip()
    factor = ratio.flatten()[0]
    torch.testing.assert_close(ratio, factor.expand_as(ratio))
    assert 0.8 <= factor <= 1.2
    assert factor != 1


def test_contrast_moves_each_frame_towards_its_mean() -> None:
    found, plain = only(contrast=0.2)(clip(), KEYS[0]), clip()
    mean = luma(plain).mean((1, 2, 3), keepdim=True)
    factors = (found - mean) / (plain - mean)
    torch.testing.assert_close(
        factors, factors.flatten()[0].expand_as(factors), rtol=1e-3, atol=1e-3
    )


def test_saturation_moves_each_pixel_towards_its_gray() -> None:
    found, plain = only(saturation=0.2)(clip(), KEYS[0]), clip()
    torch.testing.assert_close(luma(found), luma(plain), rtol=1e-3, atol=1e-3)
    factor = (found - luma(plain)).norm() / (plain - luma(plain)).norm()
    assert 0.8 <= factor <= 1.2


def test_hue_turns_the_colour_circle() -> None:
    plain = clip(1, 2, 2)
    found = only(hue=0.3)(plain, KEYS[0])

    def hsv(picture: Tensor) -> Tensor:
        pixels = picture[0].flatten(1).T.tolist()
        return torch.tensor([colorsys.rgb_to_hsv(*pixel) for pixel in pixels])

    turned = (hsv(found)[:, 0] - hsv(plain)[:, 0] + 0.5) % 1 - 0.5
    torch.testing.assert_close(turned, turned[0].expand(4), rtol=0, atol=1e-3)
    assert 0 < abs(turned[0]) <= 0.3
    torch.testing.assert_close(hsv(found)[:, 1:], hsv(plain)[:, 1:], rtol=0, atol=1e-3)


def test_factors_cover_their_range_and_never_fall_below_0() -> None:
    jitter = only(brightness=1.5)
    white = torch.full((1, 3, 1, 1), 0.4)
    factors = torch.tensor([float(jitter(white, key).mean()) / 0.4 for key in KEYS])
    assert 0 <= factors.min() < 0.2
    assert factors.max() > 2.2


def test_jitter_changes_all_frames_alike_and_in_changing_order() -> None:
    one = clip(1)
    jitter = ColourJitter(0.6, 0.6, 0.6, 0.1)
    found = [jitter(one.expand(3, -1, -1, -1), key) for key in KEYS[:20]]
    assert all(torch.equal(each[0], each[2]) for each in found)
    assert len({float(each.sum()) for each in found}) == 20
    share = sum(
        not torch.equal(ColourJitter(0.6, 0.6, 0.6, probability=0.8)(one, key), one) for key in KEYS
    )
    assert share / len(KEYS) == pytest.approx(0.8, abs=0.08)


def test_probabilities_0_and_1() -> None:
    gray, blur = RandomGray(1.0), RandomBlur((0.0, 1.0), (0.0, 1.0), 1.0)
    change = TimeDifference(1.0, (0.4, 0.5, 0.6))
    never = (RandomGray(0.0), RandomBlur((0.0, 1.0), (0.0, 1.0), 0.0), TimeDifference(0.0, (0,)))
    for key in KEYS[:20]:
        torch.testing.assert_close(gray(clip(), key), luma(clip()).expand(-1, 3, -1, -1))
        assert not torch.equal(blur(clip(), key), clip())
        assert not torch.equal(change(clip(), key), clip())
        assert all(torch.equal(augment(clip(), key), clip()) for augment in never)


def test_one_augmentation_does_not_move_the_numbers_of_another() -> None:
    gray = [float(RandomGray(0.5)(clip(), key).sum()) for key in KEYS[:20]]
    before = [RandomBlur((0.0, 1.0), (0.0, 1.0), 0.0)(clip(), key) for key in KEYS[:20]]
    again = [float(RandomGray(0.5)(c, key).sum()) for c, key in zip(before, KEYS, strict=False)]
    assert gray == again


def test_blur_in_space_is_the_gaussian() -> None:
    """A point becomes the product of two Gaussians; the sum of brightness stays."""
    point = torch.zeros(2, 3, 21, 21)
    point[:, :, 10, 10] = 1
    found = RandomBlur((0.0, 1.5), (0.0, 1.5), 1.0)(point, KEYS[0])[0, 0]
    torch.testing.assert_close(found.sum(), torch.tensor(1.0))
    assert float(found[10, 12] / found[10, 10]) == pytest.approx(math.exp(-2 / 1.5**2), rel=1e-3)
    assert torch.equal(found[10, 7], found[13, 10])


def test_blur_reaches_no_further_than_a_small_picture() -> None:
    assert RandomBlur((0.0, 9.0), (0.0, 9.0), 1.0)(clip(2, 4, 5), KEYS[0]).shape == (2, 3, 4, 5)


def test_blur_in_time() -> None:
    point = torch.zeros(9, 3, 1, 1)
    point[4] = 1
    found = blur_in_time(point, 1.0)[:, 0, 0, 0]
    assert float(found[5] / found[4]) == pytest.approx(math.exp(-0.5), rel=1e-2)
    constant = torch.full((5, 3, 2, 2), 0.3)
    torch.testing.assert_close(blur_in_time(constant, 2.0), constant)
    both = RandomBlur((1.0, 0.0), (1.0, 0.0), 1.0)(point, KEYS[0])
    torch.testing.assert_close(both, blur_in_time(point, 1.0))


def test_lighting_shifts_along_the_axes() -> None:
    values, vectors = [0.5, 0.0, 0.0], [[0.6, 0.1, 0.2], [0.8, 0.3, 0.4], [0.0, 0.5, 0.6]]
    lighting = Lighting(values, vectors, deviation=0.1)
    shifts = torch.stack([(lighting(clip(), key) - clip()).mean((0, 2, 3)) for key in KEYS])
    first = torch.tensor([0.6, 0.8, 0.0])
    along = shifts @ first
    torch.testing.assert_close(shifts, along[:, None] * first, rtol=0, atol=1e-5)
    assert float(along.std()) == pytest.approx(0.05, rel=0.2)
    found = lighting(clip(), KEYS[0]) - clip()
    torch.testing.assert_close(found, found[:1, :, :1, :1].expand_as(found), rtol=0, atol=1e-5)


def test_time_difference() -> None:
    mean = (0.4, 0.5, 0.6)
    found = TimeDifference(1.0, mean)(clip(), KEYS[0]) - torch.tensor(mean)[:, None, None]
    assert not found[0].abs().max() > 1e-6
    torch.testing.assert_close(found[1:], clip()[1:] - clip()[:-1])
