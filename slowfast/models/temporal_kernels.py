"""Temporal kernel sizes of the ResNet family by MODEL.ARCH."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

# [stem, s2, s3, s4, s5] of a pathway; a stage with two sizes alternates between them.
Basis = tuple[tuple[int, ...], ...]

C2D: Basis = ((1,), (1,), (1,), (1,), (1,))
I3D: Basis = ((5,), (3,), (3, 1), (3, 1), (1, 3))
SLOW: Basis = ((1,), (1,), (1,), (3,), (3,))
FAST: Basis = ((5,), (3,), (3,), (3,), (3,))
CSN: Basis = ((3,), (3,), (3,), (3,), (3,))
R2PLUS1D: Basis = ((1,), (3,), (3,), (3,), (3,))

SINGLE_PATHWAY: dict[str, Basis] = {
    "2d": C2D,
    "c2d": C2D,
    "slow_c2d": C2D,
    "i3d": I3D,
    "slow_i3d": I3D,
    "slow": SLOW,
    "fast": FAST,
    "csn": CSN,
    "r2plus1d": R2PLUS1D,
}
# Max pool in time after s2 (1711.07971, Table 1: C2D and I3D halve the frames there).
TIME_POOL = {"c2d": 2, "i3d": 2}

# MODEL.ARCH of networks that are no ResNets -> their MODEL.MODEL_NAME.
OTHER_FAMILIES = {"x3d": "X3D", "mvit": "MViT"}

STAGE_DEPTHS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def basis_of(arch: str) -> Basis:
    """The kernels of a network with one pathway.

    Raises:
        ValueError: there is no such architecture; the nearest names are given.
    """
    if arch not in SINGLE_PATHWAY:
        if arch in OTHER_FAMILIES:
            raise ValueError(
                f"MODEL.ARCH {arch!r} is no ResNet; set MODEL.MODEL_NAME {OTHER_FAMILIES[arch]}"
            )
        near = difflib.get_close_matches(arch, SINGLE_PATHWAY, n=2, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(
            f"MODEL.ARCH is {arch!r}, but a network with one pathway takes one of "
            f"{', '.join(SINGLE_PATHWAY)}{hint}"
        )
    return SINGLE_PATHWAY[arch]


def block_kernels(sizes: Sequence[int], depth: int, temporal: int) -> tuple[int, ...]:
    """Temporal kernel of each of `depth` blocks: `sizes` in turn, 1 after the first `temporal`.

    `block_kernels((3, 1), 6, 4)` is (3, 1, 3, 1, 1, 1).
    """
    return tuple(sizes[i % len(sizes)] if i < temporal else 1 for i in range(depth))


def stage_depths(depth: int, blocks: Sequence[int] = ()) -> tuple[int, ...]:
    """Blocks in each of s2 to s5: `blocks` if given, else those of ResNet-`depth`."""
    if blocks:
        if len(blocks) != 4 or min(blocks) < 1:
            raise ValueError(
                f"RESNET.STAGE_DEPTHS is {list(blocks)}, but must be four numbers, the blocks of "
                "s2 to s5, each at least 1; or empty, then RESNET.DEPTH holds"
            )
        return tuple(blocks)
    if depth not in STAGE_DEPTHS:
        raise ValueError(
            f"RESNET.DEPTH is {depth}; use one of {', '.join(map(str, STAGE_DEPTHS))}, or give "
            "the blocks of each stage in RESNET.STAGE_DEPTHS"
        )
    return STAGE_DEPTHS[depth]
