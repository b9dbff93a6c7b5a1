"""Mirrors slowfast/data/transforms/erasing.py."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from slowfast.data.transforms.augment_stage import ClipKey
from slowfast.data.transforms.erasing import RandomErasing, normal_noise
from slowfast.randomness import generator_for

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
KEYS = [ClipKey(0, 3, video, 0) for video in range(200)]


def erase(key: ClipKey, **changes: Any) -> Tensor:
    """Where a clip of -1 was erased: (T, 3, 30, 40) with the filling there."""
    options: dict[str, Any] = {"probability": 1.0, "mode": "pixel", "mean": MEAN, "std": STD}
    return RandomErasing(**(options | changes))(torch.full((4, 3, 30, 40), -1.0), key)


def test_the_region_is_the_same_in_all_frames() -> None:
    for mode in ("pixel", "rand", "const"):
        for key in KEYS[:30]:
            erased = erase(key, mode=mode) != -1
            assert torch.equal(erased, erased[:1, :1].expand_as(erased))
            rows, columns = erased[0, 0].nonzero().unbind(1)
            height, width = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
            assert int(erased[0, 0].sum()) == height * width
            assert 0.015 < height * width / 1200 < 0.36
            assert 0.25 < height / width < 4


def test_fillings() -> None:
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    for key in KEYS[:10]:
        const, rand, pixel = (erase(key, mode=mode) for mode in ("const", "rand", "pixel"))
        where = const != -1
        assert torch.equal(const[where], mean.expand_as(const)[where])
        assert torch.equal(rand[0], rand[3])
        assert len(rand[where].unique()) == 3
        assert not torch.equal(pixel[0], pixel[1])
    noise = torch.cat([((erase(key) - mean) / std)[erase(key) != -1] for key in KEYS[:30]])
    assert float(noise.mean()) == pytest.approx(0, abs=0.03)
    assert float(noise.std()) == pytest.approx(1, abs=0.03)


def test_probabilities() -> None:
    assert all(bool((erase(key, probability=0.0) == -1).all()) for key in KEYS[:20])
    assert not any(bool((erase(key) == -1).all()) for key in KEYS[:20])
    share = sum(bool((erase(key, probability=0.25) != -1).any()) for key in KEYS)
    assert share / len(KEYS) == pytest.approx(0.25, abs=0.08)


def test_several_boxes_share_the_area() -> None:
    erasing = RandomErasing(1.0, "const", MEAN, STD, most=4)
    drawn = [erasing.boxes(100, 100, generator_for(i)) for i in range(400)]
    assert {len(boxes) for boxes in drawn} == {1, 2, 3, 4}
    for boxes in drawn:
        assert all(h * w / 1e4 < 0.35 / len(boxes) for _, _, h, w in boxes)
        assert all(0 <= t <= 100 - h and 0 <= x <= 100 - w for t, x, h, w in boxes)
    aspects = torch.tensor([math.log(h / w) for boxes in drawn for _, _, h, w in boxes])
    assert abs(float(aspects.mean())) < 0.1


def test_the_first_of_repeated_samples_is_spared() -> None:
    for view in range(6):
        found = erase(ClipKey(0, 0, 0, view), spared=3)
        assert bool((found == -1).all()) == (view % 3 == 0)
    assert bool((erase(ClipKey(0, 0, 0, 0), spared=1) != -1).any()), "one sample is not spared"


def test_a_picture_too_small_for_a_box_is_left() -> None:
    clip = torch.full((2, 3, 1, 1), 0.5)
    found = RandomErasing(1.0, "const", MEAN, STD)(clip.clone(), KEYS[0])
    assert torch.equal(found, clip)


def test_noise_is_normal_and_depends_on_the_seed_alone() -> None:
    noise = normal_noise((100_000,), 2**62 + 12345, device="cpu")
    assert torch.equal(noise, normal_noise((100, 1000), 2**62 + 12345, device="cpu").flatten())
    assert torch.isfinite(noise).all()
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    assert float((noise**4).mean()) == pytest.approx(3, abs=0.15)
    for shift in (1, 2, 3, 1000):  # neighbours in a row, colours, rows
        pair = torch.stack([noise[:-shift], noise[shift:]])
        assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.02
    for other in (0, 1, 2**32, 2**62 + 12346):
        pair = torch.stack([noise, normal_noise((100_000,), other, device="cpu")])
        assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.02
