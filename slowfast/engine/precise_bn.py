"""Batch-norm statistics recomputed with the weights of this moment, before they are used."""

from __future__ import annotations

import warnings
from collections.abc import Generator

import torch
from torch import nn

from slowfast.data.loader import TrainLoader
from slowfast.data.transforms.augment_stage import AugmentStage
from slowfast.data.transforms.device import InputStage
from slowfast.engine.stop import StoppableLoader
from slowfast.log import LOGGER

with warnings.catch_warnings():
    # fvcore.nn compiles losses with torch.jit on import, which PyTorch has deprecated.
    warnings.simplefilter("ignore", FutureWarning)
    from fvcore.nn.precise_bn import get_bn_modules, update_bn_stats


def precise_bn(
    model: nn.Module,
    loader: TrainLoader | StoppableLoader,
    inputs: InputStage,
    *,
    augment: AugmentStage,
    epoch: int,
    num_batches: int,
    device: torch.device,
) -> None:
    """Replace running statistics by the mean over ``num_batches`` training batches.

    The running averages of training lag behind the weights (Wu & Johnson, 2105.07576, Sec. 3).
    The clips are those of ``epoch`` (from 0), augmented as in training, so that the result can be
    reproduced.
    """
    if not get_bn_modules(model):
        return
    count = min(num_batches, len(loader))
    if count < num_batches:
        LOGGER.info("precise BN uses the %d batches there are, not %d", count, num_batches)
    loader.set_position(epoch, 0)

    def pathways() -> Generator[list[torch.Tensor]]:
        for batch in loader:
            if len(batch):
                yield inputs(augment(batch.to(device)).clips)

    model.train()
    batches = pathways()
    try:
        update_bn_stats(model, batches, count)
    finally:
        batches.close()
