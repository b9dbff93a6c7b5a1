"""What a config mistake raises: one line that names the place, the rule and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConfigError(ValueError):
    """A config that can't be used; the message is one line for the user."""


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> list[str]:
    """The known names most like ``name``, best first; case does not matter.

    For a dotted key, the same last part in another section counts as near too
    (DATA.BATCH_SIZE -> TRAIN.BATCH_SIZE).
    """
    by_folded: dict[str, str] = {}
    for each in known:
        by_folded.setdefault(each.casefold(), each)
    folded = name.casefold()
    close = difflib.get_close_matches(folded, by_folded, n=count, cutoff=0.6)
    last = folded.rpartition(".")[2]
    if "." in folded:
        same_leaf = [each for each in by_folded if each.rpartition(".")[2] == last]
        close += [each for each in same_leaf if each not in close]
    return [by_folded[each] for each in close[:count]]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``" Did you mean A or B?"``, or nothing if no known name is near."""
    near = nearest(name, known)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def one_line(text: str) -> str:
    """The text without line breaks, so that an error stays one line."""
    return " ".join(text.split())
