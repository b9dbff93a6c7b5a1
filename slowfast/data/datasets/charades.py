"""Charades (1604.01753): several labels a video, one row of a list a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slowfast.data.datasets.frame_list import FrameList, read_frame_list
from slowfast.data.record import Record


class Charades:
    """The videos of a split with their labels.

    Args:
        videos: the list.
        num_classes: K of the labels.
        by_frame: a clip has the labels of the frames that it spans, as in training; else those
            that the video has anywhere.
    """

    def __init__(self, videos: FrameList, *, num_classes: int, by_frame: bool) -> None:
        self.videos, self.num_classes, self.by_frame = videos, num_classes, by_frame

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, row: int) -> Record:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of a list of {len(self)} videos")
        frames = self.videos.paths(row)
        labels = self.videos.frame_labels(row, self.num_classes)
        return Record(
            self.videos.folder(row),
            labels.amax(0).float(),
            frames=frames,
            frame_labels=labels if self.by_frame else None,
        )

    def fingerprint(self) -> dict[str, str | int]:
        return self.videos.fingerprint()


def charades_from_cfg(cfg: Any, split: str) -> Charades:
    """``PATH_TO_DATA_DIR/train.csv``, or ``val.csv`` for validation and test."""
    name = "train.csv" if split == "train" else "val.csv"
    classes = cfg.MODEL.NUM_CLASSES
    videos = read_frame_list(
        Path(cfg.DATA.PATH_TO_DATA_DIR or "") / name,
        prefix=cfg.DATA.PATH_PREFIX or "",
        num_classes=classes,
    )
    return Charades(videos, num_classes=classes, by_frame=split == "train")
