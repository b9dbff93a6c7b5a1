"""Tensors out of a folder of torch.distributed.checkpoint, without running anything in it."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.metadata import (
    _MEM_FORMAT_ENCODING,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorStorageMetadata,
)

from slowfast.engine.checkpoint.torch_file import refuse_harm

_DCP = "torch.distributed.checkpoint"
_CLASSES = {  # what the description of the tensors is made of: all of it plain data
    *(("torch", "Size"), (f"{_DCP}.filesystem", "_StorageInfo")),
    *(
        (f"{_DCP}.metadata", name)
        for name in (
            *("BytesStorageMetadata", "ChunkStorageMetadata", "Metadata", "MetadataIndex"),
            *("StorageMeta", "TensorProperties", "TensorStorageMetadata"),
        )
    ),
}


def _layout(name: str) -> torch.layout:
    if name != "torch.strided":
        raise ValueError(f"it describes a {str(name)[:40]} tensor")
    return torch.strided


def _memory_format(number: int) -> _MEM_FORMAT_ENCODING:
    if type(number) is not int:  # of something else, the hash may take for ever
        raise ValueError("a memory format is malformed")
    return _MEM_FORMAT_ENCODING(number)


def _no_path(*parts: Any) -> None:
    """Where it was written, which nobody needs."""


_CALLS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch.serialization", "_get_layout"): _layout,
    (f"{_DCP}.metadata", "_MEM_FORMAT_ENCODING"): _memory_format,
    ("pathlib", "PosixPath"): _no_path,
    ("pathlib._local", "PosixPath"): _no_path,
}


_PLAIN: Any = pickle._Unpickler  # type: ignore[attr-defined]


class _Unpickler(_PLAIN):  # type: ignore[misc]
    """The one in Python: a number in the file cannot make its memo larger than the file."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(_PLAIN.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if (module, name) in _CALLS:
            return _CALLS[module, name]
        if (module, name) not in _CLASSES:
            raise ValueError(f"it asks for {module}.{name}"[:120])
        return super().find_class(module, name)

    def load_setitem(self) -> None:
        _check_key(self.stack[-2])
        super().load_setitem()

    def load_setitems(self) -> None:
        for key in self.stack[::2]:
            _check_key(key)
        super().load_setitems()

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    for opcode in (pickle.DICT, pickle.FROZENSET, pickle.ADDITEMS, pickle.INST, pickle.OBJ):
        del dispatch[opcode[0]]  # other ways to make objects and to hash them
    del opcode


def _check_key(key: Any) -> None:
    """Of tuples of tuples the hash may take for ever."""
    if isinstance(key, MetadataIndex):
        parts = (key.fqn, *(key.offset or ()))
        key = key.fqn if all(isinstance(part, str | int) for part in parts) else None
    if not isinstance(key, str):
        raise ValueError("a name in its description is malformed")


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
        _check_chunks(name, entry)
        dtype, near = entry.properties.dtype, like.get(name, like.get(name.rpartition("/")[0]))
        if near is not None and near.shape == entry.size:
            targets[name] = torch.zeros_like(near, dtype=dtype)
        else:
            targets[name] = torch.zeros(entry.size, dtype=dtype)
    for info in metadata.storage_data.values():
        if info.relative_path not in files:
            raise ValueError(f"it names the file {str(info.relative_path)[:80]!r}")
    try:
        # Each process reads on its own: none waits for another that found damage.
        reader = _Reader(folder, metadata, [folder / name for name in files])
        dcp.load(targets, storage_reader=reader, no_dist=True)
    except dcp.api.CheckpointException as error:  # which is no Exception
        raise ValueError(_first_line(error)) from error
    return targets


def _check_chunks(name: str, entry: TensorStorageMetadata) -> None:
    """Raise unless the chunks of a tensor are all of it, and none of them is there twice."""
    chunks = [chunk for chunk in entry.chunks if math.prod(chunk.sizes)]  # a process may have none
    if len({tuple(chunk.offsets) for chunk in chunks}) < len(chunks) or sum(
        math.prod(chunk.sizes) for chunk in chunks
    ) != math.prod(entry.size):
        raise ValueError(f"the parts of {name} are not the whole of it")


class _Reader(dcp.FileSystemReader):
    """Reads parts of the folder's files, each of which is a file of torch.save."""

    def __init__(self, folder: Path, metadata: Metadata, files: list[Path]) -> None:
        super().__init__(folder)
        self._known = metadata
        self._left = sum(file.stat().st_size for file in files)

    def _slice_file(self, file: Any, sinfo: Any) -> Any:
        self._left -= sinfo.length
        if self._left < 0 or min(sinfo.offset, sinfo.length) < 0 or sinfo.transform_descriptors:
            raise ValueError("it describes other parts of files than are written")
        file.seek(sinfo.offset)
        part = io.BytesIO(file.read(sinfo.length))
        refuse_harm(part, size=sinfo.length)
        part.seek(0)
        return part

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        self._known.storage_meta = StorageMeta(load_id=self.load_id)
        return self._known


def _first_line(error: Any) -> str:
    """What the first process that failed said."""
    for cause, _ in error.failures.values():
        return f"{type(cause).__name__}: {cause}".splitlines()[0][:200]
    return str(error)[:200]
