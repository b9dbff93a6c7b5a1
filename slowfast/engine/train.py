"""Training: epochs of steps, with evaluation and checkpoints where they are due."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from slowfast import dist
from slowfast.config import clips_per_process
from slowfast.data.bad_samples import BadSampleLog
from slowfast.data.loader import TrainLoader
from slowfast.data.workers import usable_cores
from slowfast.engine.build import Trainer, amp_dtype_from_cfg, build_trainer
from slowfast.engine.evaluate import evaluate
from slowfast.engine.journal import Journal
from slowfast.engine.meters import Clock, Progress, Speed, memory_gb
from slowfast.engine.precise_bn import precise_bn
from slowfast.engine.profile import log_model_info
from slowfast.engine.record import open_run, record_data
from slowfast.engine.resume import resume, save
from slowfast.engine.step import NonFiniteLoss
from slowfast.engine.step_size import log_step
from slowfast.engine.stop import Interrupted, StopSignal
from slowfast.engine.support import refuse_unsupported
from slowfast.engine.to_device import ToDevice
from slowfast.engine.train_records import epoch_record, iteration_record
from slowfast.log import LOGGER
from slowfast.randomness import seed_from_key


def train(cfg: Any) -> None:
    """Train as the config says, from the newest checkpoint of OUTPUT_DIR if there is one.

    Raises:
        ValueError: the config asks for what cannot be had, or the loss is not finite.
        Interrupted: SIGINT or SIGTERM came; the state was saved.
    """
    refuse_unsupported(cfg)
    clips_per_process(cfg, "TRAIN")  # raises if a step cannot be shared evenly
    journal = open_run(cfg)
    trainer = build_trainer(cfg)
    record_data(cfg, {"train": trainer.loader.dataset.records})
    if trainer.val_loader is not None:
        record_data(cfg, {"val": trainer.val_loader.dataset.records})
    bad = BadSampleLog(cfg.OUTPUT_DIR, max_fraction=cfg.DATA.MAX_BAD_FRACTION, rank=dist.rank())
    if cfg.LOG_MODEL_INFO and dist.is_main():
        log_model_info(trainer.net, cfg)
    log_step(trainer.loader.batches.batch_size, cfg)
    continued = resume(trainer, cfg)
    start = trainer.position
    journal.rewind(epoch=start.epoch, batch=start.batch)
    stop = StopSignal()
    if continued and start.batch == 0 and _evaluation_is_missing(journal, cfg, start.epoch):
        _evaluate(trainer, cfg, journal, bad, stop, epoch=start.epoch - 1)
    for epoch in range(start.epoch, cfg.SOLVER.MAX_EPOCH):
        train_epoch(trainer, cfg, journal, bad, stop, epoch=epoch)
        save_due = _is_due(epoch, cfg.TRAIN.CHECKPOINT_PERIOD, cfg)
        eval_due = _is_due(epoch, cfg.TRAIN.EVAL_PERIOD, cfg)
        if cfg.BN.USE_PRECISE_STATS and (save_due or eval_due):
            precise_bn(
                trainer.net,
                trainer.loader,
                trainer.task.inputs,
                augment=trainer.augment,
                epoch=epoch,
                num_batches=cfg.BN.NUM_BATCHES_PRECISE,
                device=trainer.device,
            )
        if save_due:
            save(trainer, cfg)
        if eval_due:
            _evaluate(trainer, cfg, journal, bad, stop, epoch=epoch)
        if stop.asked:
            raise Interrupted(stop.asked, save(trainer, cfg))
    stop.restore()
    journal.close()


def train_epoch(
    trainer: Trainer,
    cfg: Any,
    journal: Journal,
    bad: BadSampleLog,
    stop: StopSignal,
    *,
    epoch: int,
) -> None:
    """Run the batches of ``epoch`` (from 0) that are left, from ``trainer.position`` on."""
    trainer.model.train()
    loader, position = trainer.loader, trainer.position
    total = len(loader)
    loader.set_position(epoch, position.batch)
    batches = ToDevice(loader, trainer.device)
    clock = Clock()
    last = started = clock.snapshot()
    logged = position.batch
    title = f"epoch {epoch + 1}/{cfg.SOLVER.MAX_EPOCH}"
    with Progress(title, total, start=position.batch, shown=dist.is_main()) as progress:
        for i, batch in enumerate(clock.batches(batches), position.batch):
            bad.add(batch.bad, seen=len(batch) + len(batch.bad), epoch=epoch)
            shown: dict[str, str] = {}
            lr = trainer.schedule(epoch + i / total)
            if len(batch):  # or nothing in it could be read, and there is nothing to learn from
                _step(trainer, cfg, batch, lr, epoch=epoch, index=i)
            clock.update(len(batch) * dist.world_size(), batch.cost)
            position.epoch, position.batch = epoch, i + 1
            due = (i + 1) % cfg.LOG_PERIOD == 0 or i + 1 == total
            if due and trainer.window_means.count:
                now = clock.snapshot()
                speed, last = Speed.between(last, now), now
                record = iteration_record(
                    trainer, cfg, speed, lr, epoch=epoch, done=i + 1, steps=i + 1 - logged
                )
                logged = i + 1
                journal.write(record, step=epoch * total + i + 1)
                shown = {
                    "loss": f"{record['loss']:.3f}",
                    "lr": f"{lr:.2g}",
                    "clips/s": f"{speed.clips_per_s:.1f}",
                    "wait": f"{speed.data_wait:.0%}",
                }
            progress.step(**shown)
            if i + 1 < total:
                _between_steps(trainer, cfg, stop)
    trainer.stepper.check.flush()
    position.epoch, position.batch = epoch + 1, 0
    speed = Speed.between(started, clock.snapshot())
    record = epoch_record(trainer, cfg, speed, epoch=epoch)
    journal.write(record, step=(epoch + 1) * total)
    LOGGER.info("epoch %d: %s", epoch + 1, _verdict(speed, loader, cfg))


def _verdict(speed: Speed, loader: TrainLoader, cfg: Any) -> str:
    return speed.verdict(loader.num_workers * max(cfg.NUM_GPUS, 1), usable_cores())


def _step(trainer: Trainer, cfg: Any, batch: Any, lr: float, *, epoch: int, index: int) -> None:
    batch = trainer.augment(batch.to(trainer.device, non_blocking=True))
    seed = seed_from_key(cfg.RNG_SEED, "step", epoch, index, dist.rank())
    try:
        out = trainer.stepper(batch, lr, seed=seed)
    except NonFiniteLoss as error:
        raise _explain(error, cfg, epoch=epoch, index=index) from error
    trainer.window_means.update(out, len(batch))
    trainer.epoch_means.update(out, len(batch))


def _between_steps(trainer: Trainer, cfg: Any, stop: StopSignal) -> None:
    """Save where ``TRAIN.CHECKPOINT_PERIOD_STEPS`` or a signal asks for it."""
    position = trainer.position
    step = position.epoch * len(trainer.loader) + position.batch
    period = cfg.TRAIN.CHECKPOINT_PERIOD_STEPS
    if stop.asked or (period and step % period == 0):
        trainer.stepper.check.flush()
        path = save(trainer, cfg)
        if stop.asked:
            raise Interrupted(stop.asked, path)


def _evaluate(
    trainer: Trainer,
    cfg: Any,
    journal: Journal,
    bad: BadSampleLog,
    stop: StopSignal,
    *,
    epoch: int,
) -> None:
    """Evaluate the val split, write the record, and keep the best weights so far.

    Raises:
        Interrupted: a signal came meanwhile; the continued run evaluates again.
    """
    if trainer.val_loader is None:
        return
    since = time.perf_counter()
    metrics = evaluate(
        trainer.average.net,
        trainer.task,
        trainer.val_loader,
        device=trainer.device,
        amp_dtype=amp_dtype_from_cfg(cfg, enabled=cfg.TEST.MIXED_PRECISION),
        bad=bad,
        stopped=lambda: bool(stop.asked),
    )
    if metrics is None:
        raise Interrupted(stop.asked, save(trainer, cfg))
    first = next(iter(metrics))
    improved = metrics[first] < trainer.best.get(first, float("inf"))
    for name, value in metrics.items():
        trainer.best[name] = min(value, trainer.best.get(name, float("inf")))
    record = {
        "_type": "val_epoch",
        "epoch": epoch + 1,
        "epochs": cfg.SOLVER.MAX_EPOCH,
        **metrics,
        **{f"min_{name}": value for name, value in trainer.best.items()},
        "time_diff": time.perf_counter() - since,
        **memory_gb(),
    }
    journal.write(record, step=(epoch + 1) * len(trainer.loader))
    if improved:
        save(trainer, cfg, best=True)


def _evaluation_is_missing(journal: Journal, cfg: Any, epoch: int) -> bool:
    """Whether the run stopped between the checkpoint of ``epoch`` (from 1) and its evaluation."""
    if epoch == 0 or not _is_due(epoch - 1, cfg.TRAIN.EVAL_PERIOD, cfg):
        return False
    done = any(r["_type"] == "val_epoch" and r["epoch"] == epoch for r in journal.records())
    return not dist.broadcast_object(done)


def _is_due(epoch: int, period: int, cfg: Any) -> bool:
    """Every ``period`` epochs, and after the last one."""
    return (epoch + 1) % max(period, 1) == 0 or epoch + 1 == cfg.SOLVER.MAX_EPOCH


def _explain(error: NonFiniteLoss, cfg: Any, *, epoch: int, index: int) -> ValueError:
    """Save the batch and say where it happened, on what, and what usually helps."""
    batch = error.batch
    path = Path(cfg.OUTPUT_DIR) / f"nonfinite_batch_rank{dist.rank()}.pt"
    torch.save(
        {"clips": batch.clips.cpu(), "labels": batch.labels.cpu(), "paths": list(batch.paths)}, path
    )
    return ValueError(
        f"the loss is {error.loss} at epoch {epoch + 1}, iteration {index + 1} (rank "
        f"{dist.rank()}), on {', '.join(batch.paths)}; nothing was saved after it. The batch is "
        f"in {path}. A lower SOLVER.BASE_LR, a longer SOLVER.WARMUP_EPOCHS, "
        "SOLVER.CLIP_GRAD_L2NORM 1.0 or TRAIN.AMP_DTYPE bfloat16 usually help"
    )
