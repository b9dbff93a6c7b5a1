"""Multigrid training: many small clips a step at first, few whole ones at last (1912.00998)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from slowfast import dist
from slowfast.config import ConfigError, with_values
from slowfast.config.check import check_across_sections
from slowfast.log import LOGGER


@dataclass(frozen=True)
class Shape:
    """What a step takes.

    Args:
        batch: clips, in batches of the recipe.
        frames: T.
        crop: side S, pixels.
    """

    batch: int
    frames: int
    crop: int


@dataclass(frozen=True)
class Stage:
    """Consecutive epochs of one shape and one rate.

    Args:
        step: number of the recipe's learning-rate step.
        end: first epoch after it.
    """

    step: int
    shape: Shape
    end: int


@dataclass(frozen=True)
class Phase:
    """Epochs ``first`` to ``last`` - 1, trained with one config.

    Args:
        recipe: what the user asked for, which checkpoints carry.
        visits: evaluations and checkpoints in it, roughly; 0: as the periods of the config say.
    """

    cfg: Any
    recipe: Any
    first: int
    last: int
    visits: int = 0

    def is_due(self, epoch: int, period: int) -> bool:
        """Whether what happens every ``period`` epochs follows ``epoch``; it follows the last."""
        if not self.visits:
            return (epoch + 1) % max(period, 1) == 0 or epoch + 1 == self.last
        every = (self.last - self.first) // self.visits + 1
        return (self.last - 1 - epoch) % every == 0


def phases(cfg: Any) -> list[Phase]:
    """The training of a recipe in parts; a single one without multigrid.

    Raises:
        ValueError: the long cycle has no learning-rate steps to divide.
    """
    multigrid = cfg.MULTIGRID
    if not (multigrid.LONG_CYCLE or multigrid.SHORT_CYCLE):
        return [Phase(cfg, cfg, 0, cfg.SOLVER.MAX_EPOCH)]
    recipe = with_values(cfg, _defaults(cfg))
    if not multigrid.LONG_CYCLE:
        return [Phase(recipe, cfg, 0, cfg.SOLVER.MAX_EPOCH)]
    stages = long_cycle(cfg)
    rates = _rates(cfg, stages)
    firsts = [0, *(stage.end for stage in stages)]
    found = []
    changed = recipe  # what a stage leaves unsaid stays as the one before had it
    for first, stage in zip(firsts, stages, strict=False):
        if first == stage.end:
            continue  # too short a training for this shape
        changed = with_values(changed, {**rates, **_shape_values(cfg, stage.shape)})
        _check(changed, cfg, stage.shape)
        found.append(Phase(changed, cfg, first, stage.end, multigrid.EVAL_FREQ))
    if not found:
        raise ValueError(
            f"SOLVER.MAX_EPOCH {cfg.SOLVER.MAX_EPOCH} times MULTIGRID.EPOCH_FACTOR "
            f"{multigrid.EPOCH_FACTOR:g} is no whole epoch, so that nothing would be trained; "
            "raise one of them"
        )
    ends_with, last = found[-1].cfg.DATA, stages[-1].shape
    if (last.frames, last.crop) != (ends_with.NUM_FRAMES, ends_with.TRAIN_CROP_SIZE):
        LOGGER.warning(
            "training is too short for the last shape of MULTIGRID.LONG_CYCLE_FACTORS, which gets "
            "no epoch at the end: the last clips have %d frames of %d pixels, not %d of %d",
            *(ends_with.NUM_FRAMES, ends_with.TRAIN_CROP_SIZE, last.frames, last.crop),
        )
    return found


def _check(changed: Any, cfg: Any, shape: Shape) -> None:
    """Raise if a rule does not hold in a phase, naming the numbers that the user gave."""
    try:
        check_across_sections(changed)
    except ConfigError as error:
        raise ConfigError(
            f"MULTIGRID.LONG_CYCLE_FACTORS make {shape.frames} frames of {shape.crop} pixels of "
            f"DATA.NUM_FRAMES {cfg.DATA.NUM_FRAMES} and TRAIN_CROP_SIZE "
            f"{cfg.DATA.TRAIN_CROP_SIZE}, for which {error}; change the factors, or what they "
            "multiply"
        ) from error


def phase_index(plan: Sequence[Phase], *, epoch: int, batch: int) -> int:
    """The phase that was under way, or has just ended, after so many epochs and batches."""
    under_way = epoch if batch or not epoch else epoch - 1
    return next((i for i, p in enumerate(plan) if under_way < p.last), len(plan) - 1)


def long_cycle(cfg: Any) -> list[Stage]:
    """Each learning-rate step but the last is divided among all shapes (Sec. 3.2).

    Every shape gets the same number of iterations in a step, that is, epochs in proportion to its
    batch, for which the mean over the short cycle counts. The last step, with the recipe's own
    shape alone, is shortened in iterations as all others are. Then all epochs are scaled so that
    they are EPOCH_FACTOR times those of the recipe.

    Raises:
        ValueError: the learning rate does not go in steps, or in one alone.
    """
    solver, multigrid = cfg.SOLVER, cfg.MULTIGRID
    if solver.LR_POLICY != "steps_with_relative_lrs":
        raise ValueError(
            f"MULTIGRID.LONG_CYCLE is for learning rates in steps, but SOLVER.LR_POLICY is "
            f"{solver.LR_POLICY!r}; set it to 'steps_with_relative_lrs' with SOLVER.STEPS and "
            "SOLVER.LRS, or LONG_CYCLE False"
        )
    reached = [step for step in solver.STEPS if step <= solver.MAX_EPOCH]
    if len(reached) < 2:
        raise ValueError(
            f"MULTIGRID.LONG_CYCLE divides each step of the learning rate but the last, and "
            f"SOLVER.STEPS {list(solver.STEPS)} has {len(reached)} within SOLVER.MAX_EPOCH "
            f"{solver.MAX_EPOCH}; give two or more, or set LONG_CYCLE False"
        )
    shapes = [_shape(cfg, *factors) for factors in multigrid.LONG_CYCLE_FACTORS]
    batches = [_mean_batch(cfg, shape) for shape in shapes]
    mean = sum(batches) / len(batches)
    steps = [*reached, solver.MAX_EPOCH]
    planned: list[tuple[int, Shape, float]] = []
    for step, (begin, end) in enumerate(pairwise(steps)):
        if step + 2 < len(steps):
            shares = [(end - begin) * batch / sum(batches) for batch in batches]
            planned += [(step, s, share) for s, share in zip(shapes, shares, strict=True)]
        else:
            planned.append((step, shapes[-1], (end - begin) * batches[-1] / mean))
    total = sum(epochs for *_, epochs in planned)
    scale = solver.MAX_EPOCH * multigrid.EPOCH_FACTOR / total
    ends = accumulate(epochs * scale for *_, epochs in planned)
    return [
        Stage(step, shape, round(end)) for (step, shape, _), end in zip(planned, ends, strict=True)
    ]


def _shape(cfg: Any, frames: float, crop: float) -> Shape:
    """The shape of LONG_CYCLE_FACTORS with as many pixels in a step as the recipe's."""
    data = cfg.DATA
    t, s = round(data.NUM_FRAMES * frames), round(data.TRAIN_CROP_SIZE * crop)
    if not (t and s):
        raise ValueError(
            f"MULTIGRID.LONG_CYCLE_FACTORS [{frames:g}, {crop:g}] make {t} frames of {s} pixels "
            f"of DATA.NUM_FRAMES {data.NUM_FRAMES} and TRAIN_CROP_SIZE {data.TRAIN_CROP_SIZE}; "
            "use larger factors"
        )
    return Shape(_relative_batch(cfg, t, s), t, s)


def _relative_batch(cfg: Any, frames: int, crop: float) -> int:
    data = cfg.DATA
    return max(round(data.NUM_FRAMES * data.TRAIN_CROP_SIZE**2 / (frames * crop**2)), 1)


def _mean_batch(cfg: Any, shape: Shape) -> float:
    """Over the crops of the short cycle; the batch itself without one."""
    if not cfg.MULTIGRID.SHORT_CYCLE:
        return shape.batch
    crops = [cfg.DATA.TRAIN_CROP_SIZE * factor for factor in cfg.MULTIGRID.SHORT_CYCLE_FACTORS]
    batches = [_relative_batch(cfg, shape.frames, crop) for crop in (*crops, shape.crop)]
    return sum(batches) / len(batches)


def _rates(cfg: Any, stages: Sequence[Stage]) -> dict[str, Any]:
    """The learning rate grows with the batch (Sec. 3.2); the last stage ends with a lower one."""
    starts = [0, *(stage.end for stage in stages)]
    before, end = starts[-2:]
    factors = [cfg.SOLVER.LRS[stage.step] * stage.shape.batch for stage in stages]
    steps = [*starts[:-1], (before + end) // 2]
    rates = [*factors[:-1], factors[-2], factors[-1]]
    # In a short training some last for no epoch at all.
    kept = [i for i, (step, after) in enumerate(pairwise([*steps, end])) if step < after]
    return {
        "SOLVER.STEPS": [steps[i] for i in kept],
        "SOLVER.LRS": [rates[i] for i in kept],
        "SOLVER.MAX_EPOCH": end,
    }


def _shape_values(cfg: Any, shape: Shape) -> dict[str, Any]:
    batch = cfg.TRAIN.BATCH_SIZE * shape.batch
    processes = dist.processes_from_cfg(cfg)
    return {
        "TRAIN.BATCH_SIZE": batch,
        "DATA.NUM_FRAMES": shape.frames,
        "DATA.TRAIN_CROP_SIZE": shape.crop,
        "MULTIGRID.LONG_CYCLE_SAMPLING_RATE": cfg.DATA.SAMPLING_RATE
        * (cfg.DATA.NUM_FRAMES // shape.frames),
        **_norm_values(
            batch / processes, cfg.MULTIGRID.BN_BASE_SIZE, processes=processes * cfg.NUM_SHARDS
        ),
    }


def _norm_values(clips: float, base: int, *, processes: int) -> dict[str, Any]:
    """Batch norm over ``base`` clips, or all that there are, whatever a process has (Sec. 3.3)."""
    if clips < base:
        devices = int(base / clips)
        # One process alone is plain batch norm, whatever the number.
        devices = devices if processes == 1 else min(devices, processes)
        return {"BN.NORM_TYPE": "sync_batchnorm", "BN.NUM_SYNC_DEVICES": devices}
    if clips == base:
        return {"BN.NORM_TYPE": "batchnorm"}
    return {"BN.NORM_TYPE": "sub_batchnorm", "BN.NUM_SPLITS": int(clips / base)}


def _defaults(cfg: Any) -> dict[str, Any]:
    """The recipe's own shape, which the shapes of phases are relative to."""
    return {
        "MULTIGRID.DEFAULT_B": cfg.TRAIN.BATCH_SIZE,
        "MULTIGRID.DEFAULT_T": cfg.DATA.NUM_FRAMES,
        "MULTIGRID.DEFAULT_S": cfg.DATA.TRAIN_CROP_SIZE,
    }
