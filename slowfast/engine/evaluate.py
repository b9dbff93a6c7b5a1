"""Evaluation during training: one clip a video of the val split, each counted once."""

from __future__ import annotations

import torch
from torch import nn

from slowfast import dist
from slowfast.data.bad_samples import BadSampleLog
from slowfast.data.loader import EvalLoader
from slowfast.engine.meters import Progress
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
) -> dict[str, float]:
    """Metrics over all ranks' videos; every rank gets the same numbers."""
    model.eval()
    evaluator = task.evaluator()
    with Progress("val", len(loader), shown=dist.is_main()) as progress:
        for batch in loader:
            bad.add(batch.bad, seen=len(batch) + len(batch.bad))
            if len(batch):
                batch = batch.to(device, non_blocking=True)
                with torch.autocast(device.type, amp_dtype, enabled=amp_dtype is not None):
                    scores = task.predict(model, batch)
                evaluator.update(scores, batch)
            progress.step()
    evaluator.merge(dist.gather_objects(evaluator.state()))
    return evaluator.metrics()
