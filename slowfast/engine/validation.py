"""Evaluation where training is to be judged: its record, the best weights, and what was missed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from slowfast import dist
from slowfast.data.bad_samples import BadSampleLog
from slowfast.engine.build import Trainer, amp_dtype_from_cfg, network_to_evaluate
from slowfast.engine.evaluate import evaluate
from slowfast.engine.journal import Journal
from slowfast.engine.meters import memory_gb
from slowfast.engine.resume import save
from slowfast.engine.stop import Interrupted, StopSignal, StopVote
from slowfast.tasks.base import is_error


def validate(
    trainer: Trainer,
    cfg: Any,
    journal: Journal,
    bad: BadSampleLog,
    stop: StopSignal,
    *,
    epoch: int,
) -> None:
    """Evaluate the val split, keep the best weights so far, and write the record.

    Raises:
        Interrupted: a signal came meanwhile; the continued run evaluates again.
    """
    if trainer.val_loader is None:
        return
    since = time.perf_counter()
    bad.begin_evaluation(epoch + 1)
    # Ranks have a batch more or less, but they vote together or not at all.
    votes = min(dist.gather_objects(len(trainer.val_loader)))
    vote = StopVote(stop, trainer.device, votes=votes)
    metrics = evaluate(
        network_to_evaluate(trainer.average.net, cfg, trainer.device),
        trainer.task,
        trainer.val_loader,
        device=trainer.device,
        amp_dtype=amp_dtype_from_cfg(cfg, enabled=cfg.TEST.MIXED_PRECISION),
        bad=bad,
        stopped=vote,
    )
    if metrics is None:
        raise Interrupted(vote.number, save(trainer, cfg))
    first = next(iter(metrics))
    before = trainer.best.get(first)
    for name, value in metrics.items():
        # In this order a figure that is not a number never takes the place of one.
        trainer.best[name] = _best(name)(trainer.best.get(name, value), value)
    improved = trainer.best[first] != before
    if improved:  # before the record, which tells a run that is killed here what is done
        save(trainer, cfg, best=True)
    record = {
        "_type": "val_epoch",
        "epoch": epoch + 1,
        "epochs": cfg.SOLVER.MAX_EPOCH,
        **metrics,
        **{f"{_best(name).__name__}_{name}": value for name, value in trainer.best.items()},
        "time_diff": time.perf_counter() - since,
        **memory_gb(),
    }
    journal.write(record, step=(epoch + 1) * len(trainer.loader))


def is_evaluated(journal: Journal, epoch: int) -> bool:
    """Whether the journal has the evaluation after ``epoch`` whole epochs; as rank 0 sees it."""
    done = any(r["_type"] == "val_epoch" and r["epoch"] == epoch for r in journal.records())
    return bool(dist.broadcast_object(done))


def best_so_far(journal: Journal) -> dict[str, float]:
    """The best figures that the journal has; a checkpoint may be older than its evaluation."""
    best: dict[str, float] = {}
    for record in journal.records():
        if record["_type"] == "val_epoch":
            best = {k[4:]: v for k, v in record.items() if k.startswith(("min_", "max_"))}
    return dict(dist.broadcast_object(best))


def _best(metric: str) -> Callable[..., float]:
    return min if is_error(metric) else max
