"""Videos that a data set leaves out although its list has them: ``quarantine.txt``."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from slowfast.data.record import Record, Records
from slowfast.log import LOGGER

FILE_NAME = "quarantine.txt"
EVERY_SPLIT = "*"
_HEADER = (
    "# Videos that training, validation and test leave out: split (or *), path as in the list or "
    "below\n# DATA.PATH_TO_DATA_DIR, why; divided by tabs. Written by slowfast check-data --fix; "
    "lines may be\n# added or taken out by hand.\n"
)


@dataclass(frozen=True)
class Entry:
    """A video to leave out of one split, or of all (`EVERY_SPLIT`)."""

    split: str
    path: str
    cause: str = ""


def read_quarantine(file: str | Path) -> list[Entry]:
    """The entries of a file; empty lines and those that begin with ``#`` do not count.

    Raises:
        ValueError: there is no such file, or a line has no split and path.
    """
    try:
        # Only these end a line: names may hold other characters that Python takes for ends.
        text = Path(file).read_text(encoding="utf-8", errors="surrogateescape")
        lines = text.split("\n")
    except OSError as error:
        raise ValueError(
            f"{file}: expected a list of videos to leave out, found {error.strerror}; see "
            "DATA.QUARANTINE"
        ) from error
    entries = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        split, found, rest = line.partition("\t")
        path, _, cause = rest.partition("\t")
        if not found or not path or split not in (EVERY_SPLIT, "train", "val", "test"):
            raise ValueError(
                f"{file}:{number}: expected 'split<tab>path<tab>why' with the split train, val, "
                f"test or *, got {line[:80]!r}"
            )
        entries.append(Entry(split, _unquoted(path), cause))
    return entries


def write_quarantine(file: Path, entries: Iterable[Entry]) -> None:
    """Write a file that `read_quarantine` reads, whole or not at all."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8", errors="surrogateescape") as out:
        out.write(_HEADER)
        for entry in entries:
            cause = " ".join(entry.cause.split())
            out.write(f"{entry.split}\t{_quoted(entry.path)}\t{cause}\n")
    os.replace(part, file)


def _quoted(path: str) -> str:
    """A path that would break a line, as JSON."""
    breaks = path.startswith('"') or any(character in path for character in "\t\r\n")
    return json.dumps(path) if breaks else path


def _unquoted(path: str) -> str:
    try:
        value = json.loads(path) if path.startswith('"') else path
    except ValueError:  # a name in quotation marks that nobody quoted
        return path
    return str(value)


def path_in_lists(path: str, *, prefix: str, folder: str) -> str:
    """A path without the folders that a config puts in front of it.

    Written down like this it is found again when these folders have other names, as seen from
    another place or on another machine.

    Args:
        prefix: as of the list (DATA.PATH_PREFIX).
        folder: of the lists (DATA.PATH_TO_DATA_DIR), where a data set may have its files, too.
    """
    for base in filter(None, (prefix, folder)):
        for start in (os.path.join(base, ""), os.path.join(os.path.normpath(base), "")):
            if path.startswith(start):
                return path[len(start) :]
    return path


class KeptRecords:
    """The rows of other records that are not in quarantine, in their order.

    Args:
        records: all of them.
        kept: int64 (rows,), numbers in ``records``.
        source: the file that says what to leave out.
    """

    def __init__(self, records: Records, kept: Tensor, *, source: str) -> None:
        self.records, self.kept, self.source = records, kept, source

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, row: int) -> Record:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of a list of {len(self)} videos")
        return self.records[int(self.kept[row])]

    def fingerprint(self) -> dict[str, str | int]:
        """That of all rows, and what is left of them."""
        return {
            **self.records.fingerprint(),
            "quarantine_file": self.source,
            "quarantined": len(self.records) - len(self),
            "kept_sha256": hashlib.sha256(self.kept.numpy().tobytes()).hexdigest(),
        }


def leave_out(
    records: Records,
    entries: Iterable[Entry],
    split: str,
    *,
    prefix: str = "",
    folder: str = "",
    source: str = "",
) -> Records:
    """The records without those of ``entries``; the very same object if none is concerned.

    Entries of just this split that name none of its videos are told in the log.

    Args:
        prefix: folder in front of each path, as of the list.
        folder: where paths may begin as well; see `path_in_lists`.
        source: the file of the entries.

    Raises:
        ValueError: nothing is left.
    """
    bases = dict.fromkeys((folder, prefix))
    chosen = [entry for entry in entries if entry.split in (EVERY_SPLIT, split)]
    if not chosen:
        return records
    entry_of = {
        os.path.normpath(os.path.join(base, entry.path)): entry
        for entry in chosen
        for base in bases
    }
    kept, met = [], set()
    for row in range(len(records)):
        entry = entry_of.get(os.path.normpath(records[row].path))
        if entry is None:
            kept.append(row)
        else:
            met.add(entry.path)
    unmet = [e.path for e in chosen if e.split == split and e.path not in met]
    if unmet:
        LOGGER.warning(
            "%d of the videos of %s that %s leaves out are not in its list, such as %s",
            *(len(unmet), split, source, unmet[0]),
        )
    if len(kept) == len(records):
        return records
    if not kept:
        raise ValueError(
            f"{source}: all {len(records)} videos of {split} are in quarantine; correct the file, "
            "or set DATA.QUARANTINE off"
        )
    return KeptRecords(records, torch.tensor(kept, dtype=torch.int64), source=source)
