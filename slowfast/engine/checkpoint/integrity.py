"""Checkpoint files that are either whole or not there, and a hash that tells."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import torch

from slowfast.engine.checkpoint.parts import part_path


class CheckpointError(ValueError):
    """A checkpoint cannot be used: where, what was expected, what was found, what to change."""


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read its bytes; a pipe would wait for ever, and a device may never end."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return path.open("rb")


def hash_file(path: Path) -> str:
    """SHA-256 of the content, in hexadecimal."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_path(path: Path) -> Path:
    """Where the hash of a checkpoint is kept; ``sha256sum -c`` reads it."""
    return path.with_name(path.name + ".sha256")


def save_atomically(content: Any, path: Path) -> None:
    """``torch.save`` so that a crash leaves the old file or the new one, never a part of one."""
    write_atomically(path, lambda file: torch.save(content, file))


def write_atomically(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """What ``write`` writes, so that a crash leaves the old file or the new one.

    The file is written beside its name, synced, hashed and renamed. The hash file lists the
    old and the new hash while the rename is under way, so that it fits whichever survives.

    Raises:
        CheckpointError: it cannot be written, on a full disk for example; the old one is whole.
    """
    try:
        _write(path, write)
    except (OSError, RuntimeError) as error:
        if told := unwritten(path, error):
            raise told from error
        raise


def _write(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(path)
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        new = hash_file(part)
        old = _known_hashes(path) if path.exists() else []
        _write_hashes(path, [*old, new])
        sync_folder(path.parent)  # or a power cut could keep the second rename and not the first
        os.replace(part, path)
        _write_hashes(path, [new])
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def unwritten(path: Path, error: BaseException) -> CheckpointError | None:
    """The error for users, if it is one of writing; None for a mistake of ours."""
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return CheckpointError(_why_unwritten(path, error.strerror or str(error), full=full))
    # torch.save's own writer: it notices only that less was written than it asked for.
    if any(name in str(error) for name in ("inline_container", "PytorchStreamWriter")):
        return CheckpointError(_why_unwritten(path, "only a part fitted", full=True))
    return None


def _why_unwritten(path: Path, reason: str, *, full: bool) -> str:
    folder = next(each for each in path.absolute().parents if os.path.exists(each))
    free = shutil.disk_usage(folder).free / 1e6
    advice = (
        f"it needs more than the {free:,.1f} MB left in {folder}; make room there, or write to "
        "another folder"
        if full
        else "write to another folder"
    )
    return (
        f"{path}: the checkpoint could not be saved ({reason}): {advice}. What was saved before is "
        "as it was"
    )


def is_whole(path: Path) -> bool | None:
    """Whether the content fits its hash; None if nobody recorded one (a foreign checkpoint)."""
    if not hash_path(path).exists():
        return None
    return hash_file(path) in _known_hashes(path)


def _known_hashes(path: Path) -> list[str]:
    beside = hash_path(path)
    if not beside.exists():
        return []
    with open_regular(beside) as file:
        lines = file.read().decode("latin-1").splitlines()  # which takes damaged bytes as well
    return [line.split()[0] for line in lines if line.strip()]


def _write_hashes(path: Path, hashes: list[str]) -> None:
    beside = hash_path(path)
    part = part_path(beside)
    try:
        with part.open("w") as file:
            file.writelines(f"{value}  {path.name}\n" for value in hashes)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, beside)
    finally:
        part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut; only POSIX can open a folder."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
