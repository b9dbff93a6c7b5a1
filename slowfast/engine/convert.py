"""Checkpoints of every kind that can be read, written in the public layout."""

from __future__ import annotations

from pathlib import Path

import torch

from slowfast.config import cfg_from_text, dump_cfg, load_cfg
from slowfast.engine.build import build_network
from slowfast.engine.checkpoint.formats import SAFETENSORS, write_weights
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.load import load_weights, public_state
from slowfast.engine.checkpoint.state import read_checkpoint

WRITTEN = (".pyth", SAFETENSORS)


def convert_checkpoint(
    source: str | Path,
    target: str | Path,
    *,
    cfg: str | Path | None = None,
    force: bool = False,
) -> str:
    """Write the weights of `source`, in whatever layout, to `target` in the public one.

    The weights are loaded strictly into the network of the config, if one is known, so that what
    is written is complete; without a config, names are translated and nothing is checked.

    Args:
        source: ``.pyth``, ``.safetensors``, Caffe2 ``.pkl``, or a file of another library.
        target: ``.pyth`` or ``.safetensors``; the config and the class names go with it.
        cfg: the YAML of the network; None: the one in `source`, if it has one.
        force: replace `target` if it is there.

    Returns:
        What was done, one line.

    Raises:
        CheckpointError: `source` cannot be read or does not fit; `target` is there already.
    """
    target = Path(target)
    _check_target(target, Path(source), force=force)
    content = read_checkpoint(source)
    names = tuple(content.get("slowfast", {}).get("class_names", ()))
    config = content["cfg"] if isinstance(content.get("cfg"), str) else ""
    if cfg is None and not config:
        plain = public_state(content["model_state"], source=str(source))
        write_weights(target, plain.state, class_names=names)
        how = f"converted from the names of {plain.layout}" if plain.layout else "names as they are"
        done = f"{len(plain.state)} tensors, {how}; not checked against a network (--cfg FILE)"
    else:
        settings = load_cfg(cfg) if cfg is not None else cfg_from_text(config)
        net = build_network(settings, torch.device("cpu"))
        report = load_weights(net, content["model_state"], source=str(source))
        write_weights(target, net.state_dict(), config=dump_cfg(settings), class_names=names)
        done = str(report)
    return f"{target}: {done}"


def _check_target(target: Path, source: Path, *, force: bool) -> None:
    if target.suffix not in WRITTEN:
        raise CheckpointError(
            f"{target}: can write {' and '.join(WRITTEN)} files; give OUT one of these endings"
        )
    if target.exists() and target.resolve() == source.resolve():
        raise CheckpointError(f"{target}: IN and OUT are the same file; give OUT another name")
    if target.exists() and not force:
        raise CheckpointError(f"{target}: is there already; --force replaces it")
