"""Batch norm with statistics of its own for each part of a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SubBatchNorm3d(_BatchNorm):
    """While training, each of `splits` parts of the batch is normalised by itself.

    The noise of the statistics is then that of a batch of `N / splits` clips, whatever N is:
    multigrid training (Wu et al., 1912.00998, Sec. 3.3) grows the batch without changing it.
    Clip i is of part `i % splits`. In eval mode the statistics are those of all parts together.

    Shape: (N, C, T, H, W) -> same; while training N must be a multiple of `splits`.
    """

    def __init__(self, dim: int, *, splits: int = 1) -> None:
        super().__init__(dim, track_running_stats=False)
        self.splits = splits
        # The attribute names are keys of published checkpoints.
        self.bn = _Statistics(dim, affine=False)
        self.split_bn = _Statistics(dim * splits, affine=False)

    def train(self, mode: bool = True) -> SubBatchNorm3d:
        if self.training and not mode:
            self.aggregate()
        super().train(mode)
        return self

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.bn(x, weight=self.weight, bias=self.bias)  # type: ignore[no-any-return]
        if x.shape[0] % self.splits:
            raise ValueError(
                f"a batch of {x.shape[0]} clips can't be divided into BN.NUM_SPLITS "
                f"({self.splits}) equal parts; change BN.NUM_SPLITS or TRAIN.BATCH_SIZE, or set "
                "DATA.ON_BAD_SAMPLE substitute where videos were left out"
            )
        parts = x.reshape(-1, self.splits * x.shape[1], *x.shape[2:])
        parts = self.split_bn(
            parts, weight=self.weight.repeat(self.splits), bias=self.bias.repeat(self.splits)
        )
        return parts.reshape(x.shape)

    @torch.no_grad()
    def aggregate(self) -> None:
        """Give `bn` the statistics of all parts together: those that eval mode uses."""
        means = self.split_bn.running_mean.unflatten(0, (self.splits, -1))  # type: ignore
        variances = self.split_bn.running_var.unflatten(0, (self.splits, -1))  # type: ignore
        mean = means.mean(0)
        self.bn.running_mean.copy_(mean)  # type: ignore[union-attr]
        self.bn.running_var.copy_(  # type: ignore[union-attr]
            variances.mean(0) + (means - mean).square().mean(0)
        )
        self.bn.num_batches_tracked.copy_(self.split_bn.num_batches_tracked)  # type: ignore


class _Statistics(nn.BatchNorm3d):
    """Running statistics; weight and bias, which the parts share, come with the call.

    By keyword: what hooks put in place of the input replaces positional arguments.
    """

    def forward(  # type: ignore[override]
        self, x: Tensor, *, weight: Tensor, bias: Tensor
    ) -> Tensor:
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            weight,
            bias,
            training=self.training,
            momentum=self.momentum,  # type: ignore[arg-type]
            eps=self.eps,
        )


def aggregate_statistics(model: nn.Module) -> None:
    """Make `model` ready to be saved: see `SubBatchNorm3d.aggregate`; nothing without one."""
    for module in model.modules():
        if isinstance(module, SubBatchNorm3d) and module.training:
            module.aggregate()
