"""Caffe2 checkpoints: the arrays of a pickle that Python 2 wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.plain_pickle import PickledArray, Refused, read_plain


def read_blobs(path: Path, *, source: str) -> dict[str, Tensor]:
    """The arrays and numbers of a Caffe2 checkpoint by their blob names.

    Raises:
        CheckpointError: the file is damaged, holds something else, or asks to run code.
    """
    try:
        data = path.read_bytes()
        content = read_plain(data)
        blobs = content.get("blobs", content) if isinstance(content, dict) else content
        if not isinstance(blobs, dict) or not blobs:
            raise Refused(f"there is {type(blobs).__name__} where a dict of blobs belongs")
        return _tensors(blobs, limit=len(data))
    # Whatever hostile bytes make the reader raise is one and the same error.
    except Exception as error:
        lines = str(error).strip().splitlines()
        reason = lines[0][:200] if lines else type(error).__name__
        raise CheckpointError(
            f"{source}: expected a Caffe2 checkpoint, a pickle of a dict of arrays, but {reason}; "
            "the file is damaged, of another kind, or made to run code"
        ) from error


def _tensors(blobs: dict[Any, Any], *, limit: int) -> dict[str, Tensor]:
    """Copies in the machine's byte order; more bytes than the file has would be a bomb."""
    tensors = {}
    for name, value in blobs.items():
        array = value.value if isinstance(value, PickledArray) else None
        if isinstance(name, str) and isinstance(value, int | float):
            tensors[name] = torch.tensor(float(value))
            continue
        if isinstance(name, str) and (value is None or isinstance(value, str)):
            continue  # a note of the solver's, no weight
        if not isinstance(name, str) or array is None:
            raise Refused(f"blob {str(name)[:80]!r} is {type(value).__name__}, not an array")
        limit -= array.nbytes
        if limit < 0:
            raise Refused("its arrays are larger than the file itself")
        native = array.astype(array.dtype.newbyteorder("="), order="C", copy=True)
        tensors[name] = torch.from_numpy(native)
    return tensors
