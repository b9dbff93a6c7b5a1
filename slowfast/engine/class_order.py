"""Whether weights and data give their classes the same numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from slowfast.log import LOGGER


def refuse_other_order(weights: Sequence[str], data: Sequence[str], *, source: str) -> None:
    """Stop where labels would be of other classes than the scores beside them.

    Nothing is said where either has no names. Names that only one of them has may be another
    spelling, and are a warning.

    Args:
        weights, data: names of classes by number.
        source: file of the weights, for the message.

    Raises:
        ValueError: a class of both has two numbers.
    """
    if moved := _moved(weights, data):
        raise ValueError(
            f"{source}: {moved}; labels would be compared with scores of other classes. Give the "
            "order of the weights, a name a line, in DATA.CLASS_NAMES_FILE, or where lists have "
            "numbers of that order already, correct the names"
        )
    strange = _strange(weights, data)
    if strange:
        number = strange[0]
        LOGGER.warning(
            "%s: %d classes have other names than in the data, such as %d, %r and %r; the names "
            "of the weights are shown, see that both are the same classes",
            *(source, len(strange), number, weights[number], data[number]),
        )


def warn_of_other_order(weights: Sequence[str], data: Sequence[str], *, source: str) -> None:
    """Training may begin with a last layer of other classes, but rarely on purpose."""
    if len(weights) != len(data):
        return  # the last layer begins anew
    if moved := _moved(weights, data):
        LOGGER.warning(
            "%s: %s; the last layer begins with the weights of other classes. The order is set by "
            "DATA.CLASS_NAMES_FILE",
            *(source, moved),
        )


def _moved(weights: Sequence[str], data: Sequence[str]) -> str:
    """Which classes have two numbers, in words; "" for none."""
    theirs, ours = _numbers(weights), _numbers(data)
    moved = [name for name, number in ours.items() if theirs.get(name, number) != number]
    if not moved:
        return ""
    name = moved[0]
    return (
        f"{name!r} is class {theirs[name]} of the weights and {ours[name]} of the data "
        f"({len(moved)} classes have two numbers)"
    )


def _numbers(names: Sequence[str]) -> dict[str, int]:
    """Of the names that only one class has."""
    count = Counter(names)
    return {name: number for number, name in enumerate(names) if count[name] == 1}


def _strange(weights: Sequence[str], data: Sequence[str]) -> list[int]:
    """Numbers that have two names."""
    pairs = zip(weights, data, strict=False)
    return [number for number, (a, b) in enumerate(pairs) if a != b]
