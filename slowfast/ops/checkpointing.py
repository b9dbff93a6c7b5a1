"""Activation checkpointing: recompute a block in the backward pass instead of keeping it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from slowfast.ops.norm import statistics_unchanged


def run_block(block: nn.Module, x: Tensor, *more: Any, recompute: bool) -> Tensor:
    """`block(x, *more)`; with `recompute`, its activations are not kept for the backward pass.

    A call and not a wrapper module, so that the keys of the state dict stay what they are. The
    second forward leaves the running statistics of batch norm alone, or each batch would count
    twice; a compiled one does by itself.
    """
    if not (recompute and block.training and torch.is_grad_enabled()):
        return block(x, *more)  # type: ignore[no-any-return]
    if torch.compiler.is_compiling():  # which takes no such contexts
        return checkpoint(block, x, *more, use_reentrant=False)  # type: ignore[no-any-return]
    return checkpoint(  # type: ignore[no-any-return]
        block,
        x,
        *more,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), statistics_unchanged(block)),
    )
