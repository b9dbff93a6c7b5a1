"""Rules that need keys of several sections, and the values that follow from others."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from fvcore.common.config import CfgNode

from slowfast import dist
from slowfast.config.defaults import get_value, set_value
from slowfast.config.errors import ConfigError
from slowfast.config.names import RESNET_FAMILIES
from slowfast.log import LOGGER

LISTS_BY_STAGE = (
    "RESNET.NUM_BLOCK_TEMP_KERNEL",
    "RESNET.SPATIAL_STRIDES",
    "RESNET.SPATIAL_DILATIONS",
    "NONLOCAL.LOCATION",
    "NONLOCAL.GROUP",
)
# Channels of what SLOWFAST.FAST_INPUT makes of a colour frame.
FAST_CHANNELS = {"rgb": 3, "half": 3, "gray": 1, "difference": 1, "flow": 2}
SCALED_RATES = ("SOLVER.BASE_LR", "SOLVER.WARMUP_START_LR", "SOLVER.COSINE_END_LR")


def num_pathways(cfg: CfgNode) -> int:
    """2 for a Slow and a Fast pathway, 1 for a network that takes all frames in one."""
    return 2 if cfg.MODEL.ARCH in cfg.MODEL.MULTI_PATHWAY_ARCH else 1


def clips_per_process(cfg: CfgNode, stage: str, *, processes: int | None = None) -> int:
    """Clips that one process takes of a step of ``stage``, TRAIN or TEST.

    BATCH_SIZE counts the clips of one machine; its processes share them.

    Args:
        processes: of this machine; None: those that exist, or else as many as NUM_GPUS.

    Raises:
        ConfigError: they can't be shared evenly.
    """
    batch = cfg[stage].BATCH_SIZE
    processes = processes or dist.processes_from_cfg(cfg)
    if batch % processes:
        near = max(batch // processes, 1) * processes
        number = "NUM_GPUS" if cfg.NUM_GPUS else "the number of processes"
        change = "NUM_GPUS" if cfg.NUM_GPUS else "--nproc"
        raise ConfigError(
            f"{stage}.BATCH_SIZE ({batch}) must be a multiple of {number} ({processes}): it is "
            f"shared among the processes of a machine. Set {stage}.BATCH_SIZE {near}, or {change}."
        )
    return int(batch // processes)


def check_across_sections(cfg: CfgNode) -> None:
    """Raise if two keys contradict each other; run once all files and overrides are merged."""
    check_network(cfg)
    _check_batches(cfg)
    _check_steps(cfg)
    if cfg.SHARD_ID >= cfg.NUM_SHARDS:
        raise ConfigError(
            f"SHARD_ID ({cfg.SHARD_ID}) must be below NUM_SHARDS ({cfg.NUM_SHARDS}): "
            "machines are numbered from 0"
        )


def check_network(cfg: CfgNode) -> None:
    """Raise if keys contradict each other in what they say of the network and its input."""
    _check_pathways(cfg)
    _check_stages(cfg)


def derive(cfg: CfgNode) -> tuple[str, ...]:
    """Set the values that follow from others; return the keys that changed.

    The rates of BASE_LR_SCALE_NUM_SHARDS are multiplied once: the key is False after that, so
    that a written config, read back, is the same.
    """
    if not cfg.SOLVER.BASE_LR_SCALE_NUM_SHARDS or cfg.NUM_SHARDS == 1:
        return ()
    for path in SCALED_RATES:
        set_value(cfg, path, get_value(cfg, path) * cfg.NUM_SHARDS)
    cfg.SOLVER.BASE_LR_SCALE_NUM_SHARDS = False
    return SCALED_RATES


def _check_pathways(cfg: CfgNode) -> None:
    model, frames, alpha = cfg.MODEL, cfg.DATA.NUM_FRAMES, cfg.SLOWFAST.ALPHA
    pathways = num_pathways(cfg)
    if model.MODEL_NAME in ("ResNet", "ResNet_nopool", "X3D") and pathways == 2:
        raise ConfigError(
            f"MODEL.MODEL_NAME {model.MODEL_NAME!r} has one pathway, but MODEL.ARCH is "
            f"{model.ARCH!r}. Set MODEL.MODEL_NAME SlowFast, or an ARCH such as 'slow'."
        )
    if model.MODEL_NAME in ("SlowFast", "PTVSlowFast") and pathways == 1:
        raise ConfigError(
            f"MODEL.MODEL_NAME {model.MODEL_NAME!r} has two pathways, but MODEL.ARCH is "
            f"{model.ARCH!r}. Set MODEL.ARCH slowfast, or MODEL.MODEL_NAME ResNet."
        )
    if pathways == 2 and frames % alpha:
        raise ConfigError(
            f"DATA.NUM_FRAMES ({frames}) must be a multiple of SLOWFAST.ALPHA ({alpha}): the Slow "
            f"pathway takes NUM_FRAMES / ALPHA frames"
        )
    if pathways == 2:
        _check_fast_input(cfg)


def _check_fast_input(cfg: CfgNode) -> None:
    kind, channels = cfg.SLOWFAST.FAST_INPUT, cfg.DATA.INPUT_CHANNEL_NUM
    expected = FAST_CHANNELS[kind]
    if len(channels) == 2 and channels[1] != expected:
        raise ConfigError(
            f"SLOWFAST.FAST_INPUT {kind!r} gives the Fast pathway {expected} channel(s), but "
            f"DATA.INPUT_CHANNEL_NUM is {channels!r}; set it to [{channels[0]}, {expected}]"
        )
    if kind == "half" and (cfg.DATA.TRAIN_CROP_SIZE % 2 or cfg.DATA.TEST_CROP_SIZE % 2):
        raise ConfigError(
            f"SLOWFAST.FAST_INPUT 'half' halves clips of {cfg.DATA.TRAIN_CROP_SIZE} "
            f"(DATA.TRAIN_CROP_SIZE) and {cfg.DATA.TEST_CROP_SIZE} pixels (DATA.TEST_CROP_SIZE); "
            "both must be even"
        )


def _check_stages(cfg: CfgNode) -> None:
    """Each stage has an entry for each pathway."""
    pathways = num_pathways(cfg)
    found: list[tuple[str, int, Any]] = []
    if cfg.MODEL.MODEL_NAME in RESNET_FAMILIES:
        for path in LISTS_BY_STAGE:
            found += [(path, len(stage), stage) for stage in get_value(cfg, path)]
    if cfg.MODEL.MODEL_NAME in (*RESNET_FAMILIES, "X3D"):
        channels = cfg.DATA.INPUT_CHANNEL_NUM
        found.append(("DATA.INPUT_CHANNEL_NUM", len(channels), channels))
    for path, entries, value in found:
        if entries != pathways:
            place = "" if path == "DATA.INPUT_CHANNEL_NUM" else " in each stage"
            raise ConfigError(
                f"{path} must have one entry a pathway{place}: MODEL.ARCH {cfg.MODEL.ARCH!r} has "
                f"{pathways}, but {value!r} has {entries}"
            )


def _check_batches(cfg: CfgNode) -> None:
    for stage in ("TRAIN", "TEST"):
        if not cfg[stage].ENABLE:
            continue
        # masked_ssl/k400_VIT_B_16x4_FT is published with a batch of 1 for 8 GPUs. Its network
        # can be built and tested as it is, so that only training itself, which divides the
        # batch by `clips_per_process`, makes the user choose a size.
        if cfg[stage].BATCH_SIZE == 1 and cfg.NUM_GPUS > 1:
            LOGGER.warning(
                "%s.BATCH_SIZE is 1 for %d GPUs: set it to a multiple of NUM_GPUS to run",
                stage,
                cfg.NUM_GPUS,
            )
            continue
        clips_per_process(cfg, stage, processes=max(cfg.NUM_GPUS, 1))


def _check_steps(cfg: CfgNode) -> None:
    solver = cfg.SOLVER
    if solver.LR_POLICY != "steps_with_relative_lrs":
        return
    steps, rates = solver.STEPS, solver.LRS
    if not steps or steps[0] != 0 or any(a >= b for a, b in pairwise(steps)):
        raise ConfigError(
            f"SOLVER.STEPS is {steps!r}, but must be epochs that start at 0 and grow: each is "
            "where a rate of SOLVER.LRS begins"
        )
    reached = [step for step in steps if step < solver.MAX_EPOCH]
    if len(rates) < len(reached):
        raise ConfigError(
            f"SOLVER.LRS has {len(rates)} rates for {len(reached)} SOLVER.STEPS below MAX_EPOCH "
            f"({solver.MAX_EPOCH}): {steps!r} needs one for each"
        )
