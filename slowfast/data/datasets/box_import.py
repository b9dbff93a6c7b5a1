"""Boxes of annotation tools, COCO-style JSON and CVAT for video, to lists in AVA's format."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from slowfast.data.datasets.json_file import read_json
from slowfast.data.datasets.kinetics import is_video_name
from slowfast.data.datasets.label_map import read_label_map, write_label_map

BOXES, LABEL_MAP = "boxes.csv", "actions.pbtxt"


@dataclass(frozen=True)
class ImportedBox:
    """One action in one box.

    Attributes:
        video: name without suffix.
        frame: from 0.
        corners: x1 y1 x2 y2 as shares of the frame's width and height.
    """

    video: str
    frame: int
    corners: tuple[float, float, float, float]
    action: str


@dataclass(frozen=True)
class Imported:
    """What `import_boxes` wrote."""

    boxes: int
    keyframes: int
    videos: int
    actions: tuple[str, ...]


def import_boxes(
    source: Path,
    out_dir: Path,
    *,
    fps: float,
    every: float = 0.0,
    attribute: str = "",
    first_frame: int = 1,
    label_map: Path | None = None,
) -> Imported:
    """Write ``boxes.csv`` and ``actions.pbtxt`` for what a tool exported.

    Args:
        source: a .json in the style of COCO, or an .xml of "CVAT for video".
        out_dir: folder, made if need be.
        fps: frames per second of the videos; seconds count from their first frame.
        every: keep frames at multiples of so many seconds only; 0: all that are annotated.
        attribute: of CVAT boxes or COCO annotations, whose value is the action; empty: their
            label or category is.
        first_frame: number of the first picture, where pictures of COCO are numbered by file name.
        label_map: actions and numbers to keep, as of the training split; else they are numbered
            in the order of the alphabet.

    Raises:
        ValueError: the file is neither, a box is none, or an action is not in the label map.
    """
    if not 0 < fps < math.inf or not 0 <= every < math.inf:
        raise ValueError(
            f"expected frames per second above 0 and a step of 0 seconds or more, got {fps:g} and "
            f"{every:g}; correct --fps or --every"
        )
    if source.suffix.lower() == ".xml":
        boxes = list(read_cvat(source, attribute=attribute))
    else:
        boxes = list(read_coco(source, attribute=attribute, first_frame=first_frame))
    step = max(round(every * fps), 1)
    boxes = [box for box in boxes if box.frame % step == 0]
    if not boxes:
        raise ValueError(f"{source}: expected boxes, found none" + (" at these times" * (step > 1)))
    names = sorted({box.action for box in boxes})
    classes = read_label_map(label_map) if label_map else dict(enumerate(names, start=1))
    numbers = {name: number for number, name in classes.items()}
    if unknown := [name for name in names if name not in numbers]:
        raise ValueError(
            f"{source}: the actions {', '.join(map(repr, unknown))} are not in {label_map}; add "
            "them there, or import the split that has all of them first"
        )
    out_dir.mkdir(parents=True, exist_ok=True)
    write_label_map(out_dir / LABEL_MAP, classes)
    with (out_dir / BOXES).open("w", newline="", encoding="utf-8") as file:
        # Seven columns: an eighth would be taken for a score where the list is one of detections.
        writer = csv.writer(file, lineterminator="\n")
        for box in sorted(boxes, key=lambda box: (box.video, box.frame)):
            corners = [f"{value:.4f}" for value in box.corners]
            second = f"{box.frame / fps:.4f}".rstrip("0").rstrip(".")
            writer.writerow([box.video, second, *corners, numbers[box.action]])
    keyframes = {(box.video, box.frame) for box in boxes}
    videos = {video for video, _ in keyframes}
    return Imported(len(boxes), len(keyframes), len(videos), tuple(names))


def read_coco(path: Path, *, attribute: str = "", first_frame: int = 1) -> Iterator[ImportedBox]:
    """Boxes of a JSON with images, annotations and categories.

    The video and the frame of an image are its ``video_id`` (of ``videos``) and ``frame_id`` from
    0; or what its file is called, ``<video>/000001.jpg`` or ``<video>_000001.jpg``.

    Raises:
        ValueError: it is not such a file.
    """
    expected = "JSON with images, annotations and categories, or an .xml of CVAT"
    content = read_json(path, expected=expected)
    try:
        images = {image["id"]: image for image in content["images"]}
        names = {category["id"]: category["name"] for category in content["categories"]}
        videos = {video["id"]: video for video in content.get("videos", ())}
        annotations = content["annotations"]
        _check_names([str(video["name"]) for video in videos.values()], path)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected {expected}, found {error!r}") from error
    for i, entry in enumerate(annotations):
        try:
            image = images[entry["image_id"]]
            video, frame = _place(image, videos, first_frame)
            x, y, width, height = map(float, entry["bbox"])
            size = float(image["width"]), float(image["height"])
            action = names[entry["category_id"]]
            if attribute:
                action = str(entry["attributes"][attribute])
        except (KeyError, ValueError, TypeError) as error:
            raise ValueError(
                f"{path}: annotation {i} lacks what a box needs ({error!r}): bbox, category_id, "
                "and an image with width, height and the number of its frame"
            ) from error
        where = f"{path}: annotation {i}"
        corners = _shares((x, y, x + width, y + height), size, where)
        if frame < 0:
            raise ValueError(
                f"{where}: expected frames from 0, found {frame}; where pictures are numbered from "
                "0, set --first-frame 0"
            )
        yield ImportedBox(video, frame, corners, action)


def read_cvat(path: Path, *, attribute: str = "") -> Iterator[ImportedBox]:
    """Boxes of an export as "CVAT for video 1.1".

    Raises:
        ValueError: it is not such a file, or a box lacks the attribute.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ValueError(f"{path}: expected an .xml of CVAT for video, found {error}") from error
    size = root.find(".//original_size")
    source = root.findtext(".//source") or root.findtext("./meta/task/name")
    if size is None or source is None or root.find("image") is not None:
        raise ValueError(
            f"{path}: expected <original_size> and <source> of a video, found none; export it from "
            "CVAT as 'CVAT for video 1.1'"
        )
    if len(list(root.iter("original_size"))) > 1:
        raise ValueError(
            f"{path}: expected one video, found several, whose boxes this format does not tell "
            "apart; export each task of the project by itself"
        )
    width, height = (float(size.findtext(side) or 0) for side in ("width", "height"))
    video = _video_name(source)
    for track in root.iter("track"):
        for box in track.iter("box"):
            if box.get("outside") == "1":
                continue
            where = f"{path}: track {track.get('id')}"
            try:
                frame = int(box.attrib["frame"])
                x1, y1, x2, y2 = (float(box.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
            except (KeyError, ValueError) as error:
                raise ValueError(
                    f"{where}: expected a box with frame, xtl, ytl, xbr and ybr, found {box.attrib}"
                ) from error
            corners = _shares((x1, y1, x2, y2), (width, height), f"{where}, frame {frame}")
            for action in _actions(box, track, attribute, where):
                yield ImportedBox(video, frame, corners, action)


def _actions(
    box: ElementTree.Element, track: ElementTree.Element, attribute: str, where: str
) -> list[str]:
    if not attribute:
        if not track.get("label"):
            raise ValueError(f"{where}: expected a label, found none; export it from CVAT again")
        return [track.attrib["label"]]
    values = [each.text for each in box.iter("attribute") if each.get("name") == attribute]
    if not values:
        found = sorted({str(each.get("name")) for each in box.iter("attribute")})
        raise ValueError(
            f"{where}, frame {box.get('frame')}: expected the attribute {attribute!r}, found "
            f"{', '.join(found) or 'none'}"
        )
    return [value for value in values if value]


def _place(image: dict[str, Any], videos: dict[Any, Any], first_frame: int) -> tuple[str, int]:
    """(video, frame from 0) of an image."""
    if "video_id" in image and "frame_id" in image:
        return _video_name(str(videos[image["video_id"]]["name"])), int(image["frame_id"])
    name = PurePosixPath(image["file_name"].replace("\\", "/"))
    numbered = re.fullmatch(r"(.*?)[_\-. ]?(\d+)", name.stem)
    video = name.parent.name or (numbered[1] if numbered else "")
    if numbered is None or not video:
        raise ValueError(f"the file name {image['file_name']!r} has no video and number")
    return video, int(numbered[2]) - first_frame


def _video_name(file: str) -> str:
    """What `AVA.VIDEO_DIR` calls a file: its name without folder and ending."""
    name = PurePosixPath(file.replace("\\", "/")).name
    return name.rpartition(".")[0] if is_video_name(name) and "." in name else name


def _check_names(files: list[str], path: Path) -> None:
    first: dict[str, str] = {}
    for file in files:
        other = first.setdefault(_video_name(file), file)
        if other != file:
            raise ValueError(
                f"{path}: expected videos with a name each, found {other!r} and {file!r}, whose "
                "boxes would be mixed; rename one"
            )


def _shares(
    corners: tuple[float, float, float, float], size: tuple[float, float], where: str
) -> tuple[float, float, float, float]:
    """Corners in pixels as shares of the width and height of the frame."""
    width, height = size
    x1, y1, x2, y2 = corners
    # Annotators reach a little over the edge.
    if not (-width / 2 <= x1 < x2 <= 1.5 * width and -height / 2 <= y1 < y2 <= 1.5 * height):
        raise ValueError(
            f"{where}: expected a box with its corners in the picture of {width:g}x{height:g} "
            f"pixels, found x {x1:g} to {x2:g}, y {y1:g} to {y2:g}; correct it where it was drawn"
        )
    return x1 / width, y1 / height, x2 / width, y2 / height
