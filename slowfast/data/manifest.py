"""A list of labelled videos that costs loader workers no memory, however long it is."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from slowfast.data.record import Record


class Manifest:
    """Videos with one label each.

    Paths lie in one byte tensor with offsets. A list of Python strings would be copied to every
    worker little by little, as reference counts touch its pages.

    Args:
        paths: all paths one after the other, UTF-8, uint8 (bytes,).
        offsets: int64 (rows + 1,), where each path begins.
        labels: int64 (rows,).
        prefix: folder put in front of each path.
        source: the list file, for messages and the fingerprint.
    """

    def __init__(
        self, paths: Tensor, offsets: Tensor, labels: Tensor, *, prefix: str = "", source: str = ""
    ) -> None:
        self.paths, self.offsets, self.labels = paths, offsets, labels
        self.prefix, self.source = prefix, source

    @classmethod
    def from_rows(
        cls, rows: Iterable[tuple[str, int]], *, prefix: str = "", source: str = ""
    ) -> Manifest:
        """Pack (path, label) pairs; the iterable may be a generator over millions."""
        blob, offsets, labels = bytearray(), array("q", [0]), array("q")
        for path, label in rows:
            blob += os.fsencode(path)
            offsets.append(len(blob))
            labels.append(label)
        return cls(
            torch.frombuffer(blob, dtype=torch.uint8) if blob else torch.empty(0).byte(),
            torch.frombuffer(offsets, dtype=torch.int64),
            torch.frombuffer(labels, dtype=torch.int64) if labels else torch.empty(0).long(),
            prefix=prefix,
            source=source,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Record:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of a list of {len(self)} videos")
        begin, end = self.offsets[row : row + 2].tolist()
        path = os.fsdecode(bytes(self.paths[begin:end].numpy()))
        return Record(os.path.join(self.prefix, path), int(self.labels[row]))

    def fingerprint(self) -> dict[str, str | int]:
        """What tells two data sets apart, as plain values for a JSON file."""
        counts = torch.bincount(self.labels) if len(self) else torch.zeros(1, dtype=torch.int64)
        present = counts[counts > 0]
        return {
            "list_file": self.source,
            "list_sha256": _sha256(self.source) if self.source else "",
            "content_sha256": hashlib.sha256(
                b"".join(t.numpy().tobytes() for t in (self.paths, self.offsets, self.labels))
            ).hexdigest(),
            "path_prefix": self.prefix,
            "videos": len(self),
            "classes": len(present),
            "videos_per_class_min": int(present.min()) if len(present) else 0,
            "videos_per_class_max": int(present.max()) if len(present) else 0,
        }


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
