"""The three kinds of files that weights come in, and writing the two that we write."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slowfast.engine.checkpoint.caffe2 import read_blobs
from slowfast.engine.checkpoint.integrity import CheckpointError, save_atomically, write_atomically
from slowfast.version import __version__

SAFETENSORS = ".safetensors"
_ZIP = b"PK\x03\x04"  # how files of torch.save begin


def read_file(file: Path, *, source: str, caffe2: bool = False) -> dict[str, Any]:
    """The content of a checkpoint in the public layout; nothing in the file is executed.

    The kind is told from the file: ``.safetensors``, a Caffe2 ``.pkl``, or what torch.save wrote.

    Args:
        source: its name for messages.
        caffe2: a file that could be either is a Caffe2 pickle (CHECKPOINT_TYPE).

    Raises:
        CheckpointError: the file is damaged or no checkpoint.
    """
    if source.endswith(SAFETENSORS):
        return _read_safetensors(file, source=source)
    with file.open("rb") as opened:
        zipped = opened.read(len(_ZIP)) == _ZIP
    if not zipped and (caffe2 or source.endswith(".pkl")):
        return {"model_state": read_blobs(file, source=source)}
    return _read_torch(file, source=source)


def _read_torch(file: Path, *, source: str) -> dict[str, Any]:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(_why_not(file, error, source=source)) from error
    if isinstance(content, dict) and _is_state(content.get("model_state")):
        return content
    for key in ("model", "state_dict"):  # where other programs keep the weights
        if isinstance(content, dict) and _is_state(content.get(key)):
            return {"model_state": content[key]}
    if _is_state(content):
        return {"model_state": content}
    keys = sorted(map(str, content))[:8] if isinstance(content, dict) else type(content).__name__
    raise CheckpointError(
        f"{source}: expected tensors under 'model_state', or a plain state dict, found {keys}"
    )


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(torch.is_tensor, value.values()))


def _why_not(file: Path, error: Exception, *, source: str) -> str:
    try:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(str(file))
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError):
        foreign = []  # damaged, or in the old format, which cannot be asked
    if foreign:
        return (
            f"{source}: holds objects that could run code when they are loaded "
            f"({', '.join(foreign[:4])}), besides tensors and plain values. If you trust whoever "
            "made it, read it once with torch.load(FILE, weights_only=False) and save its "
            "'model_state' alone with torch.save"
        )
    reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
    return (
        f"{source}: expected a PyTorch checkpoint that holds tensors and plain values, but "
        f"reading it failed ({reason[:200]}); the file is damaged, of another kind, or "
        "holds objects that could run code"
    )


def _read_safetensors(file: Path, *, source: str) -> dict[str, Any]:
    safetensors = _import_safetensors(source)
    try:
        with safetensors.safe_open(str(file), framework="pt", device="cpu") as opened:
            notes = opened.metadata() or {}
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        names = json.loads(notes.get("class_names", "[]"))
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{source}: expected a safetensors file, but reading it failed ({error}); it is "
            "damaged or of another kind"
        ) from error
    content: dict[str, Any] = {"model_state": state}
    if notes.get("config"):
        content["cfg"] = notes["config"]
    if isinstance(names, list):
        content["slowfast"] = {"class_names": [str(name) for name in names]}
    return content


def write_weights(
    path: Path, state: Mapping[str, Tensor], *, config: str = "", class_names: tuple[str, ...] = ()
) -> None:
    """Weights alone, in the public layout (``.pyth``) or as ``.safetensors``, whole or not at all.

    Args:
        config: the YAML of the network, so that `slowfast predict` needs no other file.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
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


def _import_safetensors(source: str) -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise CheckpointError(
            f"{source}: files of this kind need the package safetensors: pip install safetensors"
        ) from error
    return safetensors
