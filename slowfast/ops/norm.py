"""The kinds of batch norm a network can be built with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import distributed, nn

Norm = Callable[[int], nn.Module]  # channels -> layer


class FrozenBatchNorm3d(nn.BatchNorm3d):
    """Batch norm that always normalises by its running statistics and never changes them.

    Weight and bias still learn. `train()` leaves the layer in eval mode, so that no part of a
    training loop has to know.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.eval()

    def train(self, mode: bool = True) -> FrozenBatchNorm3d:
        super().train(False)
        return self


def make_norm(kind: str, *, frozen: bool = False) -> Norm:
    """What BN.NORM_TYPE `kind` and MODEL.FROZEN_BN `frozen` stand for.

    Raises:
        ValueError: the kind is unknown, or needs what this release does not have.
    """
    if kind == "sub_batchnorm":
        raise ValueError(
            "BN.NORM_TYPE is 'sub_batchnorm': statistics of parts of a batch (multigrid) arrive "
            "in a later release; use 'batchnorm'"
        )
    if kind not in ("batchnorm", "sync_batchnorm"):
        raise ValueError(f"BN.NORM_TYPE is {kind!r}; use 'batchnorm' or 'sync_batchnorm'")
    if kind == "sync_batchnorm" and _num_processes() > 1:
        raise ValueError(
            f"BN.NORM_TYPE is 'sync_batchnorm' and {_num_processes()} processes run: statistics "
            "shared between processes arrive in a later release; use 'batchnorm', or one process"
        )
    return FrozenBatchNorm3d if frozen else nn.BatchNorm3d


def _num_processes() -> int:
    ready = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if ready else 1


@contextmanager
def statistics_unchanged(module: nn.Module) -> Iterator[None]:
    """Inside, batch norms of `module` in training mode leave their running statistics alone.

    They still read them, so that autograd sees the same tensors as without.
    """
    layers = [m for m in module.modules() if isinstance(m, nn.BatchNorm3d) and m.training]
    kept = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, (momentum, batches) in zip(layers, kept, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, batches
