"""Mirrors slowfast/data/sampling.py; the numbers are those of published results."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.sampling import (
    AnyOf,
    ClipSpacing,
    RandomClip,
    UniformClips,
    clip_span,
    frames_between,
    slow_frames,
    uniform_start,
)
from slowfast.data.view import View, all_views
from slowfast.randomness import generator_for


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    path = Path(__file__).parents[1] / "parity" / "sampling.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def test_start_of_each_clip(contract: dict[str, Any]) -> None:
    rows = contract["start_end"]["rows"]
    assert len(rows) > 900
    for frames, span, clip, clips, offset, start, end, share in rows:
        slack = max(frames - span, 0)
        found = uniform_start(slack, clip, clips, use_offset=offset)
        assert found == pytest.approx(start, rel=1e-8), (frames, span, clip, clips, offset)
        assert found + span - 1 == pytest.approx(end, rel=1e-8)
        assert (found / slack if slack else 0) == pytest.approx(share, rel=1e-8)
    for frames, (span,), clip, clips, offset, [[start, end, _]] in contract["multiple_start_end"][
        "rows"
    ]:
        found = uniform_start(max(frames - span, 0), clip, clips, use_offset=offset)
        assert (found, found + span - 1) == pytest.approx((start, end))


def test_frames_of_a_clip(contract: dict[str, Any]) -> None:
    for decoded, start, end, count, indices in contract["temporal_sampling"]["rows"]:
        assert frames_between(start, end, count, decoded).tolist() == indices


def test_test_views(contract: dict[str, Any]) -> None:
    for row in contract["kinetics_test_views_full_decode"]["rows"]:
        frames, fps, count, rate, views, view, _, _, indices = row
        sampler = UniformClips(count, rate, target_fps=30)
        assert sampler(View(view, views), frames, fps).tolist() == indices


def test_slow_frames(contract: dict[str, Any]) -> None:
    for frames, alpha, indices in contract["slow_pathway_indices"]["rows"]:
        assert slow_frames(frames, alpha) == indices


def test_a_clip_covers_the_same_time_at_any_frame_rate() -> None:
    assert clip_span(32, 2, fps=30, target_fps=30) == 64
    assert clip_span(32, 2, fps=60, target_fps=30) == 128
    assert clip_span(1, 1, fps=5, target_fps=30) == 1


def test_random_clips_reach_every_part_and_stay_inside() -> None:
    sampler = RandomClip(8, 4)
    starts = []
    for i in range(400):
        index = sampler(100, 30.0, generator_for("test", i))
        assert len(index) == 8
        assert index.diff().min() >= 4
        starts.append(index[0].item())
        assert 0 <= starts[-1] <= index[-1] < 100
    assert min(starts) <= 2
    assert max(starts) >= 66  # of 68
    assert torch.equal(sampler(100, 30.0, generator_for(1)), sampler(100, 30.0, generator_for(1)))


def test_a_short_video_repeats_its_last_frame() -> None:
    assert RandomClip(8, 4)(5, 30.0, generator_for(0)).tolist() == [0, 4, 4, 4, 4, 4, 4, 4]
    assert UniformClips(4, 8)(View(9, 10), 1, 30.0).tolist() == [0, 0, 0, 0]


def test_jitter_of_the_frame_rate_shortens_a_clip() -> None:
    lengths = set()
    for i in range(50):
        index = RandomClip(2, 32, jitter_fps=30.0)(300, 30.0, generator_for(i))
        lengths.add((index[1] - index[0]).item())
    assert min(lengths) < 40
    assert max(lengths) > 55
    assert max(lengths) <= 64


def test_views_are_numbered_clip_by_clip() -> None:
    views = all_views(10, 3)
    assert [view.id for view in views] == list(range(30))
    assert (views[7].clip, views[7].crop) == (2, 1)


def test_clips_keep_their_distance() -> None:
    """Distance is from the last frame of one clip to the first of the next."""
    spacing = ClipSpacing(10, 40)
    orders = set()
    for i in range(50):
        generators = [generator_for(i, c) for c in range(3)]
        clips = spacing(RandomClip(8, 2), 300, 30.0, generators)
        ends = sorted((int(c[0]), int(c[-1])) for c in clips)
        gaps = [b[0] - a[1] for a, b in pairwise(ends)]
        assert all(10 <= gap <= 40 for gap in gaps), gaps
        orders.add(tuple(int(c[0]) < int(clips[0][0]) for c in clips[1:]))
    assert len(orders) > 2  # the first clip of a sample is not always the earliest


def test_without_limits_the_first_draw_is_taken() -> None:
    sampler = RandomClip(8, 2)
    drawn = ClipSpacing()(sampler, 300, 30.0, [generator_for(1), generator_for(2)])
    for clip, seed in zip(drawn, (1, 2), strict=True):
        assert torch.equal(clip, sampler(300, 30.0, generator_for(seed)))


def test_a_video_too_short_for_the_distance_gives_the_nearest() -> None:
    """Clips of 16 frames in 40: at most 40 - 32 + 1 = 9 frames apart."""
    generators = [generator_for(i) for i in range(2)]
    clips = ClipSpacing(low=100)(RandomClip(8, 2), 40, 30.0, generators)
    first, second = sorted((int(c[0]), int(c[-1])) for c in clips)
    assert second[0] - first[1] >= 7


def test_one_of_several_rules_is_drawn_for_each_clip() -> None:
    rule = AnyOf([RandomClip(4, rate) for rate in (1, 2, 3)])
    spans = {
        int(clip[-1] - clip[0])
        for seed in range(40)
        for clip in [rule(100, 30.0, generator_for("any", seed))]
    }
    assert spans == {3, 7, 11}
