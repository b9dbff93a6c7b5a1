"""Saving the state of training and going on from it, to the very step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slowfast import dist
from slowfast.config import cfg_from_text
from slowfast.config.errors import one_line
from slowfast.engine.build import Position, Trainer
from slowfast.engine.checkpoint.content import class_names_of
from slowfast.engine.checkpoint.from_cfg import start_from_cfg
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.load import NothingFits
from slowfast.engine.checkpoint.sharded import SHARDED, read_sharded
from slowfast.engine.checkpoint.state import (
    best_path,
    checkpoint_path,
    newest_whole,
    position_of,
    read_checkpoint,
    remove_steps_before,
    set_aside_after,
)
from slowfast.engine.class_order import refuse_other_order, warn_of_other_order
from slowfast.engine.multigrid import Phase, phase_index
from slowfast.engine.training_state import (
    global_batch,
    load_optimizer,
    parts_of,
    state_of,
    trained,
)
from slowfast.log import LOGGER

# Settings that a resumed run may change without a word: where things are, and how much is shown.
_FREE = (
    *("OUTPUT_DIR", "LOG_PERIOD", "LOG_MODEL_INFO", "NUM_GPUS", "TEST", "DATA_LOADER", "REPORT"),
    *("DIST_TIMEOUT_MINUTES", "DIST_MAX_RESTARTS"),
)
# What a state of other things than ours makes its readers raise.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError)


def save(trainer: Trainer, cfg: Any, *, best: bool = False) -> Path:
    """Write the whole state; with ``TRAIN.CHECKPOINT_ASYNC`` training goes on meanwhile."""
    position, task, kind = trainer.position, cfg.TASK, cfg.TRAIN.CHECKPOINT_FORMAT
    path = checkpoint_path(
        cfg.OUTPUT_DIR, position.epoch, step=position.batch, task=task, kind=kind
    )
    if best:
        path = best_path(cfg.OUTPUT_DIR, task=task, kind=kind)

    def then() -> None:
        if not best:
            remove_steps_before(cfg.OUTPUT_DIR, path, keep=2, task=task)
        LOGGER.info("saved %s", path)

    trainer.saves.write(path, state_of(trainer, cfg), then=then)
    return path


def _read_own(trainer: Trainer, path: Path) -> dict[str, Any]:
    """A checkpoint of this run, of which rank 0 has seen that it is whole."""
    if path.suffix != SHARDED:
        return read_checkpoint(path)
    parts = parts_of(trainer.net, trainer.stepper.optimizer, trainer.average)
    return read_sharded(path, source=str(path), like=parts, verified=True)


def resume(trainer: Trainer, cfg: Any) -> bool:
    """Go on from OUTPUT_DIR, else start from ``TRAIN.CHECKPOINT_FILE_PATH``, else from scratch.

    All ranks load the file that rank 0 found.

    Returns:
        Whether this run is continued, rather than begun.
    """
    own = None
    if cfg.TRAIN.AUTO_RESUME and dist.is_main():
        own = newest_whole(cfg.OUTPUT_DIR, task=cfg.TASK)
    own = dist.broadcast_object(own)
    if own is not None:
        content = _read_own(trainer, own)
        refuse_other_order(class_names_of(content), trainer.class_names, source=str(own))
        try:
            same = _load_all(trainer, cfg, content, source=str(own))
        except NothingFits:
            same = False
        if not same:
            raise CheckpointError(
                f"{own}: is of another network than this config, and a run goes on from what is in "
                "its OUTPUT_DIR: set another one, with TRAIN.CHECKPOINT_FILE_PATH to start from "
                "these weights, or TRAIN.AUTO_RESUME False to begin anew"
            )
        _warn_of_changes(content, trainer.phase.recipe, source=str(own))
    elif cfg.TRAIN.CHECKPOINT_FILE_PATH:
        source = cfg.TRAIN.CHECKPOINT_FILE_PATH
        content = read_checkpoint(source, caffe2=cfg.TRAIN.CHECKPOINT_TYPE == "caffe2")
        warn_of_other_order(class_names_of(content), trainer.class_names, source=source)
        if cfg.TRAIN.CHECKPOINT_EPOCH_RESET or "epoch" not in content:
            _load_net(trainer, cfg, content, source=source)
            LOGGER.info("starting at epoch 1 with the weights of %s", source)
        else:
            _load_all(trainer, cfg, content, source=source)
            _check_something_is_left(trainer, cfg, source=source)
    _set_aside(trainer, cfg, own)
    return own is not None


def _set_aside(trainer: Trainer, cfg: Any, own: Path | None) -> None:
    """Of this run's checkpoints, those that are further than where it begins are not its own."""
    begin = (trainer.position.epoch, trainer.position.batch)
    if own is not None:  # which says it in batches of the size that was
        begin = position_of(own)
    dist.barrier()  # all have read what this one begins with, which may be one of them
    moved = set_aside_after(cfg.OUTPUT_DIR, begin, task=cfg.TASK) if dist.is_main() else []
    if moved:
        LOGGER.warning(
            "%d checkpoint(s) in OUTPUT_DIR are further than where this run begins, up to %s: they "
            "were moved to %s, so that nothing goes on from them",
            *(len(moved), moved[0].name, moved[0].parent),
        )


def first_phase(plan: Sequence[Phase], cfg: Any) -> int:
    """The phase of the checkpoint that this run goes on from; the first one without any.

    At the end of a phase it is the one that has ended: what follows it is done again, exactly.
    """
    own = None
    if len(plan) > 1 and cfg.TRAIN.AUTO_RESUME and dist.is_main():
        own = newest_whole(cfg.OUTPUT_DIR, task=cfg.TASK)
    own = dist.broadcast_object(own)
    if own is None:
        return 0
    epoch, batch = position_of(own)
    return phase_index(plan, epoch=epoch, batch=batch)


def carry_over(before: Trainer, after: Trainer, cfg: Any) -> None:
    """Go on in the next phase with all that the one before has learned, as after a resume."""
    _load_all(after, cfg, state_of(before, cfg), source="the phase before")


def _check_something_is_left(trainer: Trainer, cfg: Any, *, source: str) -> None:
    """A run that begins at its end would train nothing and test the weights of another."""
    done = trainer.position.epoch
    if done >= cfg.SOLVER.MAX_EPOCH:
        raise CheckpointError(
            f"{source}: was saved after epoch {done}, and SOLVER.MAX_EPOCH is "
            f"{cfg.SOLVER.MAX_EPOCH}: nothing is left to train. Set TRAIN.CHECKPOINT_EPOCH_RESET "
            "True to start at epoch 1 with its weights, or a larger SOLVER.MAX_EPOCH to go on"
        )


def _load_net(trainer: Trainer, cfg: Any, content: dict[str, Any], *, source: str) -> bool:
    report = start_from_cfg(trainer.net, content, cfg, source=source)
    LOGGER.info("%s: %s", source, report)
    return report.exact


def _load_all(trainer: Trainer, cfg: Any, content: dict[str, Any], *, source: str) -> bool:
    """Weights, optimizer, scaler, position, means and the best figures.

    Returns:
        Whether it was all of that; of another network only weights are taken.
    """
    exact = _load_net(trainer, cfg, content, source=source)
    ours = content.get("slowfast", {})
    if not exact:
        LOGGER.warning(
            "%s is not of this very network: its optimizer state and epoch are not used", source
        )
        return False
    _load_optimizer(trainer, cfg, content, source=source)
    if content.get("scaler_state") and trainer.stepper.scaler.is_enabled():
        trainer.stepper.scaler.load_state_dict(content["scaler_state"])
    position = ours.get("position", {"epoch": content.get("epoch", -1) + 1, "batch": 0})
    trainer.position = _position(trainer, cfg, position, ours, source=source)
    trainer.best = dict(ours.get("best", {}))
    _load_average(trainer, ours.get("ema_state", {}), source=source)
    _load_means(trainer, ours.get("means", []))
    trainer.stepper.guard.load(ours.get("guard", {}))
    epoch, batch = trainer.position.epoch, trainer.position.batch
    if epoch >= cfg.SOLVER.MAX_EPOCH:
        LOGGER.info("%s: all %d epochs are trained", source, cfg.SOLVER.MAX_EPOCH)
    else:
        LOGGER.info("going on from %s at epoch %d, iteration %d", source, epoch + 1, batch + 1)
    return True


def _load_average(trainer: Trainer, state: dict[str, Any], *, source: str) -> None:
    try:
        trainer.average.load(state)
    except _MALFORMED as error:
        raise CheckpointError(
            f"{source}: the averaged weights (EMA) are not of this network "
            f"({one_line(str(error))[:200]}); set EMA.ENABLE False, or use another checkpoint"
        ) from error


def _load_optimizer(trainer: Trainer, cfg: Any, content: dict[str, Any], *, source: str) -> None:
    optimizer = trainer.stepper.optimizer
    try:
        if "optimizer_state" in content:
            _check_trained(trainer, content.get("slowfast", {}).get("trained"))
            load_optimizer(optimizer, content["optimizer_state"])
    except _MALFORMED as error:
        raise CheckpointError(
            f"{source}: the optimizer state does not fit {cfg.SOLVER.OPTIMIZING_METHOD} with "
            f"these parameter groups ({error}); to start from its weights alone set "
            "TRAIN.CHECKPOINT_EPOCH_RESET True with its path in TRAIN.CHECKPOINT_FILE_PATH, and "
            "another OUTPUT_DIR"
        ) from error


def _check_trained(trainer: Trainer, then: list[str] | None) -> None:
    """Raise ValueError if other parameters were trained: their states would pass for these."""
    now = trained(trainer.net, trainer.stepper.optimizer)
    if then is None or list(then) == now:
        return
    changed = sorted(set(then) ^ set(now)) or [a for a, b in zip(then, now, strict=True) if a != b]
    raise ValueError(
        f"{len(then)} parameters were trained and now {len(now)}, which differ in {changed[0]} and "
        f"{len(changed) - 1} more: MODEL.FREEZE or what is decayed has changed"
    )


def _position(
    trainer: Trainer,
    cfg: Any,
    position: dict[str, int],
    ours: dict[str, Any],
    *,
    source: str,
) -> Position:
    """Where to go on; with another global batch, after as many videos of the epoch."""
    now = global_batch(trainer.phase.recipe)
    before = ours.get("global_batch", now)
    epoch, batch = position["epoch"], position["batch"]
    if before != now:
        if not cfg.TRAIN.ALLOW_BATCH_CHANGE:
            raise CheckpointError(
                f"{source}: was saved by a run with {before} clips a step, and this one takes "
                f"{now}: it would be another run. Set TRAIN.BATCH_SIZE so that its product with "
                f"the number of machines is {before}; or TRAIN.ALLOW_BATCH_CHANGE True to go on "
                "with another batch, and SOLVER.BASE_LR to fit it"
            )
        moved = min(batch * before // now, len(trainer.loader))
        LOGGER.warning(
            "%s was saved with %d clips a step; going on with %d, after %d of %d iterations of "
            "epoch %d, in the order of the new batch (TRAIN.ALLOW_BATCH_CHANGE)",
            *(source, before, now, moved, len(trainer.loader), epoch + 1),
        )
        return Position(epoch, moved)
    saved, total = ours.get("batches_per_epoch"), len(trainer.loader)
    if batch and saved != total:
        raise CheckpointError(
            f"{source}: was saved in the middle of an epoch of {saved} batches, but an epoch has "
            f"{total} now. Go on with the same data, or name a checkpoint of a whole epoch in "
            "TRAIN.CHECKPOINT_FILE_PATH with another OUTPUT_DIR"
        )
    return Position(epoch, batch)


def _load_means(trainer: Trainer, means: list[dict[str, Any]]) -> None:
    """Each rank takes its own sums back; with another number of ranks rank 0 takes them all."""
    if not means or (len(means) != dist.world_size() and not dist.is_main()):
        return
    mine = [means[dist.rank()]] if len(means) == dist.world_size() else means
    for state in mine:
        trainer.epoch_means.load(state["epoch"], device=trainer.device)
        trainer.window_means.load(state["window"], device=trainer.device)


def _warn_of_changes(content: dict[str, Any], cfg: Any, *, source: str) -> None:
    """Name the settings that differ from the run that is continued."""
    if not isinstance(content.get("cfg"), str) or not dist.is_main():
        return
    old, new = _flat(cfg_from_text(content["cfg"])), _flat(cfg)
    for key in sorted(set(old) & set(new)):
        if old[key] != new[key] and not key.startswith(_FREE):
            LOGGER.warning(
                "%s was saved with %s %r; going on with %r", source, key, old[key], new[key]
            )


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
