"""Evaluation during training: one clip a video of the val split, each counted once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from slowfast import dist
from slowfast.data.bad_samples import BadSampleLog
from slowfast.data.loader import EvalLoader
from slowfast.engine.meters import Progress
from slowfast.engine.to_device import ToDevice
from slowfast.engine.unread import samples_are
from slowfast.log import LOGGER
from slowfast.tasks.base import Task


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    task: Task,
    loader: EvalLoader,
    *,
    device: torch.device,
    amp_dtype: torch.dtype | None = None,
    bad: BadSampleLog,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, float] | None:
    """Metrics over all ranks' videos; every rank gets the same numbers.

    Args:
        stopped: asked after each batch; None is returned as soon as it says so.

    Raises:
        ValueError: there is no video that can be read.
    """
    model.eval()
    evaluator = task.evaluator(loader.dataset.records)
    left_out = 0
    with Progress("val", len(loader), shown=dist.is_main()) as progress:
        for batch in ToDevice(loader, device):
            bad.add(batch.bad, seen=len(batch) + len(batch.bad))
            left_out += len(batch.bad)
            evaluator.miss([bad_one.video for bad_one in batch.bad])
            if len(batch):
                batch = batch.to(device, non_blocking=True)
                with torch.autocast(device.type, amp_dtype, enabled=amp_dtype is not None):
                    scores = task.predict(model, batch)
                evaluator.update(scores, batch)
            progress.step()
            if stopped():
                return None
    videos = len(loader.dataset)
    if left_out := sum(dist.gather_objects(left_out)):
        LOGGER.warning(
            "%d of %d val %s could not be read and are in no figure; they are in %s",
            left_out,
            videos,
            samples_are(loader.dataset.records),
            bad.path,
        )
    if left_out == videos:
        sample = samples_are(loader.dataset.records).removesuffix("s")
        raise ValueError(
            f"no {sample} of val can be read ({videos} listed, see {bad.path}); correct the "
            "list or DATA.PATH_PREFIX, of AVA also AVA.FRAME_DIR and AVA.VIDEO_DIR"
        )
    evaluator.merge(dist.gather_objects(evaluator.state()))
    return evaluator.metrics()
