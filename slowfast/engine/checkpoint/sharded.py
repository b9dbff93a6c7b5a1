"""Checkpoints to which every process writes its share: folders that are either whole or not there.

A folder holds what torch.distributed.checkpoint writes (``__0_0.distcp``, ..., ``.metadata``),
everything that is no tensor as ``state.json``, and ``manifest.sha256``, without which it is not
used. Tensors in parts can be read by any number of processes.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, distributed

from slowfast.config.errors import one_line
from slowfast.engine.checkpoint.content import checked_content
from slowfast.engine.checkpoint.integrity import (
    CheckpointError,
    hash_file,
    sync_folder,
    unwritten,
)
from slowfast.engine.checkpoint.manifest import damage_in, read_manifest, write_manifest
from slowfast.engine.checkpoint.parts import part_path, put_in_place, remove
from slowfast.engine.checkpoint.tree import Slot, from_text, join, to_text

SHARDED = ".dcp"
STATE = "state.json"
METADATA = ".metadata"  # the name is torch's
Group = distributed.ProcessGroup | None  # None: this process alone
T = TypeVar("T")

warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable")


def checkpoint_group() -> Group:
    """Processes of a checkpoint, apart from those of a step: a save may go on beside steps."""
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return None
    group = distributed.new_group(backend="gloo")
    assert isinstance(group, distributed.ProcessGroup)
    return group


def write_sharded(path: Path, tree: Any, tensors: dict[str, Tensor], group: Group) -> None:
    """Write a state that was `split`; all processes of the group call it together.

    Of a tensor that all of them have whole, one is written: they must be the same.

    Raises:
        CheckpointError: on all processes, if one cannot write; an older folder is as it was.
    """
    first = _rank(group) == 0
    part = part_path(path)
    try:
        part = _together(group, path, lambda: _begin(part, tree) if first else part)[0]
        hashes = _together(group, path, lambda: _write_share(part, tensors, group))
        _together(group, path, lambda: _finish(part, path, hashes) if first else None)
    finally:
        if first:
            remove(part)


def read_sharded(
    path: Path, *, source: str, like: Mapping[str, Tensor] | None = None, verified: bool = False
) -> dict[str, Any]:
    """The content of a folder in the public layout; one process can read it alone.

    Args:
        source: its name for messages.
        like: see `read_tensors`.
        verified: whether somebody has just compared it with its manifest.

    Raises:
        CheckpointError: it is damaged or no such folder.
    """
    if damage := "" if verified else damage_in(path):
        raise CheckpointError(
            f"{source}: {damage}, so it was damaged after it was written, or is not one of ours; "
            "use another checkpoint or copy it again"
        )
    # Training in the other format need not wait a second for this import.
    from slowfast.engine.checkpoint.dcp_reader import read_tensors

    try:
        tree = from_text((path / STATE).read_text())
        files = read_manifest(path)
        tensors = read_tensors(path, _names(tree), like=like or {}, files=files)
        content = join(tree, tensors)
    except Exception as error:  # damage that fits its hash was made: the error may be of any kind
        reason = one_line(str(error))[:200] or type(error).__name__
        raise CheckpointError(
            f"{source}: expected the tensors and {STATE} of a sharded checkpoint, but reading them "
            f"failed ({reason}); use another checkpoint"
        ) from error
    size = sum((path / name).stat().st_size for name in files)
    return checked_content(content, source=source, size=size)


def _begin(part: Path, tree: Any) -> Path:
    remove(part)
    part.mkdir(parents=True)
    with (part / STATE).open("w") as file:
        file.write(to_text(tree))
        file.flush()
        os.fsync(file.fileno())
    return part


def _write_share(part: Path, tensors: dict[str, Tensor], group: Group) -> dict[str, str]:
    """Write this process's files; returns their hashes."""
    import torch.distributed.checkpoint as dcp

    rank = _rank(group)
    writer = dcp.FileSystemWriter(part, single_file_per_rank=True, sync_files=True)
    dcp.save(tensors, storage_writer=writer, process_group=group, no_dist=group is None)
    mine = sorted(part.glob(f"__{rank}_*")) + [part / METADATA, part / STATE] * (rank == 0)
    return {file.name: hash_file(file) for file in mine}


def _finish(part: Path, path: Path, hashes: list[dict[str, str]]) -> None:
    write_manifest(part, {name: value for each in hashes for name, value in each.items()})
    put_in_place(part, path)
    sync_folder(path.parent)  # before older ones are removed


def _together(group: Group, path: Path, function: Callable[[], T]) -> list[T]:
    """What each process's `function` returned, in the order of ranks; or an error on all."""
    try:
        mine: tuple[Any, str, bool] = (function(), "", False)
    except BaseException as error:
        # DCP has an error of its own, which is no Exception, with the errors of all processes.
        failures = getattr(error, "failures", {})
        if not failures and not isinstance(error, Exception):
            raise
        cause = next((each for each, _ in failures.values()), error)
        told = unwritten(path, cause)
        mine = (None, str(told or f"{type(cause).__name__}: {cause}"), told is not None)
    results = [mine] * (1 if group is None else distributed.get_world_size(group))
    if group is not None:
        distributed.all_gather_object(results, mine, group=group)
    for _, text, of_disk in results:
        if text:
            raise CheckpointError(text) if of_disk else RuntimeError(f"{path}: {text}")
    return [value for value, _, _ in results]


def _rank(group: Group) -> int:
    return 0 if group is None else distributed.get_rank(group)


def _names(tree: Any) -> set[str]:
    """Names of the tensors that belong into a tree."""
    if isinstance(tree, Slot):
        return {tree.name}
    parts = tree.values() if isinstance(tree, dict) else tree
    return set().union(*map(_names, parts)) if isinstance(tree, dict | list | tuple) else set()
