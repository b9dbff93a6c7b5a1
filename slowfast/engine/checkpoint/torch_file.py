"""Files of torch.save, read so that nothing in them runs and none is larger than it looks."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.pickle_weight import refuse_heavy

ZIP = b"PK\x03\x04"  # how these files begin since PyTorch 1.6
_OLD_PICKLES = 5  # before: magic number, version, system, content, keys of the tensors
MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"


def read_torch(file: Path, *, source: str) -> Any:
    """What torch.save was given, on the CPU.

    Raises:
        CheckpointError: the file is damaged, holds other things than tensors and plain values,
            or would unpack to more than it is.
    """
    try:
        with file.open("rb") as opened:  # of a path, torch.load would go by the name
            refuse_harm(opened, size=file.stat().st_size)
            opened.seek(0)
            return torch.load(opened, map_location="cpu", weights_only=True)
    # Damage comes out of the reader as an error of any kind.
    except Exception as error:
        raise CheckpointError(_why_not(file, error, source=source)) from error


def refuse_harm(opened: BinaryIO, *, size: int) -> None:
    """Raise if what torch.save is said to have written would take much more memory or time.

    Args:
        opened: at its beginning; it can be sought in.
        size: in bytes.

    Raises:
        ValueError: it would, or it is damaged, which may also raise an error of any other kind.
    """
    if opened.read(len(ZIP)) != ZIP:
        opened.seek(0)
        for _ in range(_OLD_PICKLES):
            refuse_heavy(opened)
        return
    with zipfile.ZipFile(opened) as archive:
        entries = archive.infolist()
        # torch.save neither packs nor shares the entries of its zip file: a bomb does.
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise _TooLarge("its entries are compressed, as torch.save never does")
        if sum(entry.file_size for entry in entries) > size:
            raise _TooLarge("its entries are larger than the file itself")
        # Several of one name: which one PyTorch would take is its business.
        for entry in entries:
            if entry.filename.endswith("data.pkl"):
                refuse_heavy(io.BytesIO(archive.read(entry)))


class _TooLarge(ValueError):
    """The file would take more memory than its size says."""


def _why_not(file: Path, error: Exception, *, source: str) -> str:
    """What is wrong; the reader's own words are left out where they advise to run the file."""
    foreign = _foreign_objects(file)
    if foreign:
        return (
            f"{source}: holds objects that could run code when they are loaded "
            f"({', '.join(foreign[:4])}), besides tensors and plain values. If you trust whoever "
            "made it, read it once with torch.load(FILE, weights_only=False) and save its "
            "'model_state' alone with torch.save"
        )
    told = str(error) if isinstance(error, _TooLarge) else type(error).__name__
    return (
        f"{source}: expected a PyTorch checkpoint that holds tensors and plain values, but "
        f"reading it failed ({told}); the file is damaged, of another kind, or holds objects "
        "that could run code"
    )


def _foreign_objects(file: Path) -> list[str]:
    try:
        return list(torch.serialization.get_unsafe_globals_in_checkpoint(str(file)))
    except Exception:  # damaged, or in the old format, which cannot be asked
        return []
