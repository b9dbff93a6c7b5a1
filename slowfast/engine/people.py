"""Boxes of persons at every second of videos, from torchvision's detector trained on COCO."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn

from slowfast.config.errors import one_line
from slowfast.data.datasets.ava_boxes import second_text
from slowfast.data.datasets.kinetics import is_video_name
from slowfast.data.readers.source import OpenSource, Source, open_source
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record
from slowfast.engine.meters import Progress
from slowfast.log import LOGGER

PERSON = 1  # of COCO's classes
_DONE = "#done "  # ends the lines of a video in an unfinished list

Found = tuple[Tensor, Tensor]  # corners (R, 4) as shares of the frame, and scores (R,)


class PersonDetector:
    """Faster R-CNN with a ResNet-50-FPN (1506.01497; torchvision's second version).

    Args:
        net: torchvision's: a list of float RGB frames (3, H, W) -> boxes, labels and scores.
    """

    def __init__(self, net: nn.Module, *, device: torch.device) -> None:
        self.net, self.device = net.eval().to(device), device

    @classmethod
    def load(cls, weights: str | Path | None, *, device: torch.device) -> PersonDetector:
        """With the state dict of a file, or torchvision's own, which it downloads once.

        Raises:
            ValueError: there is no such file, it is of another network, or no network connection.
        """
        from torchvision.models.detection import (
            FasterRCNN_ResNet50_FPN_V2_Weights,
            fasterrcnn_resnet50_fpn_v2,
        )

        own = FasterRCNN_ResNet50_FPN_V2_Weights.DEFAULT
        net = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
        try:
            if weights is None:
                state = own.get_state_dict(progress=True, check_hash=True)
            else:
                state = torch.load(weights, map_location="cpu", weights_only=True)
            net.load_state_dict(state)
        except URLError as error:
            raise ValueError(
                f"the weights of the person detector cannot be downloaded ({error.reason}); get "
                f"{own.url} elsewhere and give --weights FILE"
            ) from error
        except Exception as error:  # a file of any kind may be given
            raise ValueError(
                f"{weights}: expected the weights of torchvision's fasterrcnn_resnet50_fpn_v2 "
                f"({own.url}), found {one_line(str(error))[:200]}"
            ) from error
        return cls(net, device=device)

    @torch.inference_mode()
    def __call__(self, frames: Sequence[Tensor]) -> list[Found]:
        """Persons in uint8 RGB frames (H, W, 3), surest first."""
        pictures = [f.to(self.device).permute(2, 0, 1).float() / 255 for f in frames]
        people = []
        for frame, found in zip(frames, self.net(pictures), strict=True):
            persons = found["labels"] == PERSON
            height, width = frame.shape[:2]
            size = torch.tensor([width, height, width, height])
            corners = (found["boxes"][persons].cpu() / size).clamp(0, 1)
            people.append((corners, found["scores"][persons].cpu()))
        return people


@dataclass(frozen=True)
class PeopleReport:
    """What `write_people` did.

    Attributes:
        unread: (file, why) of videos that have no boxes.
    """

    videos: int
    keyframes: int
    boxes: int
    unread: tuple[tuple[str, str], ...]


def write_people(
    folder: Path,
    out: Path,
    detect: Callable[[Sequence[Tensor]], list[Found]],
    *,
    every: float = 1.0,
    start_second: float = 0.0,
    threshold: float = 0.05,
    batch: int = 4,
    read: OpenSource = open_source,
) -> PeopleReport:
    """Write a list of detected boxes in AVA's format: video,second,x1,y1,x2,y2,,score.

    A run that was broken off goes on after the last video that it finished.

    Args:
        folder: of the videos, which are named by their files without suffix.
        every: seconds between keyframes; the first is the first multiple after the beginning.
        start_second: what the list calls the moment of the first frame.
        threshold: least score of a box.
        batch: frames at once.

    Raises:
        ValueError: there is no video.
    """
    files = sorted(path for path in _listed(folder) if is_video_name(path.name))
    if not files:
        raise ValueError(f"{folder}: expected videos, found none")
    for first, second in pairwise(files):
        if first.stem == second.stem:
            raise ValueError(
                f"{second}: expected videos of different names, found another {first.stem!r} in "
                f"{first.name}; rename one of them"
            )
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    done = _unfinished(part)
    look = partial(
        _people_of, detect, every=every, start=start_second, threshold=threshold, batch=batch
    )
    keyframes, unread = 0, list[tuple[str, str]]()
    with part.open("a", encoding="utf-8") as lines, Progress("videos", len(files)) as progress:
        for path in files:
            if path.stem not in done:
                try:
                    with read(Record(str(path))) as source:
                        found = look(path.stem, source)
                    lines.write(f"{''.join(found.lines)}{_DONE}{path.stem}\n")
                    lines.flush()
                    keyframes += found.keyframes
                except VideoError as error:
                    unread.append((str(path), one_line(str(error))))
            progress.step()
    text = part.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines(keepends=True) if not line.startswith(_DONE)]
    part.write_text("".join(rows), encoding="utf-8")
    os.replace(part, out)
    for file, why in unread:
        LOGGER.warning("%s has no boxes: %s", file, why)
    return PeopleReport(len(files) - len(unread), keyframes, len(rows), tuple(unread))


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise ValueError(
            f"{folder}: expected a folder of videos, found {error.strerror}"
        ) from error


def _unfinished(part: Path) -> set[str]:
    """Videos whose lines are there; those of the one that was under way are cut off."""
    if not part.exists():
        return set()
    lines = part.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = max((i + 1 for i, line in enumerate(lines) if line.startswith(_DONE)), default=0)
    part.write_text("".join(lines[:whole]), encoding="utf-8")
    return {line.removeprefix(_DONE).rstrip("\n") for line in lines if line.startswith(_DONE)}


@dataclass(frozen=True)
class _Video:
    lines: list[str]
    keyframes: int


def _people_of(
    detect: Callable[[Sequence[Tensor]], list[Found]],
    name: str,
    source: Source,
    *,
    every: float,
    start: float,
    threshold: float,
    batch: int,
) -> _Video:
    seconds = list(_seconds(source.num_frames / source.fps, every, start))
    places = [round((second - start) * source.fps) for second in seconds]
    places = [place for place in places if place < source.num_frames]
    frames, lines = source.frames(places), []
    for begin in range(0, len(places), batch):
        some = seconds[begin : min(begin + batch, len(places))]
        people = detect([*islice(frames, len(some))])
        for second, (corners, scores) in zip(some, people, strict=True):
            for box, score in zip(corners.tolist(), scores.tolist(), strict=True):
                if score >= threshold:
                    shares = ",".join(f"{value:.4f}" for value in box)
                    lines.append(f"{name},{second_text(second)},{shares},,{score:.6f}\n")
    return _Video(lines, len(places))


def _seconds(duration: float, every: float, start: float) -> Iterator[float]:
    """Multiples of ``every`` while the video lasts, but for the moment of its first frame."""
    number = int(start // every) + 1
    while (second := number * every) < start + duration:
        yield round(second, 6)
        number += 1
