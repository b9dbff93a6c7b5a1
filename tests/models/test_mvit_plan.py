"""Mirrors slowfast/models/mvit_plan.py."""

from __future__ import annotations

import re
from typing import Any

import pytest

from slowfast.models.mvit_plan import Growth, Pools, plan_blocks
from slowfast.ops.pooling_attention import Window

GRID = (8, 56, 56)
STAGES = {"dim_mul": [[1, 2.0], [3, 2.0]], "head_mul": [[1, 2.0], [3, 2.0]]}
Q_STRIDE = [[1, 1, 2, 2], [3, 1, 2, 2]]


def plan(pools: Pools | None = None, **growth: Any) -> list[Any]:
    return plan_blocks(Growth(**{"depth": 4, **STAGES, **growth}), pools or Pools(), GRID)


def test_v1_grows_in_the_mlp_of_the_block_before() -> None:
    blocks = plan()
    assert [b.dim for b in blocks] == [96, 192, 192, 384]
    assert [b.dim_attention for b in blocks] == [96, 192, 192, 384]
    assert [b.dim_out for b in blocks] == [192, 192, 384, 384]
    assert [b.heads for b in blocks] == [1, 2, 2, 4]


def test_v2_grows_in_the_attention() -> None:
    blocks = plan(in_attention=True)
    assert [b.dim for b in blocks] == [96, 96, 192, 192]
    assert [b.dim_attention for b in blocks] == [96, 192, 192, 384]
    assert [b.dim_out for b in blocks] == [96, 192, 192, 384]


def test_grids_and_adaptive_strides() -> None:
    blocks = plan(Pools((3, 3, 3), Q_STRIDE, kv_stride_adaptive=[1, 8, 8]))
    assert [b.grid for b in blocks] == [GRID, GRID, (8, 28, 28), (8, 28, 28)]
    assert [b.pool_kv.stride for b in blocks] == [(1, 8, 8), (1, 4, 4), (1, 4, 4), (1, 2, 2)]
    assert [b.pool_q is not None for b in blocks] == [False, True, False, True]
    assert blocks[1].pool_q == Window((3, 3, 3), (1, 2, 2))
    assert blocks[1].pool_skip == Window((1, 3, 3), (1, 2, 2))
    assert blocks[1].out(GRID) == (8, 28, 28)


def test_adaptive_strides_go_before_the_others() -> None:
    both = Pools(None, [], [[0, 1, 4, 4]], [1, 2, 2])
    assert [b.pool_kv.stride for b in plan(both)] == [(1, 2, 2)] * 4


def test_kernels_follow_strides_when_not_given() -> None:
    blocks = plan(Pools(None, [*Q_STRIDE, [2, 1, 1, 1]], kv_stride_adaptive=[1, 4, 4]))
    assert blocks[0].pool_kv.kernel == (1, 5, 5)
    assert blocks[1].pool_q.kernel == (1, 3, 3)
    assert blocks[2].pool_q is None, "one token stays one token"
    assert blocks[3].pool_kv is None
    with_kernel = plan(Pools((1, 3, 3), [[2, 1, 1, 1]]))
    assert with_kernel[2].pool_q == Window((1, 3, 3), (1, 1, 1))
    assert with_kernel[2].pool_skip is None


def test_drop_path_grows_linearly() -> None:
    assert [b.drop_path for b in plan(drop_path=0.3)] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [b.drop_path for b in plan_blocks(Growth(1), Pools(), GRID)] == [0.0]


def test_widths_are_rounded_to_the_heads() -> None:
    blocks = plan(dim=10, heads=1, dim_mul=[[1, 1.3]], head_mul=[[1, 4]])
    assert blocks[1].dim == 12, "13, to a multiple of 4"


@pytest.mark.parametrize(
    ("growth", "pools", "message"),
    [
        ({"dim_mul": [[4, 2.0]]}, {}, "MVIT.DIM_MUL has a row [4, 2.0] for block 4, but the blo"),
        ({"dim_mul": [[0, 2.0]]}, {}, "MVIT.DIM_MUL has a row for block 0, before which nothing"),
        ({"head_mul": [[1.5, 2.0]]}, {}, "MVIT.HEAD_MUL has a row [1.5, 2.0] for block 1.5"),
        ({"head_mul": [[1, 2], [1, 2]]}, {}, "MVIT.HEAD_MUL has two rows for block 1"),
        ({}, {"q_stride": [[9, 1, 2, 2]]}, "MVIT.POOL_Q_STRIDE has a row [9, 1, 2, 2] for block"),
        ({}, {"kv_stride": [[-1, 1, 2, 2]]}, "MVIT.POOL_KV_STRIDE has a row [-1, 1, 2, 2] for"),
        ({}, {"q_stride": [[1, 1, 0, 2]]}, "MVIT.POOL_Q_STRIDE has a row [1, 1, 0, 2]; expected"),
        ({}, {"q_stride": [[1, 1, 1.5, 2]]}, "MVIT.POOL_Q_STRIDE has the strides [1, 1.5, 2]"),
        ({}, {"q_stride": [[1, 2, 2]]}, "has a row [1, 2, 2]; expected the block and 3 number(s)"),
        (
            {"dim_mul": [[1, -2.0]]},
            {},
            "MVIT.DIM_MUL has a row [1, -2.0]; expected the block and 1",
        ),
        ({"dim": 100, "heads": 3}, {}, "block 0 has 100 channels for 3 heads, which must divide"),
        (
            {},
            {"kernel": [3, 3, 3], "q_stride": [[0, 4, 1, 1], [1, 2, 1, 1], [2, 3, 1, 1]]},
            "block 2: queries are pooled to",
        ),
    ],
)
def test_what_does_not_fit(growth: dict, pools: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        plan_blocks(Growth(**{"depth": 4, **STAGES, **growth}), Pools(**pools), (72, 56, 56))
