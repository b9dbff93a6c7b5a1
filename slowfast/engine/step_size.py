"""What a step of a run takes, in one line of its log."""

from __future__ import annotations

from typing import Any

from slowfast import dist
from slowfast.log import LOGGER


def log_step(clips: int, cfg: Any) -> None:
    """Log the clips' videos of a step, who shares them, the learning rate, and what is averaged.

    Args:
        clips: of all processes together.
    """
    processes = dist.world_size()
    parts = min(cfg.TRAIN.GRAD_ACCUM_STEPS, clips // processes)
    each = f"{clips // processes} each" + (f" in {parts} parts" if parts > 1 else "")
    LOGGER.info(
        "a step takes %d videos (TRAIN.BATCH_SIZE %d x NUM_SHARDS %d) over %d process(es), %s; "
        "SOLVER.BASE_LR %g is used as it stands in config.yaml%s%s",
        clips,
        cfg.TRAIN.BATCH_SIZE,
        cfg.NUM_SHARDS,
        processes,
        each,
        cfg.SOLVER.BASE_LR,
        ", where NUM_SHARDS is in it if BASE_LR_SCALE_NUM_SHARDS asked for it"
        if cfg.NUM_SHARDS > 1
        else "",
        f"; weights are averaged over steps with EMA.DECAY {cfg.EMA.DECAY:g}, and val and test "
        "use the mean"
        if cfg.EMA.ENABLE
        else "",
    )
