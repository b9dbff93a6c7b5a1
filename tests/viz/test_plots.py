"""Mirrors slowfast/viz/plots.py."""

from __future__ import annotations

import base64
import io
import math
import re

import numpy as np
import pytest
from PIL import Image

from slowfast.viz.plots import Series, heat_map, line_chart, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0, 2.6, [0, 1, 2, 3]),
        (1, 14, [0, 5, 10, 15]),
        (0, 0.002, [0, 0.0005, 0.001, 0.0015, 0.002]),
        (3, 3, [3, 4, 5, 6]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low: float, high: float, expected: list) -> None:
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    steps = np.diff(found)
    assert np.allclose(steps, steps[0])
    assert f"{steps[0]:e}"[0] in "125"
    if (low, high) != (3, 3):
        assert found == pytest.approx(expected)


def test_a_line_rises_when_the_values_do() -> None:
    svg = line_chart("Loss", [Series("train", "c1", [(1, 0.0), (2, 5.0)])], x_label="epoch")
    (points,) = re.findall(r'points="([^"]+)"', svg)
    (x1, y1), (x2, y2) = (map(float, p.split(",")) for p in points.split())
    assert x2 > x1
    assert y2 < y1  # SVG counts from the top
    assert "Loss: train from 0 to 5" in svg


def test_values_that_are_no_numbers_are_left_out() -> None:
    points = [(1, 1.0), (2, math.nan), (3, 2.0)]
    svg = line_chart("Loss", [Series("train", "c1", points)], x_label="epoch")
    assert "nan" not in svg
    assert line_chart("Loss", [Series("train", "c1", [])], x_label="epoch") == ""


def test_close_labels_are_moved_apart() -> None:
    lines = [Series(name, "c1", [(0, 0.0), (1, y)]) for name, y in (("a", 1.0), ("b", 1.001))]
    svg = line_chart("Error", lines, x_label="epoch")
    heights = [float(y) for y in re.findall(r'class="name c1" x="[^"]+" y="([^"]+)"', svg)]
    assert abs(heights[0] - heights[1]) >= 14


def test_cells_say_what_was_taken_for_what() -> None:
    svg = heat_map(np.array([[0.75, 0.25], [math.nan, math.nan]]), ["a <b>", "c"])
    assert "a &lt;b&gt; taken for c: 25.0%" in svg
    assert "nan" not in svg
    assert svg.count('class="hit"') == 1


def test_many_classes_become_a_picture_of_one_pixel_a_pair() -> None:
    html = heat_map(np.eye(400), [str(i) for i in range(400)])
    data = base64.b64decode(html.split("base64,")[1].split('"')[0])
    image = np.asarray(Image.open(io.BytesIO(data)))
    assert image.shape == (400, 400, 4)
    assert (image[..., 3] > 0).sum() == 400
    assert 'alt="Confusion matrix of 400 classes' in html
