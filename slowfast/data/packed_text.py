"""Many short texts in one byte tensor, which the workers of a loader share without copying."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class PackedText:
    """A read-only list of texts.

    A list of Python strings would be copied to every worker little by little, as reference counts
    touch its pages.

    Args:
        blob: all texts one after the other, in the encoding of file names, uint8 (bytes,).
        offsets: int64 (texts + 1,), where each begins.
    """

    def __init__(self, blob: Tensor, offsets: Tensor) -> None:
        self.blob, self.offsets = blob, offsets

    @classmethod
    def of(cls, texts: Iterable[str]) -> PackedText:
        """Pack texts; the iterable may be a generator over millions."""
        blob, offsets = bytearray(), array("q", [0])
        for text in texts:
            blob += os.fsencode(text)
            offsets.append(len(blob))
        data = torch.frombuffer(blob, dtype=torch.uint8) if blob else torch.empty(0).byte()
        return cls(data, packed_numbers(offsets))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        if not 0 <= row < len(self):
            raise IndexError(f"text {row} of {len(self)}")
        begin, end = self.offsets[row : row + 2].tolist()
        return os.fsdecode(bytes(self.blob[begin:end].numpy()))


_KINDS = {"q": torch.int64, "f": torch.float32, "d": torch.float64}


def packed_numbers(numbers: array[Any]) -> Tensor:
    """An array of "q", "f" or "d" as int64, float32 or float64, without a copy."""
    kind = _KINDS[numbers.typecode]
    return torch.frombuffer(numbers, dtype=kind) if len(numbers) else torch.empty(0, dtype=kind)


def digest_of(*tensors: Tensor) -> str:
    """sha256 of what tensors hold, in hexadecimal."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
