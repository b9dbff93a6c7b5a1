"""Batch-norm statistics recomputed with the weights of this moment, before they are used."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Sequence
from typing import Any

import torch
from torch import distributed, nn

from slowfast import dist
from slowfast.data.batch import Batch
from slowfast.data.loader import TrainLoader
from slowfast.data.transforms.augment_stage import AugmentStage
from slowfast.engine.stop import StoppableLoader
from slowfast.log import LOGGER

with warnings.catch_warnings():
    # fvcore.nn compiles losses with torch.jit on import, which PyTorch has deprecated.
    warnings.simplefilter("ignore", FutureWarning)
    from fvcore.nn.precise_bn import get_bn_modules, update_bn_stats


def precise_bn(
    model: nn.Module,
    loader: TrainLoader | StoppableLoader,
    predict: Callable[[nn.Module, Batch], Any],
    *,
    augment: AugmentStage,
    epoch: int,
    num_batches: int,
    device: torch.device,
) -> None:
    """Replace running statistics by the mean over ``num_batches`` training batches.

    The running averages of training lag behind the weights (Wu & Johnson, 2105.07576, Sec. 3).
    The clips are those of ``epoch`` (from 0), augmented as in training, so that the result can be
    reproduced. Each process goes through its own, and all end with the moments of all of them.

    Args:
        predict: what calls the model, as its task does.
    """
    layers = get_bn_modules(model.train())
    if not layers:
        return
    buffers: list[Any] = [(layer.running_mean, layer.running_var) for layer in layers]
    count = min(num_batches, len(loader))
    if count < num_batches:
        LOGGER.info("precise BN uses the %d batches there are, not %d", count, num_batches)
    loader.set_position(epoch, 0)

    clips = 0

    def augmented() -> Generator[Batch]:
        nonlocal clips
        for batch in loader:
            clips += len(batch)
            yield augment(batch.to(device)) if len(batch) else batch

    batches = augmented()
    try:
        update_bn_stats(_Predicting(model, predict), batches, count)
    finally:
        batches.close()
    _join_processes(layers, clips)
    for layer, (mean, variance) in zip(layers, buffers, strict=True):
        # Others hold these tensors, as those that are restored where a step is left out.
        layer.running_mean = mean.copy_(layer.running_mean)  # type: ignore[arg-type]
        layer.running_var = variance.copy_(layer.running_var)  # type: ignore[arg-type]


class _Predicting(nn.Module):
    """A model that takes batches; one in which nothing could be read changes no statistics."""

    def __init__(self, model: nn.Module, predict: Callable[[nn.Module, Batch], Any]) -> None:
        super().__init__()
        self.model, self.predict = model, predict

    def forward(self, batch: Batch) -> None:
        if len(batch):
            self.predict(self.model, batch)


@torch.no_grad()
def _join_processes(layers: Sequence[nn.Module], clips: int) -> None:
    """Give each layer the mean and variance of what all processes saw.

    Variances of parts do not tell that of the whole; second moments do, each by its share of
    the clips (2105.07576, Appendix).
    """
    if dist.world_size() == 1:
        return
    share = clips / sum(dist.gather_objects(clips))
    means = torch.cat([layer.running_mean for layer in layers])  # type: ignore[misc]
    variances = torch.cat([layer.running_var for layer in layers])  # type: ignore[misc]
    moments = torch.stack([means, variances + means.square()]).double() * share
    distributed.all_reduce(moments)
    mean, square = moments
    sizes = [len(layer.running_mean) for layer in layers]  # type: ignore[arg-type]
    variance = (square - mean.square()).clamp(min=0)
    for layer, m, v in zip(layers, mean.split(sizes), variance.split(sizes), strict=True):
        layer.running_mean.copy_(m)  # type: ignore[operator, union-attr]
        layer.running_var.copy_(v)  # type: ignore[operator, union-attr]
