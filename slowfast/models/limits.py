"""Checks of the numbers that networks are made from, whoever gives them."""

from __future__ import annotations

import operator
from collections.abc import Sized
from typing import Any


def check_whole(**numbers: Any) -> None:
    """Raise ValueError unless each is a whole number from 1; the keywords name them."""
    for name, value in numbers.items():
        try:
            whole = operator.index(value) >= 1 and not isinstance(value, bool)
        except TypeError:
            whole = False
        if not whole:
            raise ValueError(f"{name} is {value!r}, but must be a whole number from 1")


def check_above_zero(**numbers: float) -> None:
    """Raise ValueError unless each is a number above 0."""
    for name, value in numbers.items():
        if not (isinstance(value, int | float) and value > 0):
            raise ValueError(f"{name} is {value!r}, but must be a number above 0")


def check_share(**numbers: float) -> None:
    """Raise ValueError unless each is at least 0 and below 1."""
    for name, value in numbers.items():
        if not (isinstance(value, int | float) and 0 <= value < 1):
            raise ValueError(f"{name} is {value!r}, but must be at least 0 and below 1")


def check_count(expected: int, what: str, **sequences: Sized) -> None:
    """Raise ValueError unless each has ``expected`` entries, of ``what``."""
    for name, value in sequences.items():
        if not isinstance(value, Sized) or len(value) != expected:
            raise ValueError(f"{name} is {value!r}, but must have {expected} entries: {what}")
