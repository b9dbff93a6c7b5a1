"""The three kinds of files that weights come in, and writing the two that we write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from slowfast.config.errors import one_line
from slowfast.engine.checkpoint.caffe2 import read_blobs
from slowfast.engine.checkpoint.content import checked_content
from slowfast.engine.checkpoint.integrity import (
    CheckpointError,
    open_regular,
    save_atomically,
    write_atomically,
)
from slowfast.engine.checkpoint.torch_file import MAGIC, ZIP, read_torch
from slowfast.version import __version__

SAFETENSORS = ".safetensors"


def read_file(file: Path, *, source: str, caffe2: bool = False) -> dict[str, Any]:
    """The content of a checkpoint in the public layout; nothing in the file is executed.

    The kind is told from how the file begins, and only where that leaves it open from its name:
    what torch.save wrote, ``.safetensors``, or a Caffe2 ``.pkl``.

    Args:
        source: its name for messages.
        caffe2: a file that could be either is a Caffe2 pickle (CHECKPOINT_TYPE).

    Raises:
        CheckpointError: the file is damaged or no checkpoint.
    """
    with open_regular(file) as opened:
        begin = opened.read(len(MAGIC))
    size = file.stat().st_size
    content: Any
    if begin.startswith((ZIP, MAGIC)):
        content = read_torch(file, source=source)
    elif source.endswith(SAFETENSORS) or _begins_safetensors(begin, size):
        content = _read_safetensors(file, source=source)
    elif caffe2 or source.endswith(".pkl"):
        content = {"model_state": read_blobs(file, source=source)}
    else:
        content = read_torch(file, source=source)
    return checked_content(content, source=source, size=size)


def _begins_safetensors(begin: bytes, size: int) -> bool:
    """Such a file begins with the length of its header in 8 bytes, and the header with a brace."""
    return begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") <= size - 8


def _read_safetensors(file: Path, *, source: str) -> dict[str, Any]:
    safetensors = _import_safetensors(source)
    try:
        with safetensors.safe_open(str(file), framework="pt", device="cpu") as opened:
            notes = opened.metadata() or {}
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        names = json.loads(notes.get("class_names", "[]"))
    except Exception as error:  # of damage; json has its own for lists that are too deep
        reason = one_line(str(error))[:200]
        raise CheckpointError(
            f"{source}: expected a safetensors file, but reading it failed ({reason}); it is "
            "damaged or of another kind"
        ) from error
    content: dict[str, Any] = {"model_state": state, "slowfast": {"class_names": names}}
    if notes.get("config"):
        content["cfg"] = notes["config"]
    return content


def write_weights(
    path: Path, state: Mapping[str, Tensor], *, config: str = "", class_names: tuple[str, ...] = ()
) -> None:
    """Weights alone, in the public layout (``.pyth``) or as ``.safetensors``, whole or not at all.

    Args:
        config: the YAML of the network, so that `slowfast predict` needs no other file.
    """
    tensors = {name: _alone(value.detach().cpu().contiguous()) for name, value in state.items()}
    if path.suffix != SAFETENSORS:
        content: dict[str, Any] = {"model_state": tensors}
        if config:
            content["cfg"] = config
        content["slowfast"] = {"version": __version__, "class_names": list(class_names)}
        save_atomically(content, path)
        return
    safetensors = _import_safetensors(str(path))
    notes = {
        "format": "pt",
        "slowfast_version": __version__,
        "class_names": json.dumps(class_names),
    }
    if config:
        notes["config"] = config
    # Two names of one tensor are an error there: each gets its own copy.
    data = safetensors.torch.save({k: v.clone() for k, v in tensors.items()}, metadata=notes)
    write_atomically(path, lambda file: file.write(data))


def _alone(value: Tensor) -> Tensor:
    """A copy of a part of a larger tensor, all of which would be written with it."""
    return value if value.untyped_storage().nbytes() == value.nbytes else value.clone()


def _import_safetensors(source: str) -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise CheckpointError(
            f"{source}: files of this kind need the package safetensors: pip install safetensors"
        ) from error
    return safetensors
