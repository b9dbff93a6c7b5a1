"""Finds videos that are the same: by their bytes, their pictures, or their looks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

_BITS = 64  # of a frame's look
_BAND = 32  # bits that two copies must have in common somewhere in order to be compared at all
_CROWD = 50  # videos that share a band: a title card or a test picture, no copies
_DIFFERENT = 0.08  # share of bits that may differ between copies
_FLAT = 6  # a frame with fewer ones or zeros shows nothing that could be compared
_ENOUGH = 3  # frames that show something, for a judgement


def groups(values: Mapping[str, str]) -> list[list[str]]:
    """Names that share a value, at least two of each; empty values are shared by nobody."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, value in values.items():
        if value:
            found[value].append(name)
    return [names for names in found.values() if len(names) > 1]


def look_alikes(looks: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Pairs of names whose looks are nearly the same (see `inspection.Facts.look`)."""
    names = list(looks)
    frames = {name: _frames(looks[name]) for name in names}
    bands: dict[tuple[int, int, int], list[str]] = defaultdict(list)
    for name in names:
        for place, bits in enumerate(frames[name]):
            if _shows_something(bits):
                bands[place, 0, bits >> _BAND].append(name)
                bands[place, 1, bits & ((1 << _BAND) - 1)].append(name)
    seen = set()
    for members in bands.values():
        if not 2 <= len(members) <= _CROWD:
            continue
        for i, one in enumerate(members):
            for other in members[i + 1 :]:
                if (one, other) not in seen:
                    seen.add((one, other))
                    if _alike(frames[one], frames[other]):
                        yield one, other


def _frames(look: str) -> list[int]:
    digits = _BITS // 4
    return [int(look[at : at + digits], 16) for at in range(0, len(look), digits)]


def _shows_something(bits: int) -> bool:
    return _FLAT <= bits.bit_count() <= _BITS - _FLAT


def _alike(one: list[int], other: list[int]) -> bool:
    if len(one) != len(other):
        return False
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if _shows_something(a)]
    different = sum((a ^ b).bit_count() for a, b in pairs)
    return len(pairs) >= min(_ENOUGH, len(one)) and different <= _DIFFERENT * _BITS * len(pairs)
