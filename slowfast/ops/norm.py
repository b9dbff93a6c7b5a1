"""The kinds of batch norm a network can be built with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from torch import nn

from slowfast.ops.sub_batchnorm import SubBatchNorm3d

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


def make_norm(
    kind: str | Norm,
    *,
    frozen: bool = False,
    splits: int = 1,
    sync_devices: int | None = None,
) -> Norm:
    """What BN.NORM_TYPE `kind` and MODEL.FROZEN_BN `frozen` stand for.

    Args:
        kind: "batchnorm", "sub_batchnorm", "sync_batchnorm" (or "sync_batchnorm_apex", always of
            all processes), or a factory, which is returned as it is.
        frozen: statistics are never taken from a batch, so that the kind makes no difference.
        splits: parts of a batch with statistics of their own (sub_batchnorm).
        sync_devices: processes that share statistics (sync_batchnorm); None: all.

    Raises:
        ValueError: the kind is unknown.
    """
    if not isinstance(kind, str):
        return kind
    kinds: dict[str, Norm] = {
        "batchnorm": nn.BatchNorm3d,
        "sub_batchnorm": partial(SubBatchNorm3d, splits=splits),
        "sync_batchnorm": partial(_synchronised, group_size=sync_devices),
        "sync_batchnorm_apex": _synchronised,
    }
    if kind not in kinds:
        raise ValueError(f"BN.NORM_TYPE is {kind!r}; use one of {', '.join(kinds)}")
    return FrozenBatchNorm3d if frozen else kinds[kind]


def _synchronised(dim: int, *, group_size: int | None = None) -> nn.Module:
    # Here, since it loads PyTorch's compiler, which takes as long as all else that starts a run.
    from slowfast.ops.sync_batchnorm import SyncBatchNorm3d

    return SyncBatchNorm3d(dim, group_size=group_size)


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
