"""Mirrors slowfast/data/transforms/box_plan.py: boxes move with the pixels."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.transforms.box_plan import CentralCrop, WholeFrame, boxes_in_crop
from slowfast.data.transforms.spatial import (
    CropPlan,
    RandomAreaCrop,
    RandomShortSideCrop,
    short_side_size,
)
from slowfast.randomness import generator_for

PARITY = Path(__file__).parents[2] / "parity" / "sampling.json.gz"


def shares(boxes: list[list[float]], height: int, width: int) -> torch.Tensor:
    return torch.tensor(boxes) / torch.tensor([width, height, width, height])


def test_scaling_as_published() -> None:
    contract: dict[str, Any] = json.loads(gzip.decompress(PARITY.read_bytes()))
    rows = contract["short_side_scale"]["rows"]
    assert len(rows) > 30
    for height, width, target, size, box, *_ in rows:
        plan = WholeFrame(target)(height, width, generator_for(0))
        assert list(plan.scaled) == size
        found = boxes_in_crop(shares([[10, 20, 100, 110]], height, width), plan, height, width)
        expected = torch.tensor([box]).clamp(max=torch.tensor([size[1], size[0]] * 2) - 1.0)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    "rule", [RandomShortSideCrop(52, 70, 48), RandomAreaCrop((0.3, 1), (0.6, 1.6), 48)]
)
def test_a_box_stays_around_what_it_shows(rule: Any, flip: bool) -> None:
    """A bright rectangle is where its box says, whatever is drawn."""
    seen = 0
    for draw in range(60):
        frame = torch.zeros(64, 96, 3)
        frame[20:44, 30:66] = 255
        plan = rule(64, 96, generator_for(draw))
        plan = CropPlan(**{**vars(plan), "flip": flip})
        cut = plan(frame[None])[0, :, :, 0]
        box = boxes_in_crop(shares([[30, 20, 66, 44]], 64, 96), plan, 64, 96)[0]
        assert box.min() >= 0
        assert box.max() <= 47
        bright = (cut > 127).nonzero()
        if len(bright) < 50:
            continue
        seen += 1
        top, left = bright.min(0).values.tolist()
        bottom, right = bright.max(0).values.tolist()
        found = torch.tensor([left, top, right, bottom], dtype=torch.float32)
        assert (found - box).abs().max() < 3.1, (plan, box)
    assert seen > 40


def test_boxes_outside_of_the_crop_have_no_area() -> None:
    plan = CentralCrop(64, 32)(64, 96, generator_for(0))
    found = boxes_in_crop(shares([[0, 0, 10, 10], [40, 30, 50, 200]], 64, 96), plan, 64, 96)
    assert found.tolist() == [[0, 0, 0, 0], [8, 14, 18, 31]]
    assert boxes_in_crop(torch.empty(0, 4), plan, 64, 96).shape == (0, 4)


def test_crops_that_are_not_drawn() -> None:
    central = CentralCrop(40, 32)(64, 96, generator_for(0))
    assert (central.scaled, central.top, central.left, central.size) == ((40, 60), 4, 14, 32)
    whole = WholeFrame(40)(96, 64, generator_for(0))
    assert whole.scaled == short_side_size(96, 64, 40) == (60, 40)
    assert whole(torch.zeros(1, 96, 64, 3)).shape == (1, 60, 40, 3)
