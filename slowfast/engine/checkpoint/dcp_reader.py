"""Tensors out of a folder of torch.distributed.checkpoint, without running anything in it."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta, TensorStorageMetadata

_DCP = "torch.distributed.checkpoint"
_ALLOWED = {  # what the description of the tensors is made of: all of it plain data
    *(("collections", "OrderedDict"), ("torch", "Size"), ("torch.serialization", "_get_layout")),
    *(("pathlib", "PosixPath"), ("pathlib._local", "PosixPath")),
    *((f"{_DCP}.filesystem", "_StorageInfo"), (f"{_DCP}.metadata", "_MEM_FORMAT_ENCODING")),
    *(
        (f"{_DCP}.metadata", name)
        for name in (
            *("BytesStorageMetadata", "ChunkStorageMetadata", "Metadata", "MetadataIndex"),
            *("StorageMeta", "TensorProperties", "TensorStorageMetadata"),
        )
    ),
}


class _Unpickler(pickle._Unpickler):  # type: ignore[name-defined]
    """The one in Python: a number in the file cannot make its memo larger than the file."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if (module, name) not in _ALLOWED:
            raise ValueError(f"it asks for {module}.{name}"[:120])
        return super().find_class(module, name)


def read_metadata(folder: Path) -> Metadata:
    """What the folder holds; anything else than such a description is an error of any kind."""
    with (folder / ".metadata").open("rb") as file:
        metadata = _Unpickler(file).load()
    if not isinstance(metadata, Metadata):
        raise ValueError(f"its description is {type(metadata).__name__}")
    return metadata


def read_tensors(
    folder: Path, names: set[str], *, like: Mapping[str, Tensor], files: Mapping[str, Any]
) -> dict[str, Tensor]:
    """The tensors of these names: whole ones on the CPU, or this process's parts.

    Args:
        like: tensors that are in parts on this process, by their names, or by what their names
            begin with; what is read for them is in parts alike.
        files: the folder's files; others are not opened.
    """
    metadata = read_metadata(folder)
    described = metadata.state_dict_metadata
    left = sum((folder / name).stat().st_size for name in files)
    targets: dict[str, Tensor] = {}
    for name in sorted(names):
        entry = described[name]
        if not isinstance(entry, TensorStorageMetadata):
            raise ValueError(f"{name} is no tensor")
        left -= math.prod(entry.size) * entry.properties.dtype.itemsize
        if left < 0 or min(entry.size, default=0) < 0:
            raise ValueError("its tensors are larger than its files")
        dtype, near = entry.properties.dtype, like.get(name, like.get(name.rpartition("/")[0]))
        # Zeros and not what was in memory, should the description leave a gap.
        if near is not None and near.shape == entry.size:
            targets[name] = torch.zeros_like(near, dtype=dtype)
        else:
            targets[name] = torch.zeros(entry.size, dtype=dtype)
    for info in metadata.storage_data.values():
        if info.relative_path not in files:
            raise ValueError(f"it names the file {str(info.relative_path)[:80]!r}")
    try:
        # Each process reads on its own: none waits for another that found damage.
        dcp.load(targets, storage_reader=_Reader(folder, metadata), no_dist=True)
    except dcp.api.CheckpointException as error:  # which is no Exception
        raise ValueError(_first_line(error)) from error
    return targets


class _Reader(dcp.FileSystemReader):
    def __init__(self, folder: Path, metadata: Metadata) -> None:
        super().__init__(folder)
        self._known = metadata

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        self._known.storage_meta = StorageMeta(load_id=self.load_id)
        return self._known


def _first_line(error: Any) -> str:
    """What the first process that failed said."""
    for cause, _ in error.failures.values():
        return f"{type(cause).__name__}: {cause}".splitlines()[0][:200]
    return str(error)[:200]
