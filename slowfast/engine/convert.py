"""Checkpoints of every kind that can be read, written in the public layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from slowfast.config import cfg_from_text, dump_cfg, load_cfg, with_values
from slowfast.engine.build import build_network
from slowfast.engine.checkpoint.content import class_names_of
from slowfast.engine.checkpoint.formats import SAFETENSORS, write_weights
from slowfast.engine.checkpoint.from_cfg import AS_SAVED, averaged_weights, start_from_cfg
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.load import public_state
from slowfast.engine.checkpoint.state import read_checkpoint

WRITTEN = (".pyth", SAFETENSORS)


def convert_checkpoint(
    source: str | Path,
    target: str | Path,
    *,
    cfg: str | Path | None = None,
    overrides: Sequence[str] = (),
    force: bool = False,
) -> str:
    """Write the weights of `source`, in whatever layout, to `target` in the public one.

    The weights are loaded into the network of the config, if one is known, as training would
    start from them: strictly unless TRAIN says otherwise; with EMA.ENABLE they are the averaged
    ones. Without a config names are translated and nothing is checked.

    Args:
        source: ``.pyth``, ``.safetensors``, Caffe2 ``.pkl``, or a file of another library.
        target: ``.pyth`` or ``.safetensors``; the config and the class names go with it.
        cfg: the YAML of the network; None: the one in `source`, if it has one.
        overrides: KEY, VALUE, ... on top of either.
        force: replace `target` if it is there.

    Returns:
        What was done, one line.

    Raises:
        CheckpointError: `source` cannot be read or does not fit; `target` is there already.
    """
    target = Path(target)
    _check_target(target, Path(source), force=force)
    content = read_checkpoint(source)
    names = tuple(class_names_of(content))
    if cfg is not None:
        settings = load_cfg(cfg, overrides)
    elif isinstance(content.get("cfg"), str):
        settings = cfg_from_text(content["cfg"], [*AS_SAVED, *overrides])
    else:
        return f"{target}: {_translate(content, source, target, names, overrides)}"
    note = ""
    if settings.EMA.ENABLE:  # as val, test and predict have it; what is written has nothing else
        averaged = averaged_weights(content, source=str(source))
        content, note = {**content, "model_state": averaged, "slowfast": {}}, "averaged (EMA): "
        settings = with_values(settings, {"EMA.ENABLE": False})
    net = build_network(settings, torch.device("cpu"))
    report = start_from_cfg(net, content, settings, source=str(source))
    write_weights(target, net.state_dict(), config=dump_cfg(settings), class_names=names)
    return f"{target}: {note}{report}"


def _translate(
    content: dict[str, Any],
    source: str | Path,
    target: Path,
    names: tuple[str, ...],
    overrides: Sequence[str],
) -> str:
    """Write what is in the file, under the public names; no network is there to check it."""
    if overrides:
        raise CheckpointError(
            f"{source}: {overrides[0]} changes a config, and the checkpoint carries none: pass the "
            "YAML of the network (--cfg FILE)"
        )
    plain = public_state(content["model_state"], source=str(source))
    write_weights(target, plain.state, class_names=names)
    how = f"converted from the names of {plain.layout}" if plain.layout else "names as they are"
    return f"{len(plain.state)} tensors, {how}; not checked against a network (--cfg FILE)"


def _check_target(target: Path, source: Path, *, force: bool) -> None:
    if target.suffix not in WRITTEN:
        raise CheckpointError(
            f"{target}: can write {' and '.join(WRITTEN)} files; give OUT one of these endings"
        )
    if target.exists() and target.resolve() == source.resolve():
        raise CheckpointError(f"{target}: IN and OUT are the same file; give OUT another name")
    if target.is_dir():
        raise CheckpointError(f"{target}: is a folder; give OUT the name of a file")
    if target.exists() and not force:
        raise CheckpointError(f"{target}: is there already; --force replaces it")
