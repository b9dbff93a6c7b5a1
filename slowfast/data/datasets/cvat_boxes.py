"""Boxes of an export of the annotation tool CVAT as "CVAT for video 1.1"."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from slowfast.data.datasets.annotated_boxes import (
    AnnotatedBox,
    Corners,
    Reading,
    actions_of_values,
    did_you_mean,
    video_name,
)

# video, last frame -> frames up to it that a box is wanted at, increasing
FramesOf = Callable[[str, int], Sequence[int]]


def read_cvat(
    path: Path,
    *,
    attributes: tuple[str, ...] = (),
    video: str = "",
    wanted: FramesOf = lambda video, last: (),
) -> Reading:
    """The boxes of all tracks; those that are marked as outside are left out.

    Args:
        attributes: whose values are the actions; none: the label is.
        video: what the video is called, if not as the export says.
        wanted: frames that get a box between two of a track, where it has none of its own.

    Raises:
        ValueError: it is not such a file, or its frames are not counted as the video's.
    """
    root = _root_of(path)
    name, size = _video_of(root, video, path)
    reading = Reading()
    lacking: Counter[str] = Counter()
    frames = _Frames.of(root)
    for track in root.iter("track"):
        where = f"{path}: track {track.get('id')}"
        if not track.get("label"):
            raise ValueError(f"{where}: expected a label, found none; export it from CVAT again")
        for child in track:
            if child.tag not in ("box", "attribute"):
                reading.left_out[f"shapes that are no boxes ({child.tag})"] += 1
        shapes = sorted((_shape_of(box, where) for box in track.iter("box")), key=_frame_of)
        reading.left_out["boxes marked as outside"] += sum(shape.outside for shape in shapes)
        for shape in _with_wanted(shapes, wanted, name, reading.added):
            here = f"{where}, frame {shape.frame}"
            frames.check(shape.frame, here)
            actions = _actions(shape.box, track, attributes)
            if actions is None:
                lacking[track.attrib["label"]] += 1
                continue
            reading.boxes.append(
                AnnotatedBox(name, shape.frame, shape.corners, size, actions, here)
            )
    _settle_lacking(reading, lacking, root, attributes, path)
    return reading


def _root_of(path: Path) -> Element:
    try:
        return ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ValueError(f"{path}: expected an .xml of CVAT for video, found {error}") from error


def _video_of(root: Element, video: str, path: Path) -> tuple[str, tuple[float, float]]:
    """Name of the video, and width and height of its frames."""
    size = root.find(".//original_size")
    source = video or root.findtext(".//source") or root.findtext("./meta/task/name")
    if size is None or not source or root.find("image") is not None:
        raise ValueError(
            f"{path}: expected <original_size> and <source> of a video, found none; export it from "
            "CVAT as 'CVAT for video 1.1'"
        )
    if len(list(root.iter("original_size"))) > 1:
        raise ValueError(
            f"{path}: expected one video, found several, whose boxes this format does not tell "
            "apart; export each task of the project by itself"
        )
    sides = [size.findtext(side) or "" for side in ("width", "height")]
    try:
        width, height = map(float, sides)
    except ValueError:
        width = height = 0.0
    if not min(width, height) > 0:
        raise ValueError(
            f"{path}: expected width and height of the frames in <original_size>, found "
            f"{' and '.join(map(repr, sides))}; export it from CVAT again"
        )
    return video_name(source), (width, height)


@dataclass(frozen=True)
class _Frames:
    """Which frames of its video a task has."""

    start: int
    stop: float

    @classmethod
    def of(cls, root: Element) -> _Frames:
        start = root.findtext(".//start_frame") or "0"
        stop = root.findtext(".//stop_frame") or ""
        return cls(
            int(start) if start.isdecimal() else 0,
            int(stop) if stop.isdecimal() and int(stop) else math.inf,
        )

    def check(self, frame: int, where: str) -> None:
        """Raise for a frame that the task does not have, but for those between two of its own."""
        if not self.start <= frame <= self.stop:
            raise ValueError(
                f"{where}: expected frames {self.start} to {self.stop:g} of the video, as its "
                "<start_frame> and <stop_frame> say, found another; export the task from a newer "
                "CVAT, or the whole video"
            )


@dataclass(frozen=True)
class _Shape:
    """A box of a track at a frame."""

    frame: int
    corners: Corners
    outside: bool
    box: Element


def _frame_of(shape: _Shape) -> int:
    return shape.frame


def _shape_of(box: Element, where: str) -> _Shape:
    try:
        frame, turned = int(box.attrib["frame"]), float(box.get("rotation", 0))
        x1, y1, x2, y2 = (float(box.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{where}: expected a box with frame, xtl, ytl, xbr and ybr, found {box.attrib}"
        ) from error
    corners = _upright((x1, y1, x2, y2), turned) if turned else (x1, y1, x2, y2)
    return _Shape(frame, corners, box.get("outside") == "1", box)


def _upright(corners: Corners, degrees: float) -> Corners:
    """The upright box around one that is turned about its middle."""
    x1, y1, x2, y2 = corners
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    half_x = ((x2 - x1) * cos + (y2 - y1) * sin) / 2
    half_y = ((x2 - x1) * sin + (y2 - y1) * cos) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return x - half_x, y - half_y, x + half_x, y + half_y


def _with_wanted(
    shapes: list[_Shape], wanted: FramesOf, video: str, added: Counter[str]
) -> Iterator[_Shape]:
    """Those that are not outside, and in between, on straight lines as CVAT draws, wanted ones."""
    yield from (shape for shape in shapes[-1:] if not shape.outside)
    frames = wanted(video, shapes[-1].frame) if shapes else ()
    for shape, following in pairwise(shapes):
        if shape.outside:
            continue
        yield shape
        first = bisect.bisect_right(frames, shape.frame)
        for frame in frames[first : bisect.bisect_left(frames, following.frame)]:
            part = (frame - shape.frame) / (following.frame - shape.frame)
            x1, y1, x2, y2 = (
                a + part * (b - a) for a, b in zip(shape.corners, following.corners, strict=True)
            )
            added["boxes between two of a track, on a straight line as CVAT draws"] += 1
            yield _Shape(frame, (x1, y1, x2, y2), False, shape.box)


def _actions(box: Element, track: Element, attributes: tuple[str, ...]) -> tuple[str, ...] | None:
    """None: the box has no such attribute."""
    if not attributes:
        return (track.attrib["label"],)
    given = [(str(each.get("name")), each.text) for each in (*track.findall("attribute"), *box)]
    chosen = [pair for pair in given if pair[0] in attributes]
    return actions_of_values(chosen) if chosen else None


def _settle_lacking(
    reading: Reading,
    lacking: Counter[str],
    root: Element,
    attributes: tuple[str, ...],
    path: Path,
) -> None:
    wanted = " or ".join(map(repr, attributes))
    if lacking and not reading.boxes:
        known = sorted({str(each.get("name")) for each in root.iter("attribute")})
        near = did_you_mean(attributes[0], known)
        raise ValueError(
            f"{path}: expected boxes with the attribute {wanted}{near}, found "
            f"{', '.join(known) or 'none'}; correct --attribute"
        )
    for label, count in lacking.items():
        reading.left_out[f"boxes of {label!r}, which have no attribute {wanted}"] += count
