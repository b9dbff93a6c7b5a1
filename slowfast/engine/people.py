"""Boxes of persons at the keyframes of videos, from torchvision's detector trained on COCO."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from slowfast.config.errors import one_line
from slowfast.data.datasets.ava_boxes import keyframe_text
from slowfast.data.datasets.kinetics import is_video_name
from slowfast.data.readers.clock import frames_at, times_of
from slowfast.data.readers.source import OpenSource, Source, open_source
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record
from slowfast.engine.meters import Progress
from slowfast.engine.moments import EveryStep, Moments
from slowfast.log import LOGGER

PERSON = 1  # of COCO's classes
# Lines of an unfinished list that are no boxes: what it was asked for, and the end of a video.
_NO_ROW = "#"
_ASKED, _DONE = f"{_NO_ROW}asked ", f"{_NO_ROW}done "
_ANY_BYTES = "surrogateescape"  # names of files may be no UTF-8

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
        except Exception as error:  # a file of any kind may be given, and networks fail in any way
            why = one_line(str(getattr(error, "reason", error)))[:200]
            if weights is None:
                kept = Path(torch.hub.get_dir()) / "checkpoints" / own.url.rpartition("/")[2]
                raise ValueError(
                    f"the weights of the person detector cannot be downloaded ({why}); get "
                    f"{own.url} elsewhere and give --weights FILE, or put it at {kept}"
                ) from error
            raise ValueError(
                f"{weights}: expected the weights of torchvision's fasterrcnn_resnet50_fpn_v2 "
                f"({own.url}), found {why}"
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
    moments: Moments | None = None,
    start_second: float = 0.0,
    threshold: float = 0.05,
    batch: int = 4,
    asked: str = "",
    read: OpenSource = open_source,
) -> PeopleReport:
    """Write a list of detected boxes in AVA's format: video,second,x1,y1,x2,y2,,score.

    A run that was broken off goes on after the last video that it finished, if it was asked for
    the same.

    Args:
        folder: of the videos, which are named by their files without suffix.
        moments: which seconds of the videos are keyframes; every whole one.
        start_second: what the list calls the moment of the first frame.
        threshold: least score of a box.
        batch: frames at once.
        asked: what else the boxes depend on: the weights, and where the videos are.

    Raises:
        ValueError: there is no video, or one with keyframes is not there.
    """
    moments = moments or EveryStep(1.0)
    files = moments.videos(_videos_in(folder))
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    done = _unfinished(part, one_line(f"{moments} {start_second:g} {threshold:g} {asked}"))
    look = partial(
        _people_of,
        detect,
        moments=moments,
        start=start_second,
        threshold=threshold,
        batch=batch,
    )
    unread = list[tuple[str, str]]()
    with (
        part.open("a", encoding="utf-8", errors=_ANY_BYTES) as lines,
        Progress("videos", len(files)) as progress,
    ):
        for path in files:
            if path.stem not in done:
                try:
                    with read(Record(str(path))) as source:
                        found = look(path.stem, source)
                    lines.write(f"{''.join(found.lines)}{_DONE}{found.keyframes} {path.stem}\n")
                    lines.flush()
                    done[path.stem] = found.keyframes
                except VideoError as error:
                    unread.append((str(path), one_line(str(error))))
            progress.step()
    boxes = _finish(part, out)
    for file, why in unread:
        LOGGER.warning("%s has no boxes: %s", file, why)
    return PeopleReport(len(files) - len(unread), sum(done.values()), boxes, tuple(unread))


def _videos_in(folder: Path) -> list[Path]:
    """Its videos, sorted; each has a name of its own."""
    try:
        files = sorted(path for path in folder.iterdir() if is_video_name(path.name))
    except OSError as error:
        raise ValueError(
            f"{folder}: expected a folder of videos, found {error.strerror}"
        ) from error
    if not files:
        raise ValueError(f"{folder}: expected videos, found none")
    for first, second in pairwise(files):
        if first.stem == second.stem:
            raise ValueError(
                f"{second}: expected videos of different names, found another {first.stem!r} in "
                f"{first.name}; rename one of them"
            )
    return files


def _unfinished(part: Path, asked: str) -> dict[str, int]:
    """Keyframes of the videos whose lines are there; the lines of an unfinished one are cut off."""
    begin = f"{_ASKED}{asked}\n"
    lines = (
        part.read_text(encoding="utf-8", errors=_ANY_BYTES).splitlines(keepends=True)
        if part.exists()
        else []
    )
    if lines[:1] != [begin]:
        if lines:
            LOGGER.warning("%s was asked for something else; the list begins anew", part)
        lines = [begin]
    whole = max((i + 1 for i, line in enumerate(lines) if line.startswith(_DONE)), default=1)
    part.write_text("".join(lines[:whole]), encoding="utf-8", errors=_ANY_BYTES)
    ends = [line.removeprefix(_DONE).rstrip("\n") for line in lines if line.startswith(_DONE)]
    return {name: int(count) for count, _, name in (end.partition(" ") for end in ends)}


def _finish(part: Path, out: Path) -> int:
    """Put the boxes of an unfinished list in place, and count them."""
    text = part.read_text(encoding="utf-8", errors=_ANY_BYTES)
    rows = [line for line in text.splitlines(keepends=True) if line[:1] != _NO_ROW]
    part.write_text("".join(rows), encoding="utf-8", errors=_ANY_BYTES)
    os.replace(part, out)
    return len(rows)


@dataclass(frozen=True)
class _Video:
    lines: list[str]
    keyframes: int


def _people_of(
    detect: Callable[[Sequence[Tensor]], list[Found]],
    name: str,
    source: Source,
    *,
    moments: Moments,
    start: float,
    threshold: float,
    batch: int,
) -> _Video:
    times = times_of(source)
    end = start + source.num_frames / source.fps
    seconds = moments(name, start, end)
    places = frames_at(times, torch.tensor(seconds, dtype=torch.float64) - start)
    shown, which = places.unique(return_inverse=True)
    people: list[Found] = []
    frames = source.frames(shown) if len(shown) else iter(())
    while some := list(islice(frames, batch)):
        people += detect(some)
    lines = []
    for second, index in zip(seconds, which.tolist(), strict=True):
        corners, scores = people[index]
        for box, score in zip(corners.tolist(), scores.tolist(), strict=True):
            if score >= threshold:
                shares = ",".join(f"{value:.4f}" for value in box)
                lines.append(f"{keyframe_text((name, second))},{shares},,{score:.6f}\n")
    return _Video(lines, len(seconds))
