"""Mirrors slowfast/data/transforms/moving_crop.py."""

from __future__ import annotations

import torch

from slowfast.data.transforms.moving_crop import MovingAreaCrop, MovingCropPlan
from slowfast.data.transforms.spatial import CropPlan, RandomAreaCrop
from slowfast.randomness import generator_for

CROP = RandomAreaCrop((0.2, 0.7), (0.75, 1.3333), 24)


def test_the_region_goes_evenly_from_the_first_to_the_last() -> None:
    first = CropPlan((0, 10, 20, 20), (8, 8), 0, 0, 8)
    last = CropPlan((8, 2, 12, 24), (8, 8), 0, 0, 8)
    regions = [plan.region for plan in MovingCropPlan(first, last).plans(5)]
    assert regions == [(0, 10, 20, 20), (2, 8, 18, 21), (4, 6, 16, 22), (6, 4, 14, 23), last.region]
    assert [p.region for p in MovingCropPlan(first, last).plans(1)] == [first.region]


def test_each_frame_is_cropped_by_its_own_plan() -> None:
    frames = torch.randint(0, 256, (6, 40, 50, 3)).to(torch.uint8)
    plan = MovingAreaCrop(CROP)(40, 50, generator_for(0))
    clip = plan(frames)
    assert clip.shape == (6, 24, 24, 3)
    for t, one in enumerate(plan.plans(6)):
        assert torch.equal(clip[t], one(frames[t : t + 1])[0])


def test_regions_lie_within_the_frame_and_move() -> None:
    moved = 0
    for i in range(100):
        plan = MovingAreaCrop(CROP)(40, 50, generator_for(i))
        for one in plan.plans(7):
            top, left, height, width = one.region
            assert 0 <= top < top + height <= 40
            assert 0 <= left < left + width <= 50
            assert one.flip == plan.first.flip
        moved += plan.first.region != plan.last.region
    assert moved == 100


def test_the_first_region_is_that_of_the_plain_crop() -> None:
    plain = CROP(40, 50, generator_for(3))
    assert MovingAreaCrop(CROP)(40, 50, generator_for(3)).first == plain
