"""Mirrors slowfast/data/frame_sampling.py; the numbers are those of published results."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.frame_sampling import (
    FrameOfSegments,
    MiddleOfSegments,
    RandomStrides,
    UniformStrides,
    keyframe_frames,
    segments,
)
from slowfast.data.view import View
from slowfast.randomness import generator_for


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    path = Path(__file__).parents[1] / "parity" / "sampling_frames.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def test_published_frames(contract: dict[str, Any]) -> None:
    rows = contract["ssv2_test_frames"]["rows"]
    assert len(rows) > 30
    for length, count, expected in rows:
        assert MiddleOfSegments(count)(View(), length, 12.0).tolist() == expected
    rows = contract["charades_test_frames"]["rows"]
    assert len(rows) > 70
    for length, count, stride, views, crops, number, first, last, expected in rows:
        view = View(number // crops, views, number % crops, crops)
        found = UniformStrides(count, stride)(view, length, 24.0).tolist()
        assert found == expected
        assert (found[0], found[-1]) == (first, last)
    rows = contract["ava_get_sequence"]["rows"]
    assert rows
    for center, count, stride, length, expected in rows:
        assert keyframe_frames(center, count, stride, length).tolist() == expected


def test_training_takes_one_frame_of_each_segment() -> None:
    parts = segments(45, 8)
    sampler = FrameOfSegments(8)
    drawn = torch.stack([sampler(45, 12.0, generator_for(i)) for i in range(400)])
    for t, (first, last) in enumerate(parts):
        assert sorted(drawn[:, t].unique().tolist()) == list(range(first, last + 1))
    middle = FrameOfSegments(8, random=False)(45, 12.0, generator_for(0))
    assert middle.tolist() == MiddleOfSegments(8)(View(), 45, 12.0).tolist()
    assert sampler(3, 12.0, generator_for(0)).max() <= 2


def test_training_starts_anywhere() -> None:
    """Of 20 frames, a clip of 4 with stride 4 (13 long) starts at 0 to 7."""
    sampler = RandomStrides(4, 4)
    drawn = torch.stack([sampler(20, 24.0, generator_for(i)) for i in range(200)])
    assert drawn[:, 0].unique().tolist() == list(range(8))
    assert (drawn.diff(dim=1) == 4).all()
    short = torch.stack([sampler(10, 24.0, generator_for(i)) for i in range(100)])
    assert {tuple(row) for row in short.tolist()} == {
        (0, 1, 5, 9), (0, 2, 6, 9), (0, 3, 7, 9), (0, 4, 8, 9)
    }  # fmt: skip


def test_a_single_view_is_central() -> None:
    assert UniformStrides(4, 4)(View(), 21, 24.0).tolist() == [4, 8, 12, 16]


def test_clips_of_one_and_of_odd_numbers_of_frames() -> None:
    assert keyframe_frames(7, 1, 1, 100).tolist() == [7]
    assert keyframe_frames(50, 5, 3, 100).tolist() == [43, 46, 49, 52, 55]
