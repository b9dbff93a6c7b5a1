"""Whether weights and data give their classes the same numbers."""

from __future__ import annotations

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
    numbers = {name: number for number, name in enumerate(weights)}
    once = [name for name in data if weights.count(name) == 1 and data.count(name) == 1]
    moved = [name for name in once if numbers[name] != data.index(name)]
    if not moved:
        return ""
    name = moved[0]
    return (
        f"{name!r} is class {numbers[name]} of the weights and {data.index(name)} of the data "
        f"({len(moved)} classes have two numbers)"
    )


def _strange(weights: Sequence[str], data: Sequence[str]) -> list[int]:
    """Numbers that have two names."""
    if not weights or not data:
        return []
    pairs = zip(weights, data, strict=False)
    return [number for number, (a, b) in enumerate(pairs) if a != b]
