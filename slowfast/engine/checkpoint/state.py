"""Checkpoints on disk: their names, their layout, and finding the one to go on from.

The layout is the public one (``epoch``, ``model_state``, ``optimizer_state``, ``cfg``,
``scaler_state``) with one entry of ours, ``slowfast``, that holds the exact position in the
epoch and what a prediction needs. Readers of the public layout ignore it.
"""

from __future__ import annotations

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
from slowfast.log import LOGGER
from slowfast.paths import PATHS, local_path

_NAME = re.compile(r"checkpoint_epoch_(\d{5})(?:_step_(\d{8}))?\.pyth$")


def checkpoint_folder(output_dir: str | Path) -> Path:
    return Path(output_dir) / "checkpoints"


def checkpoint_path(output_dir: str | Path, epoch: int, *, step: int = 0, task: str = "") -> Path:
    """File of the state after ``epoch`` whole epochs and ``step`` batches of the next one."""
    prefix = f"{task}_" if task else ""
    suffix = f"_step_{step:08d}" if step else ""
    return checkpoint_folder(output_dir) / f"{prefix}checkpoint_epoch_{epoch:05d}{suffix}.pyth"


def best_path(output_dir: str | Path, *, task: str = "") -> Path:
    prefix = f"{task}_" if task else ""
    return checkpoint_folder(output_dir) / f"{prefix}checkpoint_best.pyth"


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
    found = list_checkpoints(output_dir, task=task)
    for path in found:
        if is_whole(path) is not False:
            return path
        LOGGER.warning(
            "%s does not fit its hash (%s): it was damaged after it was written; "
            "trying the one before it",
            path,
            hash_path(path).name,
        )
    if found:
        raise CheckpointError(
            f"{checkpoint_folder(output_dir)}: none of the {len(found)} checkpoint(s) fits its "
            "hash, all were damaged after they were written; copy one again, delete the .sha256 "
            "file of one that was changed on purpose, or set another OUTPUT_DIR to start from "
            "scratch"
        )
    return None


def remove_steps_before(output_dir: str | Path, newest: Path, *, keep: int, task: str = "") -> None:
    """Delete mid-epoch checkpoints that ``newest`` replaces; epoch checkpoints stay."""
    older = [p for p in list_checkpoints(output_dir, task=task) if "_step_" in p.name]
    for path in [p for p in older if p != newest][max(keep - ("_step_" in newest.name), 0) :]:
        path.unlink()
        hash_path(path).unlink(missing_ok=True)


def read_checkpoint(path: str | Path, *, caffe2: bool = False) -> dict[str, Any]:
    """Load a ``.pyth``, ``.safetensors`` or Caffe2 ``.pkl`` file on the CPU; none is executed.

    Args:
        caffe2: what could be either is a Caffe2 pickle (``CHECKPOINT_TYPE: caffe2``).

    Raises:
        CheckpointError: the file is missing, damaged, or not a checkpoint.
    """
    if not PATHS.exists(str(path)):
        raise CheckpointError(f"{path}: there is no such checkpoint; check the path")
    file = Path(local_path(str(path)))
    try:
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
    save_atomically(content, path)
