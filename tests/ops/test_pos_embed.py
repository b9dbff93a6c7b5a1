"""Mirrors slowfast/ops/pos_embed.py."""

from __future__ import annotations

import math

import pytest
import torch

from slowfast.ops.pos_embed import (
    joint_positions,
    separate_positions,
    sincos,
    sincos_plane,
    sincos_volume,
)


def test_same_grid_gives_the_embedding_itself() -> None:
    embed = torch.randn(1, 1 + 2 * 3 * 3, 4)
    assert joint_positions(embed, (2, 3, 3), (2, 3, 3)) is embed


def test_joint_positions_are_interpolated_but_not_that_of_the_class() -> None:
    """A ramp over the columns stays a ramp: 0, 1 over two columns is 0, .25, .75, 1 over four."""
    embed = torch.tensor([9.0, 0, 1, 0, 1])[None, :, None]
    wide = joint_positions(embed, (1, 2, 2), (1, 2, 4))
    assert wide.flatten().tolist() == [9, 0, 0.25, 0.75, 1, 0, 0.25, 0.75, 1]


def test_separate_positions_are_summed_by_time_then_place() -> None:
    place, time = torch.tensor([1.0, 2.0])[None, :, None], torch.tensor([10.0, 20.0])[None, :, None]
    first = torch.full((1, 1, 1), 5.0)
    both = separate_positions(place, time, first, (2, 1, 2), (2, 1, 2))
    assert both.flatten().tolist() == [5, 11, 12, 21, 22]
    assert separate_positions(place, time, None, (2, 1, 2), (2, 1, 2)).shape == (1, 4, 1)


def test_separate_positions_of_another_grid() -> None:
    place, time = torch.ones(1, 4, 3), torch.tensor([0.0, 1.0])[None, :, None].expand(1, 2, 3)
    both = separate_positions(place, time, None, (2, 2, 2), (4, 3, 3))
    assert both.shape == (1, 36, 3)
    by_time = both.unflatten(1, (4, 9))[0, :, :, 0]
    ramp = torch.tensor([1, 1.25, 1.75, 2])[:, None].expand(4, 9)
    torch.testing.assert_close(by_time, ramp)


def test_sines_and_cosines() -> None:
    rows = sincos(torch.arange(3), 4)
    assert rows[0].tolist() == [0, 0, 1, 1]
    assert rows[2, 0].item() == pytest.approx(math.sin(2))
    assert rows[2, 3].item() == pytest.approx(math.cos(0.02))


def test_fixed_positions_are_all_different() -> None:
    volume = sincos_volume((2, 3, 3), 32)
    assert volume.shape == (18, 32)
    assert torch.pdist(volume).min() > 0.1
    torch.testing.assert_close(volume[4, 8:], volume[9 + 4, 8:])  # the same place
    torch.testing.assert_close(sincos_volume((1, 3, 3), 8), sincos_plane(3, 3, 8))
    with pytest.raises(ValueError, match=r"MVIT\.EMBED_DIM \(6\) must be a multiple of 4"):
        sincos_plane(2, 2, 6)
    with pytest.raises(ValueError, match="must be a multiple of 16"):
        sincos_volume((2, 2, 2), 24)
