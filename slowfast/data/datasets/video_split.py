"""Videos with boxes for training and for validation, each wholly on one side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from slowfast.data.datasets.annotated_boxes import did_you_mean, video_name

ALL = "boxes"


def split_videos(names: Sequence[str], val: str) -> dict[str, frozenset[str]]:
    """Names of the lists, and which videos are in each.

    Args:
        val: nothing for one list, a share below 1 of the videos for validation, by a hash of their
            names, or a file with a video's name a line.

    Raises:
        ValueError: there is no such file or video, or a side has none.
    """
    if not val:
        return {ALL: frozenset(names)}
    chosen = _share(names, float(val)) if _is_number(val) else _listed(names, Path(val))
    return {"train": frozenset(names) - chosen, "val": chosen}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _share(names: Sequence[str], share: float) -> frozenset[str]:
    if not 0 < share < 1 or len(names) < 2:
        raise ValueError(
            f"--val {share:g}: expected a share between 0 and 1 of at least two annotated videos, "
            f"found {len(names)}; or name a file with the videos"
        )
    count = min(max(round(share * len(names)), 1), len(names) - 1)
    return frozenset(sorted(names, key=_drawn)[:count])


def _drawn(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()


def _listed(names: Sequence[str], path: Path) -> frozenset[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"--val {path}: expected a share, as 0.2, or a file with a video's name a line, found "
            f"{error}"
        ) from error
    chosen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name = video_name(line.strip())
        if name not in names:
            raise ValueError(
                f"{path}:{number}: expected one of the {len(names)} annotated videos, found "
                f"{name!r}{did_you_mean(name, names)}"
            )
        chosen.add(name)
    if not chosen or len(chosen) == len(set(names)):
        raise ValueError(
            f"{path}: expected some of the {len(names)} annotated videos, so that both lists have "
            f"videos, found {len(chosen)}"
        )
    return frozenset(chosen)
