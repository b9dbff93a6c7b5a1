"""Mirrors slowfast/engine/checkpoint/interpolate.py, with made-up embeddings."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from slowfast.engine.checkpoint.interpolate import (
    Grid,
    doubt,
    interpolate,
    is_elsewhere,
    readings,
)


@pytest.mark.parametrize("axis", ["h", "w", "t"])
def test_relative_positions_are_linear(axis: str) -> None:
    value = torch.randn(15, 4)
    resized = interpolate(f"blocks.3.attn.rel_pos_{axis}", value, (7, 4))
    expected = F.interpolate(value.T[None], size=7, mode="linear")[0].T
    assert torch.equal(resized, expected)


def test_a_ramp_stays_a_ramp() -> None:
    """Growing by an odd factor keeps the values of the old places at the new ones' middles."""
    value = torch.arange(4.0).reshape(1, 4, 1)
    resized = interpolate("pos_embed_temporal", value, (1, 12, 1))
    assert resized.flatten()[1::3].tolist() == pytest.approx([0, 1, 2, 3], abs=1e-5)


def test_positions_in_the_plane_are_bicubic() -> None:
    value = torch.randn(1, 49, 3)
    resized = interpolate("pos_embed_spatial", value, (1, 196, 3))
    planes = value.reshape(1, 7, 7, 3).permute(0, 3, 1, 2)
    expected = F.interpolate(planes, size=(14, 14), mode="bicubic", align_corners=False)
    torch.testing.assert_close(resized, expected.permute(0, 2, 3, 1).reshape(1, 196, 3))


@pytest.mark.parametrize("token", [0, 1])
@pytest.mark.parametrize(
    ("old", "new"), [((4, 7, 7), (4, 14, 14)), ((2, 6, 8), (5, 6, 8)), ((8, 3, 3), (8, 2, 2))]
)
def test_joint_positions_are_trilinear_and_the_class_token_stays(
    token: int, old: tuple[int, int, int], new: tuple[int, int, int]
) -> None:
    volume = torch.randn(1, 3, *old)
    front = torch.randn(1, token, 3)
    value = torch.cat([front, volume.flatten(2).transpose(1, 2)], dim=1)
    count = token + new[0] * new[1] * new[2]
    resized = interpolate("pos_embed", value, (1, count, 3), grid=new, saved=old)
    expected = F.interpolate(volume, size=new, mode="trilinear").flatten(2).transpose(1, 2)
    assert torch.equal(resized[:, :token], front)
    torch.testing.assert_close(resized[:, token:], expected)


@pytest.mark.parametrize(
    ("name", "value", "shape", "grid"),
    [
        ("pos_embed", (1, 197, 3), (1, 50, 3), None),  # T * H * W could be anything
        ("pos_embed", (1, 23, 3), (1, 50, 3), (1, 7, 7)),  # no square
        ("pos_embed", (1, 197, 4), (1, 50, 3), (1, 7, 7)),  # another width
        ("pos_embed_spatial", (1, 50, 3), (1, 196, 3), None),
        ("pos_embed_class", (1, 2, 3), (1, 1, 3), None),
        ("rel_pos_h", (0, 3), (7, 3), None),
        ("pos_embed", (1, 0, 3), (1, 50, 3), (1, 7, 7)),
        ("head.projection.weight", (5, 3), (7, 3), None),
        ("blocks.0.attn.rel_pos_h", (5, 3), (7, 4), None),
    ],
)
def test_what_cannot_be_told_is_left_alone(
    name: str,
    value: tuple[int, ...],
    shape: tuple[int, ...],
    grid: tuple[int, int, int] | None,
) -> None:
    assert interpolate(name, torch.zeros(value), shape, grid=grid) is None


def test_half_precision_stays_half() -> None:
    value = torch.randn(5, 3).half()
    assert interpolate("rel_pos_h", value, (9, 3)).dtype == torch.float16


@pytest.mark.parametrize(
    ("count", "grid", "expected"),
    [
        (8 * 14 * 14, (4, 14, 14), [(8, 14, 14)]),
        (8 * 14 * 14, (2, 14, 14), [(8, 14, 14), (2, 28, 28)]),
        (8 * 14 * 14, (32, 14, 14), [(8, 14, 14), (32, 7, 7)]),
        (1 * 14 * 14, (4, 14, 14), [(1, 14, 14), (4, 7, 7)]),
        (8 * 14 * 14, (8, 16, 16), [(8, 14, 14)]),
        (8 * 14 * 14, (8, 14, 14), [(8, 14, 14)]),
        (2 * 6 * 8, (5, 6, 8), [(2, 6, 8)]),
        (17, (4, 2, 2), []),
        (0, (4, 2, 2), []),
        (-1, (4, 2, 2), []),
    ],
)
def test_another_length_is_likelier_than_another_size(
    count: int, grid: Grid, expected: list[Grid]
) -> None:
    assert readings(count, grid) == expected


def test_a_grid_that_is_known_is_what_counts() -> None:
    volume = torch.randn(1, 3, 2, 8, 8)
    value = volume.flatten(2).transpose(1, 2)  # as many as 8 x 4 x 4
    resized = interpolate("pos_embed", value, (1, 32, 3), grid=(2, 4, 4), saved=(2, 8, 8))
    expected = F.interpolate(volume, size=(2, 4, 4), mode="trilinear").flatten(2).transpose(1, 2)
    torch.testing.assert_close(resized, expected)
    guessed = interpolate("pos_embed", value, (1, 32, 3), grid=(2, 4, 4))
    assert torch.equal(
        guessed, interpolate("pos_embed", value, (1, 32, 3), grid=(2, 4, 4), saved=(8, 4, 4))
    )
    assert torch.equal(
        guessed, interpolate("pos_embed", value, (1, 32, 3), grid=(2, 4, 4), saved=(1, 5, 5))
    )


def test_doubt_is_told_once_and_only_where_there_is_some() -> None:
    grids: dict[str, Grid | None] = {"grid": (2, 4, 4), "saved": None}
    said = "pos_embed (taken for 8x4x4 patches in T, H, W; 2x8x8 would be as many)"
    assert doubt("pos_embed", 129, 33, **grids) == said
    assert doubt("pos_embed", 128, 32, **grids) == said
    assert doubt("pos_embed", 65, 33, **grids) == ""
    assert doubt("pos_embed", 129, 33, grid=(2, 4, 4), saved=(2, 8, 8)) == ""
    assert doubt("pos_embed", 129, 33, grid=None, saved=None) == ""
    assert doubt("pos_embed_temporal", 129, 33, **grids) == ""


def test_as_many_are_not_the_same() -> None:
    assert is_elsewhere("pos_embed", grid=(2, 8, 8), saved=(8, 4, 4))
    for name, grid, saved in (
        ("pos_embed", (2, 8, 8), (2, 8, 8)),
        ("pos_embed", (2, 8, 8), (4, 8, 8)),  # not of this checkpoint
        ("pos_embed", (2, 8, 8), None),
        ("pos_embed", None, (8, 4, 4)),
        ("pos_embed_temporal", (2, 8, 8), (8, 4, 4)),
    ):
        assert not is_elsewhere(name, grid=grid, saved=saved)
