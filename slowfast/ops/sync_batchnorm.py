"""Batch norm with statistics that processes share."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

from slowfast import dist

CLIPS = (0, 2, 3, 4)  # all dimensions of (N, C, T, H, W) but the channels


class SyncBatchNorm3d(nn.BatchNorm3d):
    """While training, normalises by the statistics of the batches of a group of processes.

    The result and the gradients are those of one process with all the clips; gradients of weight
    and bias are this process's share, which DistributedDataParallel adds up. Processes may have
    different numbers of clips. Works with any backend, and alone it is plain batch norm.

    Args:
        group_size: processes, of consecutive ranks, that share statistics; None: all of them.

    Shape: (N, C, T, H, W) -> same.
    """

    def __init__(self, dim: int, *, group_size: int | None = None) -> None:
        super().__init__(dim)
        self.group_size = group_size
        _members(group_size)  # a size that does not fit is better known before training

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or _members(self.group_size) == 1:
            return super().forward(x)
        return self._forward_shared(x)

    @torch.compiler.disable
    def _forward_shared(self, x: Tensor) -> Tensor:
        group = _own_group(self.group_size)
        out, mean, variance, count = _Normalise.apply(x, self.weight, self.bias, self.eps, group)
        with torch.no_grad():
            unbiased = variance * (count / (count - 1).clamp(min=1))
            self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)  # type: ignore
            self.running_var.lerp_(unbiased.to(self.running_var), self.momentum)  # type: ignore
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        return out  # type: ignore[no-any-return]


class _Normalise(torch.autograd.Function):
    """Batch norm of x by the mean and variance over all processes of a group."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, group: Any
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, variance, count = _shared_moments(x, group)
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt(), count)
        ctx.group = group
        ctx.mark_non_differentiable(mean, variance, count)
        fixed = (mean.to(weight.dtype), variance.to(weight.dtype))
        return F.batch_norm(x, *fixed, weight, bias, eps=eps), mean, variance, count

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *unused: Any) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse, count = ctx.saved_tensors
        dtype = mean.dtype
        grad, centered = grad.to(dtype), x.to(dtype) - _wide(mean)
        of_bias = grad.sum(CLIPS)
        of_weight = (grad * centered).sum(CLIPS) * inverse
        total = torch.stack([of_bias, of_weight])
        distributed.all_reduce(total, group=ctx.group)
        mean_grad, mean_product = total / count
        scale = weight.to(dtype) * inverse
        grad_x = grad - _wide(mean_grad) - centered * _wide(inverse * mean_product)
        grad_x = (grad_x * _wide(scale)).to(x.dtype)
        return grad_x, of_weight.to(weight.dtype), of_bias.to(weight.dtype), None, None


def _shared_moments(x: Tensor, group: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance (C,) over the clips of all processes, and how many numbers they are of.

    Moments are joined rather than sums of squares, which lose digits where the mean is large
    (Chan et al., 1983, Eq. 2.1).
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    own = torch.zeros(2 * x.shape[1] + 1, dtype=dtype, device=x.device)
    if x.numel():
        variance, mean = torch.var_mean(x.to(dtype), CLIPS, correction=0)
        own = torch.cat([mean, variance, own.new_full((1,), x.numel() // x.shape[1])])
    gathered = [torch.empty_like(own) for _ in range(distributed.get_world_size(group))]
    distributed.all_gather(gathered, own, group=group)
    table = torch.stack(gathered)
    counts = table[:, -1:]
    means, variances = table[:, :-1].chunk(2, dim=1)
    count = counts.sum()
    mean = (counts * means).sum(0) / count
    variance = (counts * (variances + (means - mean).square())).sum(0) / count
    return mean, variance, count


def _wide(channels: Tensor) -> Tensor:
    return channels[None, :, None, None, None]


def _members(group_size: int | None) -> int:
    """Processes that share statistics in this run.

    Raises:
        ValueError: the processes can't be divided into such groups.
    """
    ready = distributed.is_available() and distributed.is_initialized()
    world = distributed.get_world_size() if ready else 1
    if group_size is None or world == 1:
        return world
    if world % group_size:
        fitting = " or ".join(str(size) for size in sorted({math.gcd(world, group_size), world}))
        raise ValueError(
            f"BN.NUM_SYNC_DEVICES is {group_size}, which does not divide the {world} processes of "
            f"this run into equal groups; set it to {fitting}, or BN.GLOBAL_SYNC True"
        )
    return group_size


_GROUPS: dict[int, tuple[Any, Any]] = {}  # size -> the world it is part of, and the group


def _own_group(group_size: int | None) -> Any:
    """The group of this process; made at the first call, which all processes must make."""
    everyone, rank = distributed.group.WORLD, distributed.get_rank()
    size = _members(group_size)
    if size == distributed.get_world_size():
        return everyone
    world, group = _GROUPS.get(size, (None, None))
    if world is not everyone:  # none yet, or those of processes that have ended
        for first in range(0, distributed.get_world_size(), size):
            made = dist.new_group(range(first, first + size))
            group = made if first <= rank < first + size else group
        _GROUPS[size] = (everyone, group)
    return group
