"""Boxes of CVAT, of COCO-style JSON or of a table of one's own, to lists in AVA's format."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from slowfast.data.datasets.annotated_boxes import (
    AnnotatedBox,
    Corners,
    Reading,
    did_you_mean,
    shares_of,
)
from slowfast.data.datasets.ava_boxes import second_text
from slowfast.data.datasets.box_classes import classes_of
from slowfast.data.datasets.coco_boxes import read_coco
from slowfast.data.datasets.cvat_boxes import read_cvat
from slowfast.data.datasets.label_map import write_label_map
from slowfast.data.datasets.table_boxes import read_table_boxes
from slowfast.data.datasets.video_clocks import VideoClock, VideoClocks
from slowfast.data.datasets.video_split import split_videos

LABEL_MAP = "actions.pbtxt"
_SHAPE = 1.02  # width / height of annotated and real frames may differ by this factor
_DIGITS = 4  # of seconds and of corners


@dataclass(frozen=True)
class Keyed:
    """A box of a keyframe, as lists have it: corners are shares of the frame."""

    video: str
    second: float
    corners: Corners
    actions: tuple[str, ...]


@dataclass(frozen=True)
class WrittenList:
    """A list that was written, and what is in it."""

    path: Path
    videos: int
    keyframes: int
    boxes: int
    per_class: Counter[str]
    without_action: int


@dataclass
class Imported:
    """What `import_boxes` did.

    Attributes:
        classes: names by their numbers, from 1.
        left_out: how many things are in no list, by what they are.
        added, changed: how many boxes the sources do not have, or have otherwise.
        notes: how sources were understood, and what looks odd.
    """

    lists: list[WrittenList]
    classes: dict[int, str]
    left_out: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def import_boxes(
    sources: Sequence[Path],
    out_dir: Path,
    *,
    videos: Path | None = None,
    fps: float | None = None,
    every: float = 0.0,
    attributes: Sequence[str] = (),
    first_frame: int | None = None,
    video: str = "",
    label_map: Path | None = None,
    val: str = "",
    skip_missing: bool = False,
) -> Imported:
    """Write ``boxes.csv``, or ``train.csv`` and ``val.csv``, and ``actions.pbtxt``.

    Seconds count from a video's first frame.

    Args:
        sources: .xml of "CVAT for video", .json in the style of COCO, or tables.
        out_dir: folder, made if need be.
        videos: their folder: frames get the times that they have in the video, whatever its rate,
            and names, sizes and lengths are checked.
        fps: frames per second that the annotations number, where they do not number each frame of
            the video; one of both is needed.
        every: keep the frames nearest to multiples of so many seconds; 0: all that are annotated.
        attributes: of CVAT boxes or COCO annotations, whose values are the actions; none: their
            label or category is.
        first_frame: number of the first frame, where it is not the format's own.
        video: of all boxes, where the sources do not say.
        label_map: actions and numbers to keep, as of the training split.
        val: which videos go to ``val.csv``: a share of them, or a file with a name a line.
        skip_missing: leave out boxes of videos that are not there.

    Raises:
        ValueError: a source is none of these, a box, a video or an action is not what it should be.
    """
    _check_times(videos, fps, every)
    clocks = VideoClocks(videos, fps)
    whole = Imported([], {})
    boxes: list[AnnotatedBox] = []
    for source in sources:
        reading = _read(source, clocks, every, tuple(attributes), first_frame, video)
        boxes += reading.boxes
        whole.left_out += reading.left_out
        whole.added += reading.added
        whole.notes += reading.notes
    boxes = _of_known_videos(boxes, clocks, videos, skip_missing, whole)
    kept = _at_keyframes(boxes, clocks, every, whole)
    shown = ", ".join(map(str, sources))
    if not kept:
        raise ValueError(
            f"{shown}: expected boxes, found none{' at these times' * bool(every)}"
            + "".join(f"; {count} {what}" for what, count in whole.left_out.items())
        )
    whole.classes = classes_of(
        Counter(action for box in kept for action in box.actions), label_map, shown
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    write_label_map(out_dir / LABEL_MAP, whole.classes)
    for name, members in split_videos(sorted({box.video for box in kept}), val).items():
        part = [box for box in kept if box.video in members]
        whole.lists.append(_write(out_dir / f"{name}.csv", part, whole))
    return whole


def _check_times(videos: Path | None, fps: float | None, every: float) -> None:
    if videos is None and fps is None:
        raise ValueError(
            "expected the folder of the videos, whose frames say when they are shown, or the rate "
            "that frames are numbered at, found none of them; set --videos or --fps"
        )
    if (fps is not None and not 0 < fps < math.inf) or not 0 <= every < math.inf:
        raise ValueError(
            f"expected frames per second above 0 and a step of 0 seconds or more, got {fps} and "
            f"{every:g}; correct --fps or --every"
        )


def _read(
    source: Path,
    clocks: VideoClocks,
    every: float,
    attributes: tuple[str, ...],
    first_frame: int | None,
    video: str,
) -> Reading:
    kind = source.suffix.lower()
    if kind == ".xml":
        wanted = partial(clocks.frames_every, every)
        return read_cvat(source, attributes=attributes, video=video, wanted=wanted)
    if kind == ".json":
        return read_coco(source, attributes=attributes, first_frame=first_frame, video=video)
    if kind in (".csv", ".tsv", ".txt"):
        return read_table_boxes(source, first_frame=first_frame)
    raise ValueError(
        f"{source}: expected .xml of CVAT for video, .json like COCO's, or a table (.csv, .tsv), "
        "found another ending; of a .zip of CVAT take the file in it"
    )


def _of_known_videos(
    boxes: list[AnnotatedBox],
    clocks: VideoClocks,
    folder: Path | None,
    skip: bool,
    whole: Imported,
) -> list[AnnotatedBox]:
    missing = Counter(box.video for box in boxes if box.video not in clocks)
    if clocks.files is not None:
        bare = sorted(clocks.files.keys() - {box.video for box in boxes})
        if bare:
            whole.left_out[f"videos without annotations (the first is {bare[0]!r})"] += len(bare)
    if missing and not skip:
        known = clocks.files or {}
        named = [f"{name!r}{did_you_mean(name, known)}" for name in sorted(missing)[:3]]
        first = next(box for box in boxes if box.video in missing)
        raise ValueError(
            f"{first.where}: expected videos of {folder}, found {len(missing)} that are not there: "
            f"{', '.join(named)}{' ...' * (len(missing) > 3)}; rename one of both, or leave their "
            f"{missing.total()} boxes out with --skip-missing"
        )
    for name, count in missing.items():
        whole.left_out[f"boxes of {name!r}, which is not in {folder}"] += count
    return [box for box in boxes if box.video in clocks]


def _at_keyframes(
    boxes: list[AnnotatedBox], clocks: VideoClocks, every: float, whole: Imported
) -> list[Keyed]:
    kept = []
    for box in boxes:
        clock = clocks[box.video]
        second = _second_of(box, clock)
        if every:
            nearest = round(second / every) * every
            same = clock.frame_at(nearest) == clock.frame_at(second)
            if not same or nearest > clock.duration:
                whole.left_out[f"boxes at other times than --every {every:g}"] += 1
                continue
            second = nearest
        corners, cut = shares_of(box.corners, _size_of(box, clock), box.where)
        whole.changed["boxes cut at the edge of the picture"] += cut
        kept.append(Keyed(box.video, round(second, _DIGITS), corners, box.actions))
    whole.changed += Counter()  # without zeros
    return kept


def _second_of(box: AnnotatedBox, clock: VideoClock) -> float:
    second = clock.second_of(box.frame) if box.frame is not None else box.second
    assert second is not None, "a box has a frame or a second"
    # Players and tables name the end of the last frame, which begins a frame earlier.
    late = clock.end + (0 if box.frame is not None else 1)
    if not 0 <= second <= late:
        count = 0 if clock.times is None else len(clock.times)
        found = f"frame {box.frame}" if box.frame is not None else f"second {second:g}"
        raise ValueError(
            f"{box.where}: expected a moment of {box.video!r}, which has frames 0 to {count - 1} "
            f"in {clock.end:.2f} s, found {found}; if frames are counted at another rate than the "
            "video's, set --fps, and --first-frame if not from 0"
        )
    return second


def _size_of(box: AnnotatedBox, clock: VideoClock) -> tuple[float, float]:
    """The size of the frame that corners are measured in."""
    if box.size is None:
        if clock.size is None:
            raise ValueError(
                f"{box.where}: expected shares of the frame from 0 to 1, found pixels, and no "
                "video that says how many it has; set --videos"
            )
        return clock.size
    if clock.size is None or box.size == (1.0, 1.0) or not min(box.size) > 0:
        return box.size
    (width, height), (real_width, real_height) = box.size, clock.size
    ratio = width / height * real_height / real_width
    if not 1 / _SHAPE <= ratio <= _SHAPE:
        turned = width / height * real_width / real_height
        why = (
            "the video says that it is to be shown turned, and the annotation tool did not turn "
            "it: write it anew with `slowfast prepare-data` and annotate that"
            if 1 / _SHAPE <= turned <= _SHAPE
            else "annotate the same file, or write the video with that shape"
        )
        raise ValueError(
            f"{box.where}: expected frames with the shape of {box.video!r}, which is "
            f"{real_width:g}x{real_height:g} pixels as it is shown, found {width:g}x{height:g}; "
            f"{why}"
        )
    return box.size


def _write(path: Path, boxes: list[Keyed], whole: Imported) -> WrittenList:
    numbers = {name: number for number, name in whole.classes.items()}
    rows: dict[tuple[str, ...], None] = {}
    per_class: Counter[str] = Counter()
    said = 0
    for box in sorted(boxes, key=lambda box: (box.video, box.second)):
        corners = [f"{value:.{_DIGITS}f}" for value in box.corners]
        # A person who does none of the actions is a row without one.
        for action in box.actions or ("",):
            # Seven columns: an eighth would be taken for a score where the list is one of
            # detections.
            number = str(numbers[action]) if action else ""
            row = (box.video, second_text(box.second), *corners, number)
            if row in rows:
                said += 1
                continue
            rows[row] = None
            per_class[action] += 1
    if said:
        whole.left_out["rows that say the same as another"] += said
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    keyframes = {row[:2] for row in rows}
    return WrittenList(
        path,
        len({video for video, _ in keyframes}),
        len(keyframes),
        len({row[:6] for row in rows}),
        per_class,
        per_class.pop("", 0),
    )
