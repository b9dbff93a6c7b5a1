"""What a user is told of losses and gradients that are no numbers, and what is kept of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from slowfast import dist
from slowfast.data.batch import Batch
from slowfast.engine.build import Position
from slowfast.engine.guard import Explosion, NonFinite
from slowfast.engine.journal import Journal
from slowfast.log import LOGGER

_ADVICE = (
    "A lower SOLVER.BASE_LR, a longer SOLVER.WARMUP_EPOCHS, SOLVER.CLIP_GRAD_L2NORM 1.0 or "
    "TRAIN.AMP_DTYPE bfloat16 usually help"
)
_SHOWN = 8  # paths of a rank in a message; all of them are in the file
_RANKS = 4  # in a message


def explain(error: NonFinite | Explosion, position: Position, cfg: Any) -> ValueError:
    """The same message on all ranks: where it happened, on what, and what usually helps.

    Ranks that had it save their batch. All ranks must call this.
    """
    place = f"at epoch {position.epoch + 1}, iteration {_iteration(error, position)}"
    if isinstance(error, Explosion):
        return ValueError(
            f"the loss is {error.loss:g} {place}, more than TRAIN.KILL_LOSS_EXPLOSION_FACTOR "
            f"({cfg.TRAIN.KILL_LOSS_EXPLOSION_FACTOR:g}) times its running mean "
            f"({error.mean:g}); nothing was saved after it. {_ADVICE}"
        )
    told = _gather(error, Path(cfg.OUTPUT_DIR))
    again = ""
    if cfg.TRAIN.ON_NONFINITE == "skip":
        again = f" {cfg.TRAIN.MAX_NONFINITE} steps (TRAIN.MAX_NONFINITE) were left out before it."
    return ValueError(
        f"{_what(error, told)} {place} ({_whose(told)}); nothing was saved after it.{again} "
        f"{_ADVICE}"
    )


def note_skipped(skipped: list[NonFinite], position: Position, cfg: Any, journal: Journal) -> None:
    """Write down the steps that were left out; all ranks must call this after each step."""
    while skipped:
        error = skipped.pop(0)
        told = _gather(error, Path(cfg.OUTPUT_DIR))
        iteration = _iteration(error, position)
        LOGGER.warning(
            "%s at epoch %d, iteration %d (%s): the step is left out (TRAIN.ON_NONFINITE skip)",
            _what(error, told),
            position.epoch + 1,
            iteration,
            _whose(told),
        )
        journal.write(
            {
                "_type": "train_skip",
                "epoch": position.epoch + 1,
                "iter": iteration,
                "cause": "loss" if error.ranks else "gradients",
                "ranks": [each["rank"] for each in told],
                "paths": [path for each in told for path in each["paths"]],
            }
        )


def _iteration(error: NonFinite | Explosion, position: Position) -> int:
    """From 1. ``position`` counts the steps done before the one under way."""
    return position.batch + (0 if error.late else 1)


def _gather(error: NonFinite, folder: Path) -> list[dict[str, Any]]:
    """What the ranks say that had it; of gradients, which are summed, that is all of them."""
    mine = None
    if not error.ranks or not math.isfinite(error.loss):
        mine = {
            "rank": dist.rank(),
            "loss": error.loss,
            "paths": list(error.batch.paths),
            "file": _dump(error.batch, folder / f"nonfinite_batch_rank{dist.rank()}.pt"),
        }
    return [each for each in dist.gather_objects(mine) if each is not None]


def _dump(batch: Batch, path: Path) -> str:
    content = {
        "clips": batch.clips.cpu(),
        "labels": batch.labels.cpu(),
        "videos": batch.videos.cpu(),
        "epoch": batch.epoch,
        "paths": list(batch.paths),
    }
    try:
        torch.save(content, path)
    except (OSError, RuntimeError) as error:  # a full disk must not hide the cause
        LOGGER.warning("%s: the batch could not be saved (%s)", path, error)
        return "no file"
    return str(path)


def _what(error: NonFinite, told: list[dict[str, Any]]) -> str:
    if not error.ranks:
        return "the loss is finite, but the gradients are not"
    return f"the loss is {told[0]['loss']}"


def _whose(told: list[dict[str, Any]]) -> str:
    parts = []
    for each in told[:_RANKS]:
        paths = each["paths"]
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        parts.append(
            f"rank {each['rank']}, on {', '.join(paths[:_SHOWN])}{more}; the batch is in "
            f"{each['file']}"
        )
    if len(told) > _RANKS:
        parts.append(f"and {len(told) - _RANKS} more ranks")
    return "; ".join(parts)
