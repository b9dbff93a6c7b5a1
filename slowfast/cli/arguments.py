"""Kinds of arguments that several commands take."""

from __future__ import annotations

import argparse
import math
import sys


def positive(text: str) -> int:
    """A whole number from 1; argparse names the argument that is none."""
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    return _number(text, "a number from 0 to 1", 1.0)


def not_negative(text: str) -> float:
    """A number from 0, and not without end."""
    return _number(text, "a number from 0", sys.float_info.max)


def above_0(text: str) -> float:
    """A number above 0, and not without end: a rate, or a time between two moments."""
    return _number(text, "a number above 0", sys.float_info.max, least=sys.float_info.min)


def _number(text: str, expected: str, most: float, *, least: float = 0.0) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return number
