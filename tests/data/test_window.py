"""Mirrors slowfast/data/window.py."""

from __future__ import annotations

import pytest
import torch

from slowfast.data.transforms.spatial import CropPlan, RandomAreaCrop, RandomShortSideCrop
from slowfast.data.window import Axis, Window


@pytest.mark.parametrize(
    "rule", [RandomShortSideCrop(30, 50, 24), RandomAreaCrop((0.1, 1), (0.7, 1.4), 24)]
)
def test_a_window_cuts_what_its_plan_cuts(rule) -> None:
    frames = torch.randint(0, 256, (2, 36, 48, 3), dtype=torch.uint8)
    for seed in range(5):
        plan = rule(36, 48, torch.Generator().manual_seed(seed))
        assert torch.equal(Window.of(plan).cut(frames), plan(frames))


def test_axes_say_which_source_pixels_are_shown() -> None:
    """A frame of 100 x 200 at half its size, of which rows 10 to 29 and columns 40 to 59 stay."""
    window = Window.of(CropPlan((0, 0, 100, 200), (50, 100), 10, 40, 20))
    assert window.rows == Axis(20, 2, 20)
    assert window.columns == Axis(80, 2, 20)
    # Read backwards, columns 80 to 119 are 80 to 119 from the other end.
    assert window.columns.mirrored(200) == Axis(80, 2, 20)
    assert window.rows.mirrored(100) == Axis(40, 2, 20)
