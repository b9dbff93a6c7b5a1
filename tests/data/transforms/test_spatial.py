"""Mirrors slowfast/data/transforms/spatial.py; the numbers are those of published results."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from slowfast.data.transforms.spatial import (
    CropPlan,
    RandomAreaCrop,
    RandomShortSideCrop,
    clip_boxes,
    crop_boxes,
    hflip_boxes,
    resize,
    scale_short_side,
    short_side_size,
    uniform_crop,
    uniform_offset,
)
from slowfast.randomness import generator_for


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    path = Path(__file__).parents[2] / "parity" / "sampling.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def boxes(*values: float) -> Tensor:
    return torch.tensor([values])


def test_three_crops(contract: dict[str, Any]) -> None:
    for height, width, size, position, top, left, shape, box in contract["uniform_crop"]["rows"]:
        assert uniform_offset(height, width, size, position) == (top, left)
        frames, moved = uniform_crop(
            torch.empty(1, height, width, 1), size, position, boxes(10, 20, 150, 200)
        )
        assert list(frames.shape[1:3]) == shape
        assert moved is not None
        assert moved[0].tolist() == box


def test_short_side_scale(contract: dict[str, Any]) -> None:
    for height, width, short, shape, box, *_ in contract["short_side_scale"]["rows"]:
        assert list(short_side_size(height, width, short)) == shape
        frames, moved = scale_short_side(
            torch.zeros(1, height, width, 3, dtype=torch.uint8), short, boxes(10, 20, 100, 110)
        )
        assert list(frames.shape[1:3]) == shape
        assert moved is not None
        assert moved[0].tolist() == pytest.approx(box, rel=1e-6)


def test_crop_after_scale(contract: dict[str, Any]) -> None:
    for height, width, size, position, scale, shape, first, total in contract[
        "uniform_crop_scale_size"
    ]["rows"]:
        image = torch.arange(height * width, dtype=torch.float32).view(1, height, width, 1)
        frames, _ = uniform_crop(image, size, position, scale_size=scale)
        assert list(frames.permute(0, 3, 1, 2).shape) == shape
        assert frames.flatten()[:4].tolist() == pytest.approx(first, rel=1e-6)
        assert frames.double().sum().item() == pytest.approx(total, rel=1e-6)


def test_normalised_test_crops(contract: dict[str, Any]) -> None:
    """Normalise, scale, crop, in floats and in that order."""
    raw = (torch.arange(2 * 60 * 80 * 3) * 37 % 251).view(2, 60, 80, 3).float()
    rows = contract["normalize_and_spatial_test"]["rows"]
    for position, shape, total, norm, first, inner in rows:
        frames, _ = uniform_crop((raw / 255 - 0.45) / 0.225, 48, position, scale_size=48)
        clip = frames.permute(3, 0, 1, 2)
        assert list(clip.shape) == shape
        assert clip.double().sum().item() == pytest.approx(total, rel=1e-5)
        assert clip.double().norm().item() == pytest.approx(norm, rel=1e-6)
        assert clip[:, 0, 0, 0].tolist() == pytest.approx(first, abs=1e-5)
        assert clip[:, 1, 20, 30].tolist() == pytest.approx(inner, abs=1e-5)


def test_boxes(contract: dict[str, Any]) -> None:
    case = contract["clip_boxes"]
    assert clip_boxes(torch.tensor(case["in"]), *case["hw"]).tolist() == case["out"]
    case = contract["hflip_boxes"]
    flipped = hflip_boxes(torch.tensor([case["in"]]), case["W"])
    assert flipped.tolist() == [case["out"]]
    assert crop_boxes(None, 1, 2) is None


def test_uint8_is_scaled_as_floats_are_and_rounded() -> None:
    frames = torch.randint(0, 256, (2, 61, 83, 3), generator=generator_for(0)).to(torch.uint8)
    for size in ((47, 64), (100, 136)):
        exact = resize(frames.float(), size)
        assert (resize(frames, size).float() - exact).abs().max() <= 1
    assert resize(frames, (61, 83)) is frames


def draw_plans(crop: Any, height: int, width: int, count: int = 500) -> list[CropPlan]:
    return [crop(height, width, generator_for("plan", i)) for i in range(count)]


def test_random_short_side_covers_its_range_and_never_the_last_offset() -> None:
    plans = draw_plans(RandomShortSideCrop(20, 24, 16), 40, 60)
    assert {plan.scaled[0] for plan in plans} == {20, 21, 22, 23, 24}
    assert all(plan.scaled[1] == math.floor(1.5 * plan.scaled[0]) for plan in plans)
    for short in (20, 24):
        tops = {plan.top for plan in plans if plan.scaled[0] == short}
        assert tops == set(range(short - 16))  # and not short - 16
    assert 0.4 < sum(plan.flip for plan in plans) / len(plans) < 0.6
    assert not any(plan.flip for plan in draw_plans(RandomShortSideCrop(20, 24, 16, False), 40, 60))


def test_inverse_draws_prefer_small_sides() -> None:
    """With 1 / side uniform on [1/400, 1/100], half of the sides are below 160."""
    plans = draw_plans(RandomShortSideCrop(100, 400, 100, inverse=True), 500, 500)
    small = sum(plan.scaled[0] < 160 for plan in plans) / len(plans)
    assert 0.43 < small < 0.57
    plans = draw_plans(RandomShortSideCrop(100, 400, 100), 500, 500)
    assert sum(plan.scaled[0] < 160 for plan in plans) / len(plans) < 0.27


def test_frames_smaller_than_the_crop_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"20x30 pixels is smaller than the 32-pixel crop"):
        RandomShortSideCrop(20, 20, 32)(40, 60, generator_for(0))
    with pytest.raises(ValueError, match="smaller than the 32-pixel crop"):
        uniform_offset(20, 40, 32, 1)


def test_random_area_stays_in_its_ranges() -> None:
    plans = draw_plans(RandomAreaCrop((0.2, 0.8), (0.5, 2.0), 32), 120, 160)
    aspects = []
    for plan in plans:
        top, left, height, width = plan.region
        assert top >= 0
        assert left >= 0
        assert top + height <= 120
        assert left + width <= 160
        assert 0.19 < height * width / (120 * 160) < 0.81
        aspects.append(width / height)
        assert plan.scaled == (32, 32)
    assert min(aspects) < 0.6
    assert max(aspects) > 1.8
    # On a log scale as many crops are tall as wide, but for those that don't fit.
    assert 0.35 < sum(aspect < 1 for aspect in aspects) / len(aspects) < 0.6
    assert any(plan.region[0] + plan.region[2] == 120 for plan in plans)  # the last offset is drawn


def test_an_impossible_area_falls_back_to_the_center() -> None:
    wide = RandomAreaCrop((2.0, 2.0), (3 / 4, 4 / 3), 8)(30, 90, generator_for(0))
    assert wide.region == (0, 25, 30, 40)  # 4:3 of the full height
    tall = RandomAreaCrop((2.0, 2.0), (3 / 4, 4 / 3), 8)(90, 30, generator_for(0))
    assert tall.region == (25, 0, 40, 30)


def test_a_plan_cuts_scales_cuts_and_mirrors() -> None:
    frames = torch.arange(2 * 8 * 12 * 3).view(2, 8, 12, 3).to(torch.uint8)
    plan = CropPlan((0, 0, 8, 12), (8, 12), 2, 5, 4)
    assert torch.equal(plan(frames), frames[:, 2:6, 5:9])
    mirrored = CropPlan((0, 0, 8, 12), (8, 12), 2, 5, 4, flip=True)
    assert torch.equal(mirrored(frames), frames[:, 2:6, 5:9].flip(2))
    region = CropPlan((2, 4, 6, 6), (3, 3), 0, 0, 3)
    assert torch.equal(region(frames), resize(frames[:, 2:8, 4:10], (3, 3)))
