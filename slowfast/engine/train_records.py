"""What training writes to the journal: a record every few iterations, and one an epoch."""

from __future__ import annotations

from typing import Any

import torch

from slowfast import dist
from slowfast.engine.build import Trainer
from slowfast.engine.meters import Means, Speed, format_eta, memory_gb


def iteration_record(
    trainer: Trainer, cfg: Any, speed: Speed, lr: float, *, epoch: int, done: int, steps: int
) -> dict[str, Any]:
    total = len(trainer.loader)
    means = trainer.window_means.read()
    trainer.window_means.reset()
    left = (cfg.SOLVER.MAX_EPOCH - epoch) * total - done
    per_step = speed.seconds / steps
    return {
        "_type": "train_iter",
        "epoch": epoch + 1,
        "epochs": cfg.SOLVER.MAX_EPOCH,
        "iter": done,
        "iters": total,
        "dt": per_step,
        "dt_data": per_step * speed.data_wait,
        "dt_net": per_step * (1 - speed.data_wait),
        "eta": format_eta(left * per_step),
        "lr": lr,
        **means,
        "clips_per_s": speed.clips_per_s,
        "data_wait": speed.data_wait,
        **memory_gb(),
    }


def epoch_record(trainer: Trainer, cfg: Any, speed: Speed, *, epoch: int) -> dict[str, Any]:
    # The sums of all ranks, so that the figure is of the whole epoch and not of one shard.
    whole = Means()
    for state in dist.gather_objects(trainer.epoch_means.state()):
        whole.load(state, device=torch.device("cpu"))
    trainer.epoch_means.reset()
    total = len(trainer.loader)
    return {
        "_type": "train_epoch",
        "epoch": epoch + 1,
        "epochs": cfg.SOLVER.MAX_EPOCH,
        "eta": format_eta(speed.seconds * (cfg.SOLVER.MAX_EPOCH - epoch - 1)),
        "lr": trainer.schedule(epoch + (total - 1) / total),  # groups may have a share of it
        **whole.read(),
        "seconds": speed.seconds,
        "clips_per_s": speed.clips_per_s,
        "data_wait": speed.data_wait,
        **memory_gb(),
    }
