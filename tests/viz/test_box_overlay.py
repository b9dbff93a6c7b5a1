"""Mirrors slowfast/viz/box_overlay.py."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from slowfast.engine.keyframe_boxes import LabelledBox
from slowfast.viz.box_overlay import (
    ANNOTATED,
    BRIGHT,
    FOUND,
    Label,
    add_caption,
    draw_boxes,
    place_labels,
)

SIZE = (320, 240)
GREY = Image.new("RGB", SIZE, (128, 128, 128))


def box(corners: tuple[float, float, float, float], *labels: str) -> LabelledBox:
    return LabelledBox(corners, labels, (0.9,) * len(labels))


def rows_of(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """Rows of the picture that show labels of that colour over grey."""
    tint = np.round(128 + (np.array(colour) - 128) * 215 / 255)
    near = np.abs(np.asarray(picture).astype(float) - tint).max(2) < 4
    return np.flatnonzero(near.any(1))


def test_found_labels_are_on_top_and_annotated_ones_below() -> None:
    there = (0.3, 0.4, 0.7, 0.7)  # rows 96 to 167
    shown = draw_boxes(GREY, [box(there, "walk")], [box(there, "run")])
    assert rows_of(shown, FOUND).max() < 97
    assert rows_of(shown, ANNOTATED).min() > 165
    pixels = np.asarray(shown)
    assert tuple(pixels[130, round(0.3 * 319)]) == BRIGHT[ANNOTATED]
    assert tuple(pixels[130, round(0.3 * 319) + 2]) == BRIGHT[FOUND]  # beside it
    assert np.asarray(GREY)[0, 0, 0] == 128  # the given picture is as it was
    faint = np.asarray(draw_boxes(GREY, [], [box(there)], outline=0.3))[130, round(0.3 * 319)]
    assert 128 < faint[0] < BRIGHT[ANNOTATED][0]


@pytest.mark.parametrize(
    "corners",
    [(-0.1, -0.1, 0.2, 1.2), (0.95, 0.9, 1.1, 1.1), (0, 0, 1, 1), (0.5, 0.99, 0.5, 0.99)],
)
def test_labels_at_the_border_are_inside(corners: tuple[float, float, float, float]) -> None:
    for above in (True, False):
        x1, y1, x2, y2 = (v * s for v, s in zip(corners, (*SIZE, *SIZE), strict=True))
        ((x, y),) = place_labels([Label(("a", "b"), (x1, y1, x2, y2), above, 90, 14)], SIZE)
        assert 0 <= x <= SIZE[0] - 90
        assert 0 <= y <= SIZE[1] - 28


def test_labels_of_boxes_that_overlap_stay_apart() -> None:
    corners = [(100.0 + 4 * i, 100.0 + 3 * i, 200.0, 160.0) for i in range(3)]
    labels = [Label(("a",), each, above, 70, 14) for each in corners for above in (True, False)]
    places = place_labels(labels, SIZE)
    for (ax, ay), (bx, by) in combinations(places, 2):
        assert abs(ax - bx) >= 70 or abs(ay - by) >= 14


def test_a_long_list_says_how_many_more_there_are() -> None:
    few = draw_boxes(GREY, [box((0.1, 0.9, 0.5, 1), *"abcdef")], [])
    many = draw_boxes(GREY, [box((0.1, 0.9, 0.5, 1), *"abcdefghijk")], [])
    assert len(rows_of(few, FOUND)) == len(rows_of(many, FOUND))  # five and "+ 6 more"
    assert few.tobytes() != many.tobytes()
    long = draw_boxes(GREY, [box((0.1, 0.5, 0.5, 1), "a very long name of an action " * 5)], [])
    columns = np.flatnonzero((np.asarray(long)[80:116] != 128).any((0, 2)))
    assert np.ptp(columns) < 0.55 * SIZE[0]


def test_the_caption_is_below_the_picture() -> None:
    shown = add_caption(GREY, "name " * 100, 0.5)
    assert shown.width == 320
    assert shown.height > 240
    assert shown.height % 2 == 0
    pixels = np.asarray(shown)
    assert (pixels[:240] == 128).all()
    strip = pixels[240:].reshape(-1, 3).tolist()
    assert list(FOUND) in strip
    assert list(ANNOTATED) in strip
