"""What a config may ask for that this version does not do: refused or warned of, never ignored."""

from __future__ import annotations

from functools import cache, reduce
from typing import Any

from slowfast.log import LOGGER

# Key -> value that asks for nothing; what concerns data or networks is refused where those are
# built. Each entry goes away with the feature that honours it.
_NEUTRAL: dict[str, Any] = {
    "CONTRASTIVE.PREDICTOR_DEPTHS": [],
    "DEMO.ENABLE": False,
    "MASK.ENABLE": False,
    "TENSORBOARD.CATEGORIES_PATH": "",
    "TENSORBOARD.MODEL_VIS.ENABLE": False,
    "TENSORBOARD.PREDICTIONS_PATH": "",
    "VIS_MASK.ENABLE": False,
}
_POLICIES = "SOLVER.LR_POLICY is cosine or steps_with_relative_lrs, with SOLVER.STEPS and LRS"
_CONFUSION = "report.html and test_results.json have the confusion matrix"
# Key -> value that asks for nothing, and where to find what it asks for: the numbers of a run are
# the same without it, so that it is worth a line and not a refusal.
_ELSEWHERE: dict[str, tuple[Any, str]] = {
    "MODEL.DROPCONNECT_RATE": (0.0, "the public networks drop no branch either, whatever it says"),
    "SOLVER.GAMMA": (0.1, _POLICIES),
    "SOLVER.STEP_SIZE": (1, _POLICIES),
    "SOLVER.WARMUP_FACTOR": (0.1, "warm-up starts from SOLVER.WARMUP_START_LR"),
    "TENSORBOARD.CLASS_NAMES_PATH": ("", "DATA.CLASS_NAMES_FILE takes the same file"),
    "TENSORBOARD.CONFUSION_MATRIX.ENABLE": (False, _CONFUSION),
    "TENSORBOARD.HISTOGRAM.ENABLE": (False, f"{_CONFUSION}, whose rows are these histograms"),
    "TENSORBOARD.WRONG_PRED_VIS.ENABLE": (False, "report.html shows wrongly classified videos"),
}


def refuse_unsupported(cfg: Any) -> None:
    """Raise ValueError for a setting that training and testing would have to ignore."""
    for key, neutral in _NEUTRAL.items():
        value = _value(cfg, key)
        if value != neutral:
            raise ValueError(
                f"{key} is {value!r}, which this version cannot do yet; it is refused rather "
                f"than ignored. Set it to {neutral!r} to go on without it"
            )


def warn_of_unused(cfg: Any) -> None:
    """A line in the log for each setting that changes nothing; once, if training and test ask."""
    for key, (neutral, instead) in _ELSEWHERE.items():
        value = _value(cfg, key)
        if value != neutral:
            _warn(f"{key} is {value!r}, which changes nothing here: {instead}", cfg.OUTPUT_DIR)
    if cfg.MODEL.COMPILE and cfg.MVIT.REV.ENABLE:
        _warn(
            "MVIT.REV.ENABLE is True, which changes no memory here: with MODEL.COMPILE the "
            "activations of reversible blocks are kept as those of any others",
            cfg.OUTPUT_DIR,
        )


@cache
def _warn(line: str, _output_dir: str) -> None:
    LOGGER.warning(line)


def _value(cfg: Any, key: str) -> Any:
    return reduce(getattr, key.split("."), cfg)
