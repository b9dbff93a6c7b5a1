"""What a config may ask for that this version does not do: refused or warned of, never ignored."""

from __future__ import annotations

from functools import cache, reduce
from typing import Any

from slowfast import dist
from slowfast.config import clips_per_process
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


def check_batch_norm(cfg: Any) -> None:
    """Raise ValueError if batch norm cannot divide the clips of a step as it is told to.

    For each phase of training before the first begins: it would end a run that has come far.
    """
    bn, clips = cfg.BN, clips_per_process(cfg, "TRAIN")
    if cfg.MODEL.FROZEN_BN:
        return
    change = f"change {{}} or TRAIN.BATCH_SIZE ({cfg.TRAIN.BATCH_SIZE})"
    if cfg.MULTIGRID.LONG_CYCLE:
        change = (
            f"the schedule asks for it in batches of {cfg.TRAIN.BATCH_SIZE}: change "
            f"MULTIGRID.BN_BASE_SIZE ({cfg.MULTIGRID.BN_BASE_SIZE}) or the recipe's "
            f"TRAIN.BATCH_SIZE ({cfg.MULTIGRID.DEFAULT_B})"
        )
    world, parts = dist.world_size(), min(cfg.TRAIN.GRAD_ACCUM_STEPS, clips)
    split = bn.NORM_TYPE == "sub_batchnorm" and bn.NUM_SPLITS > 1
    if split and clips % (parts * bn.NUM_SPLITS):
        cut = f" in TRAIN.GRAD_ACCUM_STEPS {parts}" if parts > 1 else ""
        raise ValueError(
            f"BN.NUM_SPLITS is {bn.NUM_SPLITS}, which does not divide the {clips} clips of a "
            f"process{cut} into equal parts; {change.format('BN.NUM_SPLITS')}"
        )
    grouped = bn.NORM_TYPE == "sync_batchnorm" and not bn.GLOBAL_SYNC
    if grouped and world > 1 and world % bn.NUM_SYNC_DEVICES:
        raise ValueError(
            f"BN.NUM_SYNC_DEVICES is {bn.NUM_SYNC_DEVICES}, which does not divide the {world} "
            f"processes of this run into equal groups; {change.format('BN.NUM_SYNC_DEVICES')}, or "
            "set BN.GLOBAL_SYNC True"
        )


def warn_of_unused(cfg: Any) -> None:
    """A line in the log for each setting that changes nothing; once, if training and test ask."""
    for key, (neutral, instead) in _ELSEWHERE.items():
        value = _value(cfg, key)
        if value != neutral:
            _warn(f"{key} is {value!r}, which changes nothing here: {instead}", cfg.OUTPUT_DIR)
    kind = cfg.BN.NORM_TYPE
    for key, ours in (
        ("BN.NUM_SPLITS", ("sub_batchnorm",)),
        ("BN.NUM_SYNC_DEVICES", ("sync_batchnorm",)),
        ("BN.GLOBAL_SYNC", ("sync_batchnorm", "sync_batchnorm_apex")),
    ):
        value = _value(cfg, key)
        asked = value not in (1, False) or value is True
        if asked and kind not in ours and not cfg.MULTIGRID.LONG_CYCLE:
            _warn(
                f"{key} is {value!r}, which changes nothing with BN.NORM_TYPE {kind!r}; set that "
                f"to {ours[0]!r}",
                cfg.OUTPUT_DIR,
            )
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
