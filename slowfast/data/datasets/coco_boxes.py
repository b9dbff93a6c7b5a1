"""Boxes of JSON in the style of COCO: pictures that are frames of videos."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from slowfast.data.datasets.annotated_boxes import (
    AnnotatedBox,
    Reading,
    actions_of_values,
    did_you_mean,
    refuse_same_names,
    video_name,
)
from slowfast.data.datasets.json_file import read_json

EXPECTED = "JSON with images, annotations and categories"
_FRAME_KEYS = ("frame_id", "frame_index", "frame_number", "frame")  # counted from 0
_CVAT_PICTURE = re.compile(r"frame_\d{6}")  # its names of a video's frames, from 0


def read_coco(
    path: Path, *, attributes: tuple[str, ...] = (), first_frame: int | None = None, video: str = ""
) -> Reading:
    """The boxes of all annotations.

    The video of a picture is its ``video_id`` (of ``videos``, or a name) or ``video``; its frame
    is ``frame_id``, ``frame_index`` or ``frame``, from 0. Without them, its file is called
    ``<video>/000001.jpg`` or ``<video>_000001.jpg``.

    Args:
        attributes: whose values are the actions; none: the category is.
        first_frame: number of the first picture, where they are numbered by file name; None: 1,
            and 0 where they are called as CVAT does, ``frame_000000``.
        video: whose frames all pictures are, where their names do not say.

    Raises:
        ValueError: it is not such a file.
    """
    content = read_json(path, expected=EXPECTED)
    try:
        images = {image["id"]: image for image in content["images"]}
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        videos = {each["id"]: str(each["name"]) for each in content.get("videos", ())}
        annotations = content["annotations"]
        if not isinstance(annotations, list):
            raise TypeError(f"annotations {str(annotations)[:60]}, no list")
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected {EXPECTED}, found {error!r}") from error
    refuse_same_names(videos.values(), str(path))
    places = _Places(videos, first_frame, video)
    reading = Reading()
    for i, entry in enumerate(annotations):
        if isinstance(entry, dict) and entry.get("iscrowd"):
            reading.left_out["boxes of crowds (iscrowd)"] += 1
            continue
        box = _box_of(entry, images, names, places, f"{path}: annotation {i}")
        if attributes:
            box = replace(box, actions=_actions(entry, attributes, box.where))
        reading.boxes.append(box)
    reading.notes += [
        f"{path}: pictures are numbered from {first} (--first-frame), as {name!r} is"
        for first, name in places.numbered.items()
    ]
    used = {entry.get("image_id") for entry in annotations}
    if empty := len(images.keys() - used):
        reading.left_out["pictures without annotations"] += empty
    return reading


class _Places:
    """Which frame of which video a picture is."""

    def __init__(self, videos: dict[Any, str], first_frame: int | None, video: str) -> None:
        self.videos, self.first_frame, self.video = videos, first_frame, video
        self.numbered: dict[int, str] = {}  # number of the first picture -> one that is told so

    def of(self, image: dict[str, Any]) -> tuple[str, int]:
        frame = next((image[key] for key in _FRAME_KEYS if key in image), None)
        named = image.get("video_id", image.get("video_name", image.get("video")))
        if named is not None and self.videos:
            named = self.videos.get(named, named if isinstance(named, str) else None)
        if frame is not None and (named is not None or self.video):
            return self.video or video_name(str(named)), int(frame)
        name = PurePosixPath(str(image["file_name"]).replace("\\", "/"))
        numbered = re.fullmatch(r"(.*?)[_\-. ]?(\d+)", name.stem)
        own = _CVAT_PICTURE.fullmatch(name.stem) is not None
        folder = "" if name.parent.name in ("images", "default") else name.parent.name
        stem = "" if own or numbered is None else numbered[1]
        told = str(named) if named is not None else folder or stem
        video = self.video or video_name(told)  # folders and pictures may have a video's ending
        if numbered is None or not video:
            raise ValueError(
                f"the file name {image['file_name']!r} has no video and number; name it with "
                "--video if all pictures are of one"
            )
        first = self.first_frame if self.first_frame is not None else int(not own)
        self.numbered.setdefault(first, name.name)
        return video, int(numbered[2]) - first


def _box_of(
    entry: Any,
    images: dict[Any, dict[str, Any]],
    names: dict[Any, str],
    places: _Places,
    where: str,
) -> AnnotatedBox:
    """The box of an annotation, with its category as the action."""
    try:
        image = images[entry["image_id"]]
        name, frame = places.of(image)
        x, y, width, height = map(float, entry["bbox"])
        size = float(image["width"]), float(image["height"])
        category = names[entry["category_id"]]
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise ValueError(
            f"{where} lacks what a box needs ({error!r}): bbox, category_id, and an image with "
            "width, height and the number of its frame"
        ) from error
    if frame < 0:
        raise ValueError(
            f"{where}: expected frames from 0, found {frame}; where pictures are numbered from 0, "
            "set --first-frame 0"
        )
    return AnnotatedBox(name, frame, (x, y, x + width, y + height), size, (category,), where)


def _actions(entry: dict[str, Any], attributes: tuple[str, ...], where: str) -> tuple[str, ...]:
    found = entry.get("attributes")
    given = found if isinstance(found, dict) else {}
    if not any(name in given for name in attributes):
        wanted = " or ".join(map(repr, attributes))
        near = did_you_mean(attributes[0], given)
        raise ValueError(
            f"{where}: lacks what a box needs: expected the attribute {wanted}{near}, found "
            f"{', '.join(map(str, given)) or 'none'}"
        )
    return actions_of_values((name, given.get(name)) for name in attributes)
