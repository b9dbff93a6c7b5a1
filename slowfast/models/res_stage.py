"""One residual stage over one or more pathways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from slowfast.models.res_block import ResBlock
from slowfast.ops.checkpointing import run_block
from slowfast.ops.conv import Stride
from slowfast.ops.nonlocal_block import Nonlocal
from slowfast.ops.norm import Norm


@dataclass(frozen=True)
class StageSpec:
    """What one pathway does in one stage."""

    dim_in: int
    dim_inner: int
    dim_out: int
    temp_kernels: Sequence[int]  # temporal kernel size of each block; its length is the depth
    stride: Stride = 1  # of the first block: spatial, or of T, H and W
    dilation: int = 1
    groups: int = 1
    nonlocal_after: Sequence[int] = ()  # indices of the blocks followed by a non-local block
    nonlocal_group: int = 1
    nonlocal_pool: tuple[int, int, int] = (1, 2, 2)


# (channels in, what the stage does, temporal kernel, stride, index of the block) -> its branch
MakeBranch = Callable[[int, StageSpec, int, Stride, int], nn.Module]


class ResStage(nn.Module):
    """`len(specs)` pathways side by side; block `i` of pathway `p` is `pathway{p}_res{i}`.

    Args:
        branch: makes the residual branch of a block.
        nonlocal_kind: "softmax" or "dot_product".
        recompute: activation checkpointing, block by block, while training.

    Shape: P tensors (N, dim_in, T, H, W) -> P tensors (N, dim_out, T, H, W), T, H and W divided
        by their strides.
    """

    def __init__(
        self,
        specs: Sequence[StageSpec],
        branch: MakeBranch,
        *,
        norm: Norm = nn.BatchNorm3d,
        nonlocal_kind: str = "softmax",
        inplace: bool = True,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.recompute = recompute
        self.names: list[list[str]] = []  # of each pathway, in the order they are applied
        for p, spec in enumerate(specs):
            self.names.append([])
            for i, kernel in enumerate(spec.temp_kernels):
                dim_in, stride = (spec.dim_in, spec.stride) if i == 0 else (spec.dim_out, 1)
                block = ResBlock(
                    dim_in,
                    spec.dim_out,
                    branch(dim_in, spec, kernel, stride, i),
                    stride=stride,
                    norm=norm,
                    inplace=inplace,
                )
                self._append(p, f"pathway{p}_res{i}", block)
                if i in spec.nonlocal_after:
                    attention = Nonlocal(
                        spec.dim_out,
                        spec.dim_out // 2,
                        pool=spec.nonlocal_pool,
                        kind=nonlocal_kind,
                        groups=spec.nonlocal_group,
                        norm=norm,
                    )
                    self._append(p, f"pathway{p}_nonlocal{i}", attention)

    def _append(self, pathway: int, name: str, block: nn.Module) -> None:
        self.add_module(name, block)
        self.names[pathway].append(name)

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        out = []
        for names, x in zip(self.names, xs, strict=True):
            for name in names:
                x = run_block(getattr(self, name), x, recompute=self.recompute)
            out.append(x)
        return out
