"""Which number the name of an action gets in lists of boxes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from slowfast.data.datasets.annotated_boxes import did_you_mean
from slowfast.data.datasets.label_map import read_label_map


def classes_of(found: Counter[str], label_map: Path | None, where: str) -> dict[int, str]:
    """Names of actions by number, from 1.

    Those of ``label_map``; without one, names in the order of the alphabet, and names that are
    numbers from 1 keep them.

    Args:
        found: how many boxes have each action.
        where: what they are from, for messages.

    Raises:
        ValueError: an action is not in the label map, or two look like the same.
    """
    if label_map is not None:
        return _of_map(found, label_map, where)
    if not found:
        raise ValueError(
            f"{where}: expected actions, found boxes without; name their attribute (--attribute)"
        )
    if all(name.isdecimal() and int(name) for name in found):
        return {int(name): name for name in sorted(found, key=int)}
    alike: dict[str, str] = {}
    for name in sorted(found):
        other = alike.setdefault("".join(c for c in name.casefold() if c.isalnum()) or name, name)
        if other != name:
            raise ValueError(
                f"{where}: expected one name an action, found {other!r} ({found[other]} boxes) and "
                f"{name!r} ({found[name]}), which look the same; correct one, or if both are "
                "meant name them in a --label-map"
            )
    return dict(enumerate(sorted(found), start=1))


def _of_map(found: Counter[str], label_map: Path, where: str) -> dict[int, str]:
    classes = read_label_map(label_map)
    known = set(classes.values())
    if unknown := sorted(found.keys() - known):
        named = ", ".join(f"{name!r}{did_you_mean(name, known)}" for name in unknown[:5])
        raise ValueError(
            f"{where}: the actions {named} are not in {label_map}; correct them, add them there, "
            "or import the split that has all of them first"
        )
    return classes
