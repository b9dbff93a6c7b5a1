"""The linear rule: a learning rate goes with the number of clips in a step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from fvcore.common.config import CfgNode

from slowfast.log import LOGGER

# A rate that is rounded to two digits keeps the rule.
TOLERANCE = 0.05


@dataclass(frozen=True)
class Rate:
    """What one step takes and how far it goes.

    Args:
        clips: in a step, all machines together.
        base: learning rate after warm-up.
    """

    clips: int
    base: float

    @classmethod
    def of(cls, cfg: CfgNode) -> Rate:
        # Loading multiplies the rate once and sets the key to False: the same before and after.
        factor = cfg.NUM_SHARDS if cfg.SOLVER.BASE_LR_SCALE_NUM_SHARDS else 1
        return cls(cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS, cfg.SOLVER.BASE_LR * factor)

    def for_clips(self, clips: int) -> float:
        """The rate that the rule gives for another number of clips."""
        return self.base * clips / max(self.clips, 1)


def check_rate(recipe: Rate, cfg: CfgNode) -> None:
    """Warn, once, if the rate of a run is not the recipe's in proportion to the clips of a step.

    Linear scaling of Goyal et al., 1706.02677, Sec. 2.1.

    Args:
        recipe: of the files, before the command line changed them.
    """
    run = Rate.of(cfg)
    wanted = recipe.for_clips(run.clips)
    if not cfg.TRAIN.ENABLE or run == recipe or abs(run.base - wanted) <= TOLERANCE * wanted:
        return
    if run.clips == recipe.clips and cfg.TRAIN.CHECKPOINT_FILE_PATH:
        return  # fine-tuning has a rate of its own
    habit = ""
    if cfg.SOLVER.OPTIMIZING_METHOD != "sgd":
        habit = f"; with {cfg.SOLVER.OPTIMIZING_METHOD} the rule is a habit, no more"
    _warn(
        f"a step takes {run.clips} clips (TRAIN.BATCH_SIZE x NUM_SHARDS) at SOLVER.BASE_LR "
        f"{run.base:g}, in the files {recipe.clips} at {recipe.base:g}: the linear rule "
        f"(1706.02677) gives SOLVER.BASE_LR {wanted:g} for {run.clips}{habit}"
    )


@cache
def _warn(line: str) -> None:
    LOGGER.warning(line)
