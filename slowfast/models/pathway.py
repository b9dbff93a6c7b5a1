"""Settings of a VideoResNet: what each pathway is, and how its blocks are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import nn

from slowfast.models.heads import Size
from slowfast.models.limits import check_count, check_whole
from slowfast.models.res_block import BasicBlock, Bottleneck
from slowfast.models.res_stage import StageSpec
from slowfast.models.temporal_kernels import Basis, block_kernels
from slowfast.ops.conv import Stride
from slowfast.ops.norm import Norm

BLOCKS = ("bottleneck_transform", "basic_transform")


@dataclass(frozen=True)
class Pathway:
    """One ResNet; entries of a sequence belong to s2, s3, s4 and s5."""

    kernels: Basis  # temporal kernels of the stem and of s2 to s5
    depths: Sequence[int] = (3, 4, 6, 3)  # blocks
    width: int = 64  # channels after the stem; stage s ends with width * 2 ** s
    groups: int = 1  # of the 3x3 convolutions; each group is `width * 2 ** (s - 2)` wide
    channelwise: bool = False  # 3x3 convolutions that see one channel each
    in_channels: int = 3
    temporal: Sequence[int] | None = None  # blocks that keep their temporal kernel; None: all
    strides: Sequence[int] = (1, 2, 2, 2)  # spatial
    time_strides: Sequence[int] = (1, 1, 1, 1)
    dilations: Sequence[int] = (1, 1, 1, 1)  # spatial
    nonlocal_after: Sequence[Sequence[int]] = ((), (), (), ())  # blocks a non-local one follows
    nonlocal_groups: Sequence[int] = (1, 1, 1, 1)
    nonlocal_pools: Sequence[Size] = ((1, 2, 2),) * 4
    time_pool: int = 1  # max pool in time after s2
    stem_time_strides: Sequence[int] = (1, 1)  # of the first convolution and its pool
    stem_pool: bool = True
    downscale: int = 1  # its frames are this many times smaller than the clip's

    def __post_init__(self) -> None:
        check_whole(width=self.width, time_pool=self.time_pool, fast_downscale=self.downscale)
        check_count(4, "s2 to s5", nonlocal_after=self.nonlocal_after)
        if self.temporal is not None:
            check_count(4, "s2 to s5", temporal_blocks=self.temporal)
        check_count(
            2, "the stem's convolution and its pool", stem_time_strides=self.stem_time_strides
        )
        for stride in self.stem_time_strides:
            check_whole(stem_time_strides=stride)
        if not self.stem_pool and self.stem_time_strides[1] != 1:
            raise ValueError(
                f"RESNET.STEM_TIME_STRIDES is {list(self.stem_time_strides)}, but this MODEL.ARCH "
                "has no pool in its stem; the second number must be 1"
            )

    def dim_out(self, stage: int) -> int:
        """Channels after `stage`, 1 to 5."""
        return self.width if stage == 1 else self.width * 2**stage

    @property
    def stride(self) -> int:
        """Pixels of the clip between two features of s5."""
        return math.prod(self._strides)

    @property
    def _strides(self) -> tuple[int, ...]:
        """All spatial ones: of the stem's convolution, of its pool if any, of s2 to s5."""
        return (2, 2, *self.strides) if self.stem_pool else (2, *self.strides)

    def keeping_s4(self) -> Pathway:
        """The same, with s5 at the resolution of s4, as detection has it (1812.03982, Sec. 5)."""
        strides, dilations = (*self.strides[:3], 1), (*self.dilations[:3], 2)
        return replace(self, strides=strides, dilations=dilations)

    def feature_size(self, frames: int, crop_size: int) -> Size:
        """(T, H, W) after s5 of a clip of `frames` frames, `crop_size` pixels high and wide."""
        first, *others = self.time_strides
        for stride in (*self.stem_time_strides, first):  # all strides round up
            frames = math.ceil(frames / stride)
        if frames < self.time_pool:
            raise ValueError(
                f"DATA.NUM_FRAMES gives a pathway {frames} frame(s), but MODEL.ARCH pools "
                f"{self.time_pool} frames into one after s2; use more frames, or ARCH '2d'"
            )
        side = crop_size // self.downscale
        for stride in self._strides:
            side = math.ceil(side / stride)
        frames //= self.time_pool
        for stride in others:
            frames = math.ceil(frames / stride)
        return (frames, side, side)

    def stage(self, stage: int) -> StageSpec:
        """What this pathway alone does in `stage`, 2 to 5."""
        s = stage - 2
        depth = self.depths[s]
        late = [i for i in self.nonlocal_after[s] if i >= depth]
        if late:
            raise ValueError(
                f"a non-local block is to follow block {late[0]} of s{stage}, which has only "
                f"{depth} blocks (0 to {depth - 1}); change NONLOCAL.LOCATION"
            )
        temporal = depth if self.temporal is None else self.temporal[s]
        inner = self.width * self.groups * 2**s
        stride: Stride = self.strides[s]
        if self.time_strides[s] != 1:
            stride = (self.time_strides[s], self.strides[s], self.strides[s])
        return StageSpec(
            dim_in=self.dim_out(stage - 1),
            dim_inner=inner,
            dim_out=self.dim_out(stage),
            temp_kernels=block_kernels(self.kernels[stage - 1], depth, temporal),
            stride=stride,
            dilation=self.dilations[s],
            groups=inner if self.channelwise else self.groups,
            nonlocal_after=tuple(self.nonlocal_after[s]),
            nonlocal_group=self.nonlocal_groups[s],
            nonlocal_pool=self.nonlocal_pools[s],
        )


@dataclass(frozen=True)
class BlockOptions:
    """How every block of a network is made."""

    kind: str = "bottleneck_transform"  # or "basic_transform"
    time_conv: Literal["a", "b", "split_b"] = "a"  # bottleneck: where its temporal kernel is
    stride_1x1: bool = False  # bottleneck: stride in its first convolution, not in the 3x3
    nonlocal_kind: str = "softmax"  # or "dot_product"
    inplace_relu: bool = True
    recompute: bool = False  # activation checkpointing
    norm: Norm = nn.BatchNorm3d

    def __post_init__(self) -> None:
        if self.kind not in BLOCKS:
            raise ValueError(f"RESNET.TRANS_FUNC is {self.kind!r}; use one of {', '.join(BLOCKS)}")
        if self.time_conv != "a" and self.kind != "bottleneck_transform":
            raise ValueError(
                f"RESNET.TRANS_FUNC is {self.kind!r}, but this MODEL.ARCH is made of "
                "'bottleneck_transform' blocks; set that"
            )

    def branch(
        self, dim: int, spec: StageSpec, kernel: int, stride: Stride, index: int
    ) -> nn.Module:
        """The residual branch of one block."""
        if self.kind == "basic_transform":
            return BasicBlock(
                dim,
                spec.dim_out,
                time_a=kernel,
                stride=stride,
                dilation=spec.dilation,
                norm=self.norm,
                inplace=self.inplace_relu,
            )
        return Bottleneck(
            dim,
            spec.dim_inner,
            spec.dim_out,
            time_a=kernel if self.time_conv == "a" else 1,
            time_b=1 if self.time_conv == "a" else kernel,
            split_b=self.time_conv == "split_b",
            stride=stride,
            stride_1x1=self.stride_1x1,
            groups=spec.groups,
            dilation=spec.dilation,
            norm=self.norm,
            inplace=self.inplace_relu,
        )
