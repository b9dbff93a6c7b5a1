"""A box as an annotation tool or a table gives it, before anything is known of its video."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from slowfast.data.datasets.kinetics import is_video_name

Corners = tuple[float, float, float, float]  # x1 y1 x2 y2
SHARES = (1.0, 1.0)  # the size of a frame whose corners are shares of it


@dataclass(frozen=True)
class AnnotatedBox:
    """One box at one moment of a video.

    Attributes:
        video: name without folder and ending.
        frame: from 0; None where ``second`` is known instead, from the first frame.
        corners: measured in ``size``.
        size: width and height of the frames that it was drawn in; None: pixels of the video.
        actions: of whom it surrounds; there may be none.
        where: file and place in it, for messages.
    """

    video: str
    frame: int | None
    corners: Corners
    size: tuple[float, float] | None
    actions: tuple[str, ...]
    where: str
    second: float | None = None


@dataclass
class Reading:
    """What a file holds.

    Attributes:
        left_out: how many of its things were passed over, by what they are.
        added: how many were made that it does not have.
        notes: how it was understood.
    """

    boxes: list[AnnotatedBox] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def video_name(file: str) -> str:
    """What `AVA.VIDEO_DIR` calls a file: its name without folder and ending."""
    name = file.replace("\\", "/").rpartition("/")[2]
    return name.rpartition(".")[0] if is_video_name(name) and "." in name else name


def refuse_same_names(files: Iterable[str], where: str) -> None:
    """Raise for two files whose boxes would be taken for those of one video."""
    first: dict[str, str] = {}
    for file in files:
        other = first.setdefault(video_name(file), file)
        if other != file:
            raise ValueError(
                f"{where}: expected videos with a name each, found {other!r} and {file!r}, whose "
                "boxes would be mixed; rename one"
            )


def shares_of(corners: Corners, size: tuple[float, float], where: str) -> tuple[Corners, bool]:
    """Corners as shares of the frame from 0 to 1, and whether they had to be cut to that.

    Raises:
        ValueError: the box is empty, or not in the picture.
    """
    (width, height), (x1, y1, x2, y2) = size, corners
    # Annotators reach a little over the edge; more than half of a picture is a mistake.
    near = -width / 2 <= x1 < x2 <= 1.5 * width and -height / 2 <= y1 < y2 <= 1.5 * height
    if not (near and x1 < width and y1 < height and x2 > 0 and y2 > 0):
        unit = "shares" if size == SHARES else f"{width:g}x{height:g} pixels"
        raise ValueError(
            f"{where}: expected a box with its corners in the picture of {unit}, found x {x1:g} to "
            f"{x2:g}, y {y1:g} to {y2:g}; correct it where it was drawn"
        )
    raw = x1 / width, y1 / height, x2 / width, y2 / height
    inside = min(max(raw[0], 0), 1), min(max(raw[1], 0), 1), min(raw[2], 1), min(raw[3], 1)
    return inside, inside != raw


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``" (did you mean 'a' or 'b'?)"``, or nothing if no known name is near."""
    by_folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), by_folded, n=2, cutoff=0.6)
    return f" (did you mean {' or '.join(repr(by_folded[each]) for each in near)}?)" if near else ""


def actions_of_values(values: Iterable[tuple[str, Any]]) -> tuple[str, ...]:
    """Actions of (attribute, value) pairs: a ticked attribute is one, else its value is.

    A ticked one is ``true``; ``false``, an empty value and CVAT's ``__undefined__`` are none.
    """
    found: dict[str, None] = {}
    for name, value in values:
        text = "" if value is None else str(value).strip()
        if text.lower() == "true":
            found[name] = None
        elif text.lower() not in ("", "false", "__undefined__"):
            found[text] = None
    return tuple(found)
