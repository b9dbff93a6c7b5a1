"""What a config may ask for that this version cannot do yet: refused, never ignored."""

from __future__ import annotations

from functools import reduce
from typing import Any

# Key -> value that asks for nothing; what concerns data or networks is refused where those are
# built. Each entry goes away with the feature that honours it.
_NEUTRAL: dict[str, Any] = {
    "CONTRASTIVE.PREDICTOR_DEPTHS": [],
    "MASK.ENABLE": False,
    "MIXUP.ENABLE": False,
    "MODEL.FP16_ALLREDUCE": False,
    "MULTIGRID.LONG_CYCLE": False,
    "TRAIN.KILL_LOSS_EXPLOSION_FACTOR": 0.0,
}


def refuse_unsupported(cfg: Any) -> None:
    """Raise ValueError for a setting that training and testing would have to ignore."""
    for key, neutral in _NEUTRAL.items():
        value = reduce(getattr, key.split("."), cfg)
        if value != neutral:
            raise ValueError(
                f"{key} is {value!r}, which this version cannot do yet; it is refused rather "
                f"than ignored. Set it to {neutral!r} to go on without it"
            )
