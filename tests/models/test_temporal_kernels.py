"""Mirrors slowfast/models/temporal_kernels.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from slowfast.models.temporal_kernels import basis_of, block_kernels, stage_depths
from slowfast.models.video_resnet import VideoResNet


@pytest.mark.parametrize(
    ("sizes", "depth", "temporal", "expected"),
    [
        ((3,), 3, 3, (3, 3, 3)),
        ((3, 1), 4, 4, (3, 1, 3, 1)),
        ((1, 3), 3, 3, (1, 3, 1)),
        ((3, 1), 6, 4, (3, 1, 3, 1, 1, 1)),
        ((3,), 1, 6, (3,)),
        ((3,), 2, 0, (1, 1)),
    ],
)
def test_block_kernels(
    sizes: tuple[int, ...], depth: int, temporal: int, expected: tuple[int, ...]
) -> None:
    assert block_kernels(sizes, depth, temporal) == expected


def kernels_in(net: VideoResNet, stage: str, pathway: int = 0) -> list[int]:
    return [
        module.kernel_size[0]
        for name, module in net.get_submodule(stage).named_modules()
        if name.startswith(f"pathway{pathway}") and name.endswith("branch2.a")
    ]


def test_i3d_alternates(tiny_resnet: Callable[..., VideoResNet]) -> None:
    """Time is convolved in every second block of s3 to s5; s5 starts without (1711.07971)."""
    net = tiny_resnet("i3d", stage_blocks=(3, 4, 6, 3))
    assert net.s1.pathway0_stem.conv.kernel_size == (5, 7, 7)
    assert kernels_in(net, "s2") == [3, 3, 3]
    assert kernels_in(net, "s3") == [3, 1, 3, 1]
    assert kernels_in(net, "s4") == [3, 1, 3, 1, 3, 1]
    assert kernels_in(net, "s5") == [1, 3, 1]


def test_slow_convolves_time_late_and_fast_everywhere(
    tiny_slowfast: Callable[..., VideoResNet],
) -> None:
    """SlowFast, Table 1."""
    net = tiny_slowfast(stage_blocks=(2, 2, 2, 2))
    stages = ("s2", "s3", "s4", "s5")
    assert [kernels_in(net, s, 0) for s in stages] == [[1, 1], [1, 1], [3, 3], [3, 3]]
    assert [kernels_in(net, s, 1) for s in stages] == [[3, 3]] * 4
    assert net.s1.pathway0_stem.conv.kernel_size[0] == 1
    assert net.s1.pathway1_stem.conv.kernel_size[0] == 5


def test_fast_alone_is_the_fast_pathway(tiny_resnet: Callable[..., VideoResNet]) -> None:
    net = tiny_resnet("fast", width=16, beta_inv=4, stage_blocks=(2, 2, 2, 2))
    assert [kernels_in(net, s) for s in ("s2", "s3", "s4", "s5")] == [[3, 3]] * 4
    assert net.s1.pathway0_stem.conv.out_channels == 4


def test_unknown_names_and_depths() -> None:
    with pytest.raises(ValueError, match=r"MODEL\.ARCH is 'slwo'.*did you mean slow"):
        basis_of("slwo")
    with pytest.raises(ValueError, match=r"RESNET\.DEPTH is 34; use one of 18, 50, 101"):
        stage_depths(34)
    with pytest.raises(ValueError, match=r"STAGE_DEPTHS is \[1, 2\], but must be four numbers"):
        stage_depths(50, (1, 2))


def test_stage_depths() -> None:
    assert stage_depths(101) == (3, 4, 23, 3)
    assert stage_depths(50, [1, 2, 1, 1]) == (1, 2, 1, 1)
