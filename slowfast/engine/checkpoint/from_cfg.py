"""The weights of a checkpoint into a network, as the keys of a config say."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from slowfast.config import ConfigError
from slowfast.config.defaults import KEYS
from slowfast.config.yaml_source import read_text
from slowfast.engine.checkpoint.inflate import Inflation
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.interpolate import JOINT, Grid
from slowfast.engine.checkpoint.load import LoadReport, load_weights
from slowfast.log import LOGGER
from slowfast.models.patch_embed import PatchSpec

# How a run began says nothing of the weights that it ended with: the config that a checkpoint
# carries is read with these overrides.
AS_SAVED = (
    *("TRAIN.ALLOW_PARTIAL", False),
    *("TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN", ()),
    *("TRAIN.CHECKPOINT_INFLATE", False),
    *("TRAIN.CHECKPOINT_IN_INIT", False),
)


def start_from_cfg(net: nn.Module, content: dict[str, Any], cfg: Any, *, source: str) -> LoadReport:
    """Weights to begin with: they may be partial, 2D or of other names where TRAIN says so.

    Raises:
        CheckpointError: they do not fit.
        ValueError: two keys of TRAIN contradict each other.
    """
    parts = content.get("slowfast", {}).get("split_statistics", {})
    return load_weights(
        net,
        {**content["model_state"], **parts},
        source=source,
        allow_partial=cfg.TRAIN.ALLOW_PARTIAL,
        clear_patterns=cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN,
        inflation=_inflation_from_cfg(cfg),
        saved_grid=_grid_of(content),
        adjustable=True,
    )


def load_from_cfg(net: nn.Module, content: dict[str, Any], cfg: Any, *, source: str) -> LoadReport:
    """Weights to be used as they are: all of them, of this very network.

    With ``EMA.ENABLE`` they are the averaged ones.

    Raises:
        CheckpointError: they do not fit, or there are no averaged ones.
    """
    state = content["model_state"]
    if cfg.EMA.ENABLE:
        state = averaged_weights(content, source=source)
        LOGGER.info("%s: the averaged weights (EMA) are used", source)
    elif content.get("slowfast", {}).get("ema_state"):
        LOGGER.warning(
            "%s: the weights of its last step are used, not their average, which the figures of "
            "its run are of; set EMA.ENABLE True for that",
            source,
        )
    return load_weights(
        net,
        state,
        source=source,
        clear_patterns=cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN,
        saved_grid=_grid_of(content),
    )


def averaged_weights(content: dict[str, Any], *, source: str) -> dict[str, Tensor]:
    """The means over the steps of training, which are evaluated in place of the last weights.

    Raises:
        CheckpointError: there are none.
    """
    state = content.get("slowfast", {}).get("ema_state", {}).get("model_state")
    if state is None:
        raise CheckpointError(
            f"{source}: EMA.ENABLE is True, but the checkpoint has no averaged weights; set "
            "EMA.ENABLE False to use the ones it has"
        )
    return state  # type: ignore[no-any-return]


def _inflation_from_cfg(cfg: Any) -> Inflation:
    if cfg.TRAIN.CHECKPOINT_INFLATE and cfg.TRAIN.CHECKPOINT_IN_INIT:
        raise ValueError(
            "TRAIN.CHECKPOINT_INFLATE and TRAIN.CHECKPOINT_IN_INIT are both True; the first "
            "divides 2D kernels by their new length and the second does not: set one"
        )
    if cfg.TRAIN.CHECKPOINT_IN_INIT:
        return "repeat"
    return "divide" if cfg.TRAIN.CHECKPOINT_INFLATE else ""


def _grid_of(content: dict[str, Any]) -> Grid | None:
    """Patches (T, H, W) of the transformer that was saved; None where no config tells."""
    text = content.get("cfg")
    joint = any(name.endswith(JOINT) for name in content["model_state"])
    if not joint or not isinstance(text, str):
        return None
    try:
        found = {entry.path: entry.value for entry in read_text(text, name="checkpoint config")}
    except ConfigError:  # of a program with another format
        return None

    def value(path: str) -> Any:
        return found.get(path, KEYS[path].default)

    try:
        patch = PatchSpec(
            value("MVIT.PATCH_KERNEL"),
            value("MVIT.PATCH_STRIDE"),
            value("MVIT.PATCH_PADDING"),
            value("MVIT.PATCH_2D"),
        )
        return patch.grid(value("DATA.NUM_FRAMES"), value("DATA.TRAIN_CROP_SIZE"))
    except (ValueError, TypeError):  # no transformer
        return None
