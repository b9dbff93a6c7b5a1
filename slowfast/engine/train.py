"""Training: epochs of steps, with evaluation and checkpoints where they are due."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from slowfast import dist
from slowfast.config import clips_per_process
from slowfast.data.bad_samples import BadSampleLog
from slowfast.data.loader import TrainLoader
from slowfast.data.loader_workers import attended
from slowfast.data.workers import usable_cores
from slowfast.engine.build import Trainer, build_trainer
from slowfast.engine.folder_lock import only_training_in
from slowfast.engine.guard import Explosion, KeptBuffers, NonFinite
from slowfast.engine.journal import Journal
from slowfast.engine.meters import Clock, Progress, Speed
from slowfast.engine.multigrid import Phase, phases
from slowfast.engine.nonfinite import explain, note_skipped
from slowfast.engine.precise_bn import precise_bn
from slowfast.engine.profile import log_model_info
from slowfast.engine.record import open_run, record_data
from slowfast.engine.resume import carry_over, first_phase, resume, save
from slowfast.engine.step_size import log_step
from slowfast.engine.stop import (
    Interrupted,
    PassCutShort,
    StoppableLoader,
    StopSignal,
    StopVote,
    agree_to_stop,
)
from slowfast.engine.support import check_batch_norm, refuse_unsupported
from slowfast.engine.to_device import ToDevice
from slowfast.engine.train_records import epoch_record, iteration_record
from slowfast.engine.validation import best_so_far, is_evaluated, validate
from slowfast.log import LOGGER
from slowfast.randomness import seed_from_key


def train(cfg: Any, *, build: Callable[[Any], Trainer] = build_trainer) -> None:
    """Train as the config says, from the newest checkpoint of OUTPUT_DIR if there is one.

    Args:
        build: what makes the trainer; tests put faults into it.

    Raises:
        ValueError: the config asks for what cannot be had, or the loss is not finite or explodes;
            the same on all ranks.
        Interrupted: one of `stop.SIGNALS` came to any rank; the state was saved.
    """
    refuse_unsupported(cfg)
    clips_per_process(cfg, "TRAIN")  # raises if a step cannot be shared evenly
    with only_training_in(Path(cfg.OUTPUT_DIR)):
        journal = open_run(cfg)
        bad = BadSampleLog(cfg.OUTPUT_DIR, max_fraction=cfg.DATA.MAX_BAD_FRACTION, rank=dist.rank())
        plan = phases(cfg)
        for phase in plan:
            check_batch_norm(phase.cfg)
        trainer: Trainer | None = None
        with StopSignal() as stop:
            for phase in plan[first_phase(plan, cfg) :]:
                trainer, missed = _begin(phase, trainer, cfg, journal, bad, stop, build=build)
                _train_phase(trainer, phase.cfg, journal, bad, stop, missed=missed)
        journal.close()


def _begin(
    phase: Phase,
    before: Trainer | None,
    cfg: Any,
    journal: Journal,
    bad: BadSampleLog,
    stop: StopSignal,
    *,
    build: Callable[[Any], Trainer],
) -> tuple[Trainer, bool]:
    """The trainer of a phase, which goes on from the one before it or from a checkpoint.

    Returns:
        And whether the run ended between an epoch and its evaluation.
    """
    trainer = build(phase.cfg)
    trainer.phase = phase
    trainer.stepper.guard.asked = lambda: stop.asked
    log_step(trainer.loader.batches.batch_size, phase.cfg)
    if before is not None:
        carry_over(before, trainer, phase.cfg)
        return trainer, False
    record_data(cfg, {"train": trainer.loader.dataset.records})
    if trainer.val_loader is not None:
        records = trainer.val_loader.dataset.records
        record_data(cfg, {"val": records})
        trainer.task.evaluator(records)  # what it lacks is told before an epoch is trained
    if cfg.LOG_MODEL_INFO and dist.is_main():
        log_model_info(trainer.net, cfg)
    return trainer, _take_up(trainer, phase.cfg, journal, bad)


def _train_phase(
    trainer: Trainer,
    cfg: Any,
    journal: Journal,
    bad: BadSampleLog,
    stop: StopSignal,
    *,
    missed: bool,
) -> None:
    with attended(trainer.loader, trainer.val_loader), trainer.saves:
        try:
            if missed:
                validate(trainer, cfg, journal, bad, stop, epoch=trainer.position.epoch - 1)
            _train_epochs(trainer, cfg, journal, bad, stop)
        except (NonFinite, Explosion) as error:
            raise explain(error, trainer.position, cfg) from error


def _train_epochs(
    trainer: Trainer, cfg: Any, journal: Journal, bad: BadSampleLog, stop: StopSignal
) -> None:
    is_due = trainer.phase.is_due
    for epoch in range(trainer.position.epoch, trainer.phase.last):
        train_epoch(trainer, cfg, journal, bad, stop, epoch=epoch)
        if is_due(epoch, cfg.TRAIN.CHECKPOINT_PERIOD):
            save(trainer, cfg)
        if is_due(epoch, cfg.TRAIN.EVAL_PERIOD):
            validate(trainer, cfg, journal, bad, stop, epoch=epoch)
        if number := agree_to_stop(stop, trainer.device):
            raise Interrupted(number, save(trainer, cfg))


def _take_up(trainer: Trainer, cfg: Any, journal: Journal, bad: BadSampleLog) -> bool:
    """Go on where the run was; whether it ended between an epoch and its evaluation."""
    continued = resume(trainer, cfg)
    at = trainer.position
    step = at.epoch * len(trainer.loader) + at.batch
    journal.rewind(epoch=at.epoch, batch=at.batch, step=step)
    bad.rewind(epoch=at.epoch, batch=at.batch)
    dist.barrier()
    if not continued:
        return False
    trainer.best |= best_so_far(journal)
    due = (
        at.batch == 0 and at.epoch > 0 and trainer.phase.is_due(at.epoch - 1, cfg.TRAIN.EVAL_PERIOD)
    )
    return due and not is_evaluated(journal, at.epoch)


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
            bad.add(batch.bad, seen=len(batch) + len(batch.bad), epoch=epoch, batch=i)
            shown: dict[str, str] = {}
            lr = trainer.schedule(epoch + i / total)
            if len(batch):  # or nothing in it could be read, and there is nothing to learn from
                _step(trainer, cfg, batch, lr, epoch=epoch, index=i)
                note_skipped(trainer.stepper.guard.skipped, position, cfg, journal)
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
                _between_steps(trainer, cfg, journal, stop)
    _settle(trainer, cfg, journal)
    speed = Speed.between(started, clock.snapshot())
    if cfg.BN.USE_PRECISE_STATS and any(
        trainer.phase.is_due(epoch, period)
        for period in (cfg.TRAIN.CHECKPOINT_PERIOD, cfg.TRAIN.EVAL_PERIOD)
    ):
        _precise_bn(trainer, cfg, stop, epoch=epoch)
    position.epoch, position.batch = epoch + 1, 0
    record = epoch_record(trainer, cfg, speed, epoch=epoch)
    journal.write(record, step=(epoch + 1) * total)
    LOGGER.info("epoch %d: %s", epoch + 1, _verdict(speed, loader, cfg))


def _verdict(speed: Speed, loader: TrainLoader, cfg: Any) -> str:
    return speed.verdict(loader.num_workers * dist.processes_from_cfg(cfg), usable_cores())


def _step(trainer: Trainer, cfg: Any, batch: Any, lr: float, *, epoch: int, index: int) -> None:
    batch = trainer.augment(batch.to(trainer.device, non_blocking=True))
    seed = seed_from_key(cfg.RNG_SEED, "step", epoch, index, dist.rank())
    out = trainer.stepper(batch, lr, seed=seed)
    trainer.window_means.update(out, batch.num_labelled)
    trainer.epoch_means.update(out, batch.num_labelled)


def _settle(trainer: Trainer, cfg: Any, journal: Journal) -> None:
    """Wait for what a GPU has still to say of the last step, before anything is saved."""
    trainer.stepper.guard.flush()
    note_skipped(trainer.stepper.guard.skipped, trainer.position, cfg, journal)


def _between_steps(trainer: Trainer, cfg: Any, journal: Journal, stop: StopSignal) -> None:
    """Save where ``TRAIN.CHECKPOINT_PERIOD_STEPS`` or a signal asks for it."""
    trainer.saves.check()
    position = trainer.position
    step = position.epoch * len(trainer.loader) + position.batch
    period = cfg.TRAIN.CHECKPOINT_PERIOD_STEPS
    # Several ranks obey what they agreed on in a step; one alone obeys at once.
    asked = stop.asked if dist.world_size() == 1 else trainer.stepper.guard.stop
    if asked or (period and step % period == 0):
        _settle(trainer, cfg, journal)
        path = save(trainer, cfg)
        if asked:
            raise Interrupted(asked, path)


def _precise_bn(trainer: Trainer, cfg: Any, stop: StopSignal, *, epoch: int) -> None:
    """Precise BN at the end of ``epoch``, of which all batches are done.

    Raises:
        Interrupted: a signal came meanwhile; the continued run begins with it.
    """
    # Evaluation takes the averaged network, whose weights have other statistics.
    nets = list(dict.fromkeys([trainer.net, trainer.average.net]))
    kept = KeptBuffers([buffer for net in nets for buffer in net.buffers()])
    kept.keep()
    votes = min(cfg.BN.NUM_BATCHES_PRECISE, len(trainer.loader))
    try:
        for net in nets:
            vote = StopVote(stop, trainer.device, votes=votes)
            precise_bn(
                net,
                StoppableLoader(trainer.loader, vote),
                trainer.task.predict,
                augment=trainer.augment,
                epoch=epoch,
                num_batches=cfg.BN.NUM_BATCHES_PRECISE,
                device=trainer.device,
            )
    except PassCutShort:
        kept.restore(torch.ones((), dtype=torch.bool, device=trainer.device))
        raise Interrupted(vote.number, save(trainer, cfg)) from None
