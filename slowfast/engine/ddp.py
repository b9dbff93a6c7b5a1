"""DistributedDataParallel with the settings of a config: what is exchanged, how, and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import (
    bf16_compress_hook,
    fp16_compress_hook,
)
from torch.nn.parallel import DistributedDataParallel

LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}


def distribute(
    model: nn.Module,
    *,
    device: torch.device,
    compression: torch.dtype | None = None,
    detached: bool = False,
) -> nn.Module:
    """The model in each process, with gradients averaged over all.

    Buffers (statistics of plain batch norm) are rank 0's at each forward pass, so that those
    which are saved and evaluated are the same everywhere.

    Args:
        compression: float16 or bfloat16, in which gradients travel; None: as they are.
        detached: some weights take no part in a step, which has to be found out in each.
    """
    wrapped = DistributedDataParallel(
        model,
        device_ids=[device.index] if device.type == "cuda" else None,
        gradient_as_bucket_view=True,
        # A static graph would find these too, but `BucketOrder` cannot make it exact.
        find_unused_parameters=detached,
    )
    if compression is not None:
        wrapped.register_comm_hook(None, _HOOKS[compression])
    for parameter in model.parameters():
        if parameter.requires_grad and _has_both_layouts(parameter):
            parameter.register_hook(_with_strides(parameter.stride()))
    return wrapped


class BucketOrder:
    """Lets DDP see one backward pass before the first step of a process.

    It notes in which order gradients arrive and arranges its buckets anew at the pass after it.
    From three processes on, where a number lies in its bucket decides in which order it is summed
    over the processes: the first step of a continued run would differ in the last bits from that
    step of a run which was not broken off. So the first batch is gone through twice; gradients
    and statistics of the first time are dropped. Two processes need it not: a + b is b + a.
    """

    def __init__(self, model: nn.Module) -> None:
        known = not isinstance(model, DistributedDataParallel)
        self.model, self.known = model, known or distributed.get_world_size() < 3

    def __call__(self, go_through: Callable[[], Any]) -> None:
        """`go_through` is called at most once: forward and backward, like those of a step."""
        if self.known:
            return
        kept = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        go_through()
        for buffer, value in kept:
            buffer.copy_(value)
        self.model.zero_grad(set_to_none=True)
        self.known = True


def compression_from_cfg(cfg: Any) -> torch.dtype | None:
    """In what gradients travel for ``MODEL.FP16_ALLREDUCE``; None: as they are."""
    if not cfg.MODEL.FP16_ALLREDUCE:
        return None
    return torch.bfloat16 if cfg.TRAIN.AMP_DTYPE == "bfloat16" else torch.float16


def exchange_bf16(group, bucket):  # type: ignore[no-untyped-def]
    """PyTorch's hook by another name: DDP takes that one with NCCL only, though gloo can too.

    Without annotations, which DDP compares and this file holds as texts.
    """
    return bf16_compress_hook(group, bucket)


_HOOKS = {torch.float16: fp16_compress_hook, torch.bfloat16: exchange_bf16}


def _has_both_layouts(tensor: Tensor) -> bool:
    """Whether its numbers are in the same order with channels first and last: 1x1x1 kernels."""
    layout = LAYOUTS.get(tensor.ndim)
    return (
        layout is not None and tensor.is_contiguous() and tensor.is_contiguous(memory_format=layout)
    )


def _with_strides(strides: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """Gradients of such weights come with the strides of either layout, and DDP warns of those
    that are not the weight's, as if they had to be put in order.
    """

    def restride(gradient: Tensor) -> Tensor:
        same = gradient.stride() == strides or not gradient.is_contiguous()
        return gradient if same else gradient.as_strided(gradient.shape, strides)

    return restride
