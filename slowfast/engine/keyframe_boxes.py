"""What was found beside what is annotated, keyframe by keyframe: to be looked at, not judged."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from slowfast.config import load_cfg
from slowfast.data.datasets.ava import (
    VideoFolder,
    ava_videos_from_cfg,
    clock_from_cfg,
    record_of_video,
)
from slowfast.data.datasets.ava_boxes import Keyframe
from slowfast.data.datasets.box_rows import BoxRows, read_box_rows
from slowfast.data.datasets.label_map import read_label_map
from slowfast.data.readers.build import open_source_from_cfg
from slowfast.data.readers.source import PICTURE_FPS, OpenSource, open_source
from slowfast.data.record import Record
from slowfast.tasks.frame_truth import truth_from_cfg

FindRecord = Callable[[str], Record | None]


@dataclass(frozen=True)
class LabelledBox:
    """A box with its classes, the surest first.

    Attributes:
        corners: x1, y1, x2, y2 as shares of the frame.
        labels: names.
        scores: one for each; of annotated boxes 1.
    """

    corners: tuple[float, float, float, float]
    labels: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Moment:
    """A keyframe.

    Attributes:
        second: as the lists of boxes say.
        time: seconds from the first frame.
        found: boxes with the classes whose score is over the threshold.
        annotated: boxes with the classes that they have.
    """

    second: float
    time: float
    found: tuple[LabelledBox, ...]
    annotated: tuple[LabelledBox, ...]


@dataclass(frozen=True)
class ComparedBoxes:
    """Detections and annotations of the same keyframes.

    Attributes:
        moments: of each video by its name, in order of time.
        find_record: name of a video -> where its frames are; None if there are none.
        read: opens it.
        threshold: least score of what is shown.
        source: where videos were looked for, for messages.
    """

    moments: Mapping[str, tuple[Moment, ...]]
    find_record: FindRecord
    read: OpenSource
    threshold: float
    source: str

    def record(self, video: str) -> Record:
        """Where the frames of a video are.

        Raises:
            ValueError: nowhere.
        """
        record = self.find_record(video)
        if record is None:
            raise ValueError(
                f"{self.source}: expected video {video!r}, of which there are boxes, found none "
                "of that name"
            )
        return record


def boxes_of_run(
    output_dir: str | Path,
    *,
    detections: str | Path | None = None,
    annotations: str | Path | None = None,
    threshold: float = 0.5,
) -> ComparedBoxes:
    """Boxes that a test left in its OUTPUT_DIR, beside the annotations that its config names.

    Args:
        detections: a list in place of ``detections.csv``.
        annotations: a list in place of ``AVA.GROUNDTRUTH_FILE``.

    Raises:
        ValueError: the folder is not that of a tested run of detection.
    """
    folder = Path(output_dir)
    cfg = _config_of(folder)
    found = detections or _detections_of(folder, cfg)
    truth = truth_from_cfg(cfg)
    annotated = truth.rows
    if annotations is not None:
        annotated = read_box_rows(annotations, detected=False)
    videos = ava_videos_from_cfg(cfg, "test")
    clock = clock_from_cfg(cfg, "test")
    number_of = {videos.names[i]: i for i in range(len(videos))}

    def find(name: str) -> Record | None:
        row = number_of.get(name)
        return None if row is None else record_of_video(videos, row, fps=clock.fps)

    return ComparedBoxes(
        moments_of(
            read_box_rows(found, detected=True),
            annotated,
            truth.names,
            threshold=threshold,
            start_second=clock.start_second,
            takes=lambda key: clock.takes(key[1]) and key not in truth.excluded,
        ),
        find,
        open_source_from_cfg(cfg),
        threshold,
        videos.source,
    )


def _config_of(folder: Path) -> Any:
    config = folder / "config.yaml"
    if not config.is_file():
        raise ValueError(
            f"{folder}: expected the OUTPUT_DIR of a run of detection, found no config.yaml; give "
            "such a folder, or lists and videos with --detections, --gt and --videos"
        )
    cfg = load_cfg(config)
    if not cfg.DETECTION.ENABLE:
        raise ValueError(
            f"{config}: expected a run of detection (DETECTION.ENABLE True), found one of "
            f"{cfg.TEST.DATASET!r} without boxes"
        )
    return cfg


def _detections_of(folder: Path, cfg: Any) -> Path:
    """The list that the judge wrote, beside the predictions."""
    listed = (folder / (cfg.TEST.PREDICTIONS or "predictions.jsonl")).with_name("detections.csv")
    if not listed.is_file():
        raise ValueError(
            f"{listed}: expected the boxes of a test, found no such file; test the run with "
            f"slowfast run --cfg {folder / 'config.yaml'} TRAIN.ENABLE False TEST.ENABLE True"
        )
    return listed


def boxes_of_lists(
    detections: str | Path,
    annotations: str | Path,
    videos: str | Path,
    *,
    label_map: str | Path | None = None,
    start_second: float = 0.0,
    picture_fps: float = PICTURE_FPS,
    threshold: float = 0.5,
) -> ComparedBoxes:
    """Boxes of two lists in AVA's format, whoever wrote them.

    Args:
        videos: folder of video files, or of folders of pictures, named as in the lists.
        label_map: names of the classes; numbers stand for those that have none.
        start_second: what the lists call the moment of the first frame.
        picture_fps: frames per second of pictures.

    Raises:
        ValueError: a file is missing or malformed.
    """
    if not os.path.isdir(videos):
        raise ValueError(f"{videos}: expected a folder of videos or of folders of pictures")
    files = VideoFolder(videos)
    number_of = {files.names[i]: i for i in range(len(files))}

    def find(name: str) -> Record | None:
        if name in number_of:
            return Record(files.file(number_of[name]))
        folder = os.path.join(videos, name)
        return Record(folder) if os.path.isdir(folder) else None

    found = read_box_rows(detections, detected=True)
    moments = moments_of(
        found,
        read_box_rows(annotations, detected=False),
        read_label_map(label_map) if label_map else {},
        threshold=threshold,
        start_second=start_second,
    )
    read = partial(open_source, picture_fps=picture_fps)
    return ComparedBoxes(moments, find, read, threshold, str(videos))


def moments_of(
    found: BoxRows,
    annotated: BoxRows,
    names: Mapping[int, str],
    *,
    threshold: float,
    start_second: float,
    takes: Callable[[Keyframe], bool] = lambda key: True,
) -> dict[str, tuple[Moment, ...]]:
    """All keyframes of two lists by video, in the order of the annotated one.

    Args:
        names: of classes by number; if there are any, rows of other classes are left out.
    """
    sure = _by_keyframe(found, names, threshold)
    right = _by_keyframe(annotated, names, 0.0)
    listed = dict.fromkeys((*_keyframes(annotated), *_keyframes(found)))
    seconds: dict[str, list[float]] = {}
    for video, second in filter(takes, listed):
        seconds.setdefault(video, []).append(second)
    return {
        video: tuple(
            Moment(
                second,
                second - start_second,
                sure.get((video, second), ()),
                right.get((video, second), ()),
            )
            for second in sorted(each)
        )
        for video, each in seconds.items()
    }


@dataclass
class _Gathered:
    corners: tuple[float, float, float, float]
    classes: dict[int, float] = field(default_factory=dict)  # number -> score


def _by_keyframe(
    rows: BoxRows, names: Mapping[int, str], threshold: float
) -> dict[Keyframe, tuple[LabelledBox, ...]]:
    chosen = rows.score >= threshold
    if names:
        chosen &= np.isin(rows.label, list(names))
    gathered: dict[Keyframe, dict[tuple[float, ...], _Gathered]] = {}
    for i in np.flatnonzero(chosen).tolist():
        x1, y1, x2, y2 = rows.corners[i].tolist()
        key = rows.names[int(rows.video[i])], float(rows.second[i])
        boxes = gathered.setdefault(key, {})
        box = boxes.setdefault((x1, y1, x2, y2), _Gathered((x1, y1, x2, y2)))
        box.classes[int(rows.label[i])] = float(rows.score[i])
    return {key: tuple(_labelled(boxes.values(), names)) for key, boxes in gathered.items()}


def _labelled(boxes: Iterable[_Gathered], names: Mapping[int, str]) -> Iterable[LabelledBox]:
    for box in boxes:
        order = sorted(box.classes, key=lambda number: -box.classes[number])
        yield LabelledBox(
            box.corners,
            tuple(names.get(number, str(number)) for number in order),
            tuple(box.classes[number] for number in order),
        )


def _keyframes(rows: BoxRows) -> Iterable[Keyframe]:
    if not len(rows):
        return []
    changes = (np.diff(rows.video, prepend=-1) != 0) | (np.diff(rows.second, prepend=-1) != 0)
    begins = np.flatnonzero(changes)
    videos, seconds = rows.video[begins].tolist(), rows.second[begins].tolist()
    return dict.fromkeys(
        (rows.names[video], second) for video, second in zip(videos, seconds, strict=True)
    )
