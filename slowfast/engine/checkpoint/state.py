"""Checkpoints on disk: their names, their layout, and finding the one to go on from.

The layout is the public one (``epoch``, ``model_state``, ``optimizer_state``, ``cfg``,
``scaler_state``) with one entry of ours, ``slowfast``, that holds the exact position in the
epoch and what a prediction needs. Readers of the public layout ignore it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from slowfast.engine.checkpoint.formats import read_file
from slowfast.engine.checkpoint.integrity import (
    CheckpointError,
    hash_path,
    is_whole,
    save_atomically,
)
from slowfast.engine.checkpoint.manifest import damage_in
from slowfast.engine.checkpoint.parts import remove, tidy
from slowfast.engine.checkpoint.sharded import SHARDED, read_sharded
from slowfast.log import LOGGER
from slowfast.paths import PATHS, local_path

_NAME = re.compile(r"checkpoint_epoch_(\d{5})(?:_step_(\d{8}))?(?:\.pyth|\.dcp)$")
SET_ASIDE = "set_aside"
FORMATS = {"pyth": ".pyth", "sharded": SHARDED}  # TRAIN.CHECKPOINT_FORMAT -> ending


def checkpoint_folder(output_dir: str | Path) -> Path:
    return Path(output_dir) / "checkpoints"


def checkpoint_path(
    output_dir: str | Path, epoch: int, *, step: int = 0, task: str = "", kind: str = "pyth"
) -> Path:
    """Where the state after ``epoch`` whole epochs and ``step`` batches of the next one is.

    Args:
        kind: "pyth", a file; or "sharded", a folder (TRAIN.CHECKPOINT_FORMAT).
    """
    prefix = f"{task}_" if task else ""
    suffix = f"_step_{step:08d}" if step else ""
    name = f"{prefix}checkpoint_epoch_{epoch:05d}{suffix}{FORMATS[kind]}"
    return checkpoint_folder(output_dir) / name


def best_path(output_dir: str | Path, *, task: str = "", kind: str = "pyth") -> Path:
    prefix = f"{task}_" if task else ""
    return checkpoint_folder(output_dir) / f"{prefix}checkpoint_best{FORMATS[kind]}"


def position_of(path: Path) -> tuple[int, int]:
    """Whole epochs and batches that the name of a checkpoint tells."""
    match = _NAME.search(path.name)
    assert match is not None, path
    return int(match[1]), int(match[2] or 0)


def list_checkpoints(output_dir: str | Path, *, task: str = "") -> list[Path]:
    """All checkpoints of a run, the one that is furthest in training first."""
    prefix = f"{task}_" if task else ""
    found: list[tuple[int, int, Path]] = []
    folder = checkpoint_folder(output_dir)
    for path in folder.iterdir() if folder.is_dir() else []:
        match = (
            _NAME.match(path.name.removeprefix(prefix)) if path.name.startswith(prefix) else None
        )
        if match:
            found.append((int(match[1]), int(match[2] or 0), path))
    return [path for _, _, path in sorted(found, reverse=True)]


def newest_whole(output_dir: str | Path, *, task: str = "") -> Path | None:
    """The furthest checkpoint whose content fits its hash; damaged ones are named and passed.

    Raises:
        CheckpointError: all that there are are damaged; a run from scratch would overwrite them.
    """
    tidy(checkpoint_folder(output_dir))
    found = list_checkpoints(output_dir, task=task)
    for path in found:
        damage = _damage_of(path)
        if not damage:
            return path
        LOGGER.warning(
            "%s %s: it was damaged after it was written; trying the one before it", path, damage
        )
    if found:
        raise CheckpointError(
            f"{checkpoint_folder(output_dir)}: none of the {len(found)} checkpoint(s) fits its "
            "hash or can be read, all were damaged after they were written; copy one again, delete "
            "the .sha256 file of one that was changed on purpose, or set another OUTPUT_DIR to "
            "start from scratch"
        )
    return None


def _damage_of(path: Path) -> str:
    """What is wrong with a checkpoint; empty if it is as it was written, as far as can be told."""
    try:
        if path.suffix == SHARDED:
            return damage_in(path)
        whole = is_whole(path)
        if whole is None:  # no hash that tells: the whole content has to
            read_checkpoint(path)
        return f"does not fit its hash ({hash_path(path).name})" if whole is False else ""
    except OSError as error:
        return f"cannot be read ({error.strerror or type(error).__name__})"
    except CheckpointError as error:
        told = str(error).removeprefix(f"{path}: ")
        return f"has no {hash_path(path).name} and cannot be read ({told})"


def set_aside_after(
    output_dir: str | Path, position: tuple[int, int], *, task: str = ""
) -> list[Path]:
    """Move checkpoints beyond `position` (epochs, batches) to a folder of their own.

    A run that begins there did not write them, but they would be taken for its newest.

    Returns:
        What was moved, under its new name.
    """
    beyond = [p for p in list_checkpoints(output_dir, task=task) if position_of(p) > position]
    folder = checkpoint_folder(output_dir) / SET_ASIDE
    for path in beyond:
        folder.mkdir(exist_ok=True)
        for each in (hash_path(path), path):
            remove(folder / each.name)
            if os.path.lexists(each):
                os.replace(each, folder / each.name)
    return [folder / path.name for path in beyond]


def remove_steps_before(output_dir: str | Path, newest: Path, *, keep: int, task: str = "") -> None:
    """Delete mid-epoch checkpoints that ``newest`` replaces; epoch checkpoints stay."""
    older = [p for p in list_checkpoints(output_dir, task=task) if "_step_" in p.name]
    for path in [p for p in older if p != newest][max(keep - ("_step_" in newest.name), 0) :]:
        remove(path)
        hash_path(path).unlink(missing_ok=True)


def read_checkpoint(path: str | Path, *, caffe2: bool = False) -> dict[str, Any]:
    """Load a ``.pyth``, ``.safetensors``, Caffe2 ``.pkl`` or ``.dcp`` on the CPU; none is executed.

    Args:
        caffe2: what could be either is a Caffe2 pickle (``CHECKPOINT_TYPE: caffe2``).

    Raises:
        CheckpointError: the file is missing, damaged, or not a checkpoint.
    """
    if not PATHS.exists(str(path)):
        raise CheckpointError(
            f"{path}: there is no such checkpoint; check the path (TRAIN.CHECKPOINT_FILE_PATH, "
            "TEST.CHECKPOINT_FILE_PATH or --checkpoint)"
        )
    file = Path(local_path(str(path)))
    try:
        if file.suffix == SHARDED and file.is_dir():
            return read_sharded(file, source=str(path))
        if is_whole(file) is False:
            raise CheckpointError(
                f"{path}: the content does not fit {hash_path(file).name}, so the file was "
                "damaged after it was written; use another checkpoint or copy it again. If it was "
                f"changed on purpose, delete {hash_path(file).name}"
            )
        return read_file(file, source=str(path), caffe2=caffe2)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CheckpointError(
            f"{path}: cannot be read ({reason}); name a checkpoint file that can"
        ) from error


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    tidy(path.parent)
    save_atomically(content, path)
