"""Random generators that depend on what is drawn for, never on who draws or when.

A worker, a rank or a resumed run that asks for the same key gets the same numbers, so no
generator state has to be saved, and neither the number of workers nor of ranks changes a clip.
"""

from __future__ import annotations

import hashlib

import torch


def seed_from_key(*key: int | str) -> int:
    """A 63-bit seed from a key such as ``(seed, "clip", epoch, sample, view)``."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1  # manual_seed takes a signed 64-bit integer


def generator_for(*key: int | str) -> torch.Generator:
    """A CPU generator that the key alone determines."""
    return torch.Generator().manual_seed(seed_from_key(*key))
