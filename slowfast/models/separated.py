"""What channel-separated and (2+1)D networks change in a ResNet: time is in the 3x3 convolutions.

CSN (Tran et al., 1904.02811) makes them channelwise, R(2+1)D (Tran et al., 1711.11248) splits
each into one in time and one in space. Both halve the frames from stage to stage. Strides and
widths are those of pytorchvideo's networks, so that its weights fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from slowfast.models.pathway import BlockOptions, Pathway


def _csn(pathway: Pathway, block: BlockOptions) -> tuple[Pathway, BlockOptions]:
    return (
        replace(pathway, channelwise=True, time_strides=(1, 2, 2, 2)),
        replace(block, time_conv="b"),
    )


def _r2plus1d(pathway: Pathway, block: BlockOptions) -> tuple[Pathway, BlockOptions]:
    first, *others = pathway.strides
    strides = (2 * first, *others)  # s2 strides where other networks pool
    return (
        replace(pathway, stem_pool=False, strides=strides, time_strides=(1, 1, 2, 2)),
        replace(block, time_conv="split_b"),
    )


SEPARATED: dict[str, Callable[[Pathway, BlockOptions], tuple[Pathway, BlockOptions]]] = {
    "csn": _csn,
    "r2plus1d": _r2plus1d,
}


def separated(arch: str, pathway: Pathway, block: BlockOptions) -> tuple[Pathway, BlockOptions]:
    """`pathway` and `block` as `arch` has them; unchanged unless it is in SEPARATED."""
    return SEPARATED[arch](pathway, block) if arch in SEPARATED else (pathway, block)
