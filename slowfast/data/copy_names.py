"""What the copies of videos are called: each differently, and so that a list can say it."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable

from slowfast.data.datasets.kinetics import split_line

_MARK_LENGTH = 8  # hexadecimal digits that tell names apart that would be the same


def copy_names(paths: Iterable[str], prefix: str, *, pictures: bool) -> dict[str, str]:
    """Path -> name of its copy, no two alike whatever the order of the paths.

    Names that would be the same, as those of ``a#1.mp4`` and ``a_1.mp4``, get a hash of the path
    in the list, which is the same on machines that have the originals in different places.
    """
    names = {path: copy_name(path, prefix, pictures=pictures) for path in paths}
    counts = Counter(names.values())
    return {
        path: _marked(name, _listed(path, prefix)) if counts[name] > 1 else name
        for path, name in names.items()
    }


def copy_name(path: str, prefix: str, *, pictures: bool) -> str:
    """The name of a copy: the path in the list, without anything that leads out of a folder.

    ``a.avi`` becomes ``a.avi.mp4``, so that it is never that of ``a.mp4``. Blanks that a list
    would lose become ``_``.
    """
    listed = _listed(path, prefix).split("/")
    parts = ["up" if part == ".." else part for part in listed if part not in ("", ".")]
    name = "/".join(parts).replace(".tar#", ".tar/").replace("#", "_")
    if not pictures and not name.endswith(".mp4"):
        name = f"{name}.mp4"
    lost = "\n" in name or "\r" in name or split_line(f"x/{name} 0", " ") != (f"x/{name}", "0")
    return re.sub(r"\s", "_", name) if lost else name


def _listed(path: str, prefix: str) -> str:
    return path.removeprefix(os.path.join(prefix, "")) if prefix else path


def _marked(name: str, listed: str) -> str:
    stem, end = os.path.splitext(name)
    return f"{stem}-{hashlib.sha256(os.fsencode(listed)).hexdigest()[:_MARK_LENGTH]}{end}"
