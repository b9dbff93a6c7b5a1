"""AVA (1705.08421) and data in its format: keyframes with persons in boxes."""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from slowfast.data.datasets.ava_boxes import BoxLists, Keyframe, PackedBoxes, read_exclusions
from slowfast.data.datasets.frame_list import FrameList, read_frame_list
from slowfast.data.datasets.kinetics import VIDEO_SUFFIXES
from slowfast.data.datasets.label_map import read_label_map
from slowfast.data.packed_text import PackedText, digest_of, packed_numbers
from slowfast.data.record import Record
from slowfast.log import LOGGER


@dataclass(frozen=True)
class Clock:
    """Which seconds of the videos have keyframes; the defaults are AVA's.

    Args:
        fps: of extracted frames.
        start_second: what boxes call the moment of the first frame.
        valid_seconds: first and last second that is used; empty: all.
        every: only seconds that are a multiple of this, if it is above 1.
    """

    fps: float = 30
    start_second: float = 900
    valid_seconds: tuple[float, ...] = (902, 1798)
    every: float = 1

    def takes(self, second: float) -> bool:
        if self.valid_seconds and not self.valid_seconds[0] <= second <= self.valid_seconds[1]:
            return False
        return self.every <= 1 or second % self.every == 0


class VideoFolder:
    """Videos ``folder/<name>.<any video suffix>``, where frames are not extracted.

    Raises:
        ValueError: there is no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = str(folder)
        try:
            files = sorted(os.listdir(folder))
        except OSError as error:
            raise ValueError(
                f"AVA.VIDEO_DIR {folder}: expected a folder of videos, found {error}"
            ) from error
        videos = [name for name in files if name.rpartition(".")[2].lower() in VIDEO_SUFFIXES]
        self.names = PackedText.of(name.rpartition(".")[0] for name in videos)
        self.files = PackedText.of(videos)
        self.source = self.folder

    def __len__(self) -> int:
        return len(self.files)

    def file(self, video: int) -> str:
        return os.path.join(self.folder, self.files[video])

    def fingerprint(self) -> dict[str, str | int]:
        return {
            "list_file": self.folder,
            "content_sha256": digest_of(self.files.blob),
            "videos": len(self),
        }


def record_of_video(videos: FrameList | VideoFolder, video: int, *, fps: float) -> Record:
    """Where the frames of a video are.

    Args:
        fps: of extracted frames; a file has times of its own.
    """
    if isinstance(videos, VideoFolder):
        return Record(videos.file(video))
    return Record(videos.folder(video), frames=videos.paths(video), fps=fps)


class Ava:
    """The keyframes of a split, videos in the order of their list and seconds in order of time.

    Args:
        videos: where the frames are.
        boxes: those of each keyframe.
        rows: int64 (N,), which video each keyframe is of.
        seconds: float64 (N,), as the lists of boxes say.
        clock: what those seconds mean.
        num_classes: K of the labels of boxes.
    """

    def __init__(
        self,
        videos: FrameList | VideoFolder,
        boxes: PackedBoxes,
        rows: Tensor,
        seconds: Tensor,
        *,
        clock: Clock,
        num_classes: int,
    ) -> None:
        self.videos, self.boxes, self.rows, self.seconds = videos, boxes, rows, seconds
        self.clock, self.num_classes = clock, num_classes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Record:
        """A keyframe; its label stands in its boxes, and that of the record is 0."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of a list of {len(self)} keyframes")
        video, second = int(self.rows[row]), float(self.seconds[row])
        return replace(
            record_of_video(self.videos, video, fps=self.clock.fps),
            keyframe=second - self.clock.start_second,
            keyframe_key=(self.videos.names[video], second),
            boxes=self.boxes.of_keyframe(row, self.num_classes),
        )

    def fingerprint(self) -> dict[str, str | int]:
        boxes = self.boxes
        return self.videos.fingerprint() | {
            "keyframes": len(self),
            "boxes": len(boxes.corners),
            "boxes_sha256": digest_of(boxes.corners, boxes.scores, boxes.labels, self.seconds),
        }


def join_ava(
    videos: FrameList | VideoFolder,
    lists: BoxLists,
    *,
    clock: Clock,
    num_classes: int,
    excluded: set[Keyframe] | frozenset[Keyframe] = frozenset(),
) -> Ava:
    """Keyframes that have both frames and boxes.

    Raises:
        ValueError: there is none, or one is before the first frame.
    """
    row_of = {videos.names[row]: row for row in range(len(videos))}
    found: list[tuple[int, float, Keyframe]] = []
    without: set[str] = set()
    for name, second in lists.keyframes:
        if name not in row_of:
            without.add(name)
        elif clock.takes(second) and lists.keyframes[name, second]:
            found.append((row_of[name], second, (name, second)))
    kept = sorted(each for each in found if each[2] not in excluded)
    if without and kept:
        LOGGER.warning(
            "%s has nothing of %d video(s) that have boxes; they are left out, the first is %s",
            videos.source,
            len(without),
            min(without),
        )
    left_out = (
        f"{len(lists.keyframes) - len(found)} outside of AVA.VALID_SECONDS "
        f"({list(clock.valid_seconds)}), not a multiple of {clock.every:g}, without frames or "
        f"without persons, {len(found) - len(kept)} excluded; {lists.unsure} boxes below "
        "AVA.DETECTION_SCORE_THRESH"
    )
    if not kept:
        cause = _why_none(videos, lists, clock, without)
        raise ValueError(
            f"{videos.source}: expected keyframes with boxes, found none: {cause} (seconds left "
            f"out: {left_out})"
        )
    LOGGER.info("%s: %d keyframes; seconds left out: %s", videos.source, len(kept), left_out)
    _check_start([key for _, _, key in kept], clock, videos.source)
    return Ava(
        videos,
        PackedBoxes.of([list(lists.keyframes[key].values()) for _, _, key in kept]),
        packed_numbers(array("q", (row for row, _, _ in kept))),
        packed_numbers(array("d", (second for _, second, _ in kept))),
        clock=clock,
        num_classes=num_classes,
    )


def _check_start(keyframes: list[Keyframe], clock: Clock, source: str) -> None:
    """Raise for a keyframe before the first frame."""
    video, second = min(keyframes, key=lambda key: key[1])
    if second < clock.start_second:
        raise ValueError(
            f"{source}: expected boxes from second {clock.start_second:g} on, where the videos "
            f"begin (AVA.START_SECOND), found second {second:g} of {video}; set it to what the "
            "boxes call the first frame, 0 in whole videos, or AVA.VALID_SECONDS to the seconds "
            "that are used"
        )


def _why_none(
    videos: FrameList | VideoFolder, lists: BoxLists, clock: Clock, without: set[str]
) -> str:
    """The first reason for which no keyframe is left, and what to change."""
    named = {name for name, _ in lists.keyframes}
    if not named and lists.unsure:
        return (
            f"all {lists.unsure} boxes have scores below {lists.score_threshold:g}; lower "
            "AVA.DETECTION_SCORE_THRESH"
        )
    if not named:
        return "the lists of boxes are empty or not named; check the lists of AVA"
    if without == named:
        return (
            f"none of the {len(named)} video(s) that have boxes, the first {min(named)!r}, is "
            f"among the {len(videos)} that have frames, the first {videos.names[0]!r}; both lists "
            "must name videos alike"
        )
    seconds = sorted(second for name, second in lists.keyframes if name not in without)
    if not any(map(replace(clock, every=1).takes, seconds)):
        return (
            f"boxes are of seconds {seconds[0]:g} to {seconds[-1]:g}, but used are those of "
            f"AVA.VALID_SECONDS {list(clock.valid_seconds)}; set it to the seconds of boxes, [] "
            "for all"
        )
    if not any(map(clock.takes, seconds)):
        return (
            f"boxes are of seconds {seconds[0]:g} to {seconds[-1]:g}, none of which is used and a "
            f"multiple of {clock.every:g} (AVA.VAL_EVERY_SECONDS); set AVA.FULL_TEST_ON_VAL True "
            "to validate on all of them"
        )
    return "seconds have no persons, or are in AVA.EXCLUSION_FILE; check the lists"


def ava_from_cfg(cfg: Any, split: str) -> Ava:
    """Annotated and detected boxes in training, detected ones in validation and test."""
    ava, train, classes = cfg.AVA, split == "train", cfg.MODEL.NUM_CLASSES
    folder = Path(ava.ANNOTATION_DIR or "")
    lists = BoxLists(num_classes=classes, score_threshold=ava.DETECTION_SCORE_THRESH)
    for name in ava.TRAIN_GT_BOX_LISTS if train else ():
        lists.add(folder / name, detected=False)
    predicted = ava.TRAIN_PREDICT_BOX_LISTS if train else ava.TEST_PREDICT_BOX_LISTS
    for name in predicted or ():
        lists.add(folder / name, detected=True)
    excluded: set[Keyframe] = set()
    if ava.EXCLUSION_FILE and not train:
        excluded = read_exclusions(folder / ava.EXCLUSION_FILE)
    return join_ava(
        ava_videos_from_cfg(cfg, split),
        lists,
        clock=clock_from_cfg(cfg, split),
        num_classes=classes,
        excluded=excluded,
    )


def clock_from_cfg(cfg: Any, split: str) -> Clock:
    """The seconds of a split; validation takes a part unless ``AVA.FULL_TEST_ON_VAL``."""
    ava = cfg.AVA
    rare = split == "val" and not ava.FULL_TEST_ON_VAL
    return Clock(
        fps=ava.FPS,
        start_second=ava.START_SECOND,
        valid_seconds=tuple(ava.VALID_SECONDS),
        every=ava.VAL_EVERY_SECONDS if rare else 1,
    )


def ava_videos_from_cfg(cfg: Any, split: str) -> FrameList | VideoFolder:
    """Where the frames of a split are."""
    ava = cfg.AVA
    if ava.VIDEO_DIR:
        return VideoFolder(ava.VIDEO_DIR)
    lists = Path(ava.FRAME_LIST_DIR or "")
    names = ava.TRAIN_LISTS if split == "train" else ava.TEST_LISTS
    return read_frame_list(*(lists / name for name in names), prefix=ava.FRAME_DIR or "")


def ava_names_from_cfg(cfg: Any) -> list[str]:
    """Names of the label map by number from 0, a class that it leaves out is its own number.

    Empty if there is no label map.
    """
    path = Path(cfg.AVA.ANNOTATION_DIR or "") / cfg.AVA.LABEL_MAP_FILE
    if not path.is_file():
        return []
    classes = read_label_map(path)
    return [classes.get(number, str(number)) for number in range(1, cfg.MODEL.NUM_CLASSES + 1)]
