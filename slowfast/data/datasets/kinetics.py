"""Lists of videos with one class number each: Kinetics-400/600/700, your own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slowfast.data.datasets.table_rows import refuse_utf16
from slowfast.data.manifest import Manifest
from slowfast.data.record import NoSuchSplit
from slowfast.log import LOGGER
from slowfast.paths import local_path

VIDEO_SUFFIXES = (
    *("mp4", "m4v", "mov", "avi", "mkv", "webm", "ts", "m2ts", "mts", "mpg", "mpeg"),
    *("flv", "wmv", "3gp", "ogv", "gif", "vob"),
)


def read_kinetics(
    list_file: str | Path,
    *,
    prefix: str = "",
    separator: str = " ",
    num_classes: int | None = None,
    skip_rows: int = 0,
) -> Manifest:
    """Read a split: one ``path<separator>label`` a line.

    Paths may hold the separator, so a line is split at its last one. Two other forms are
    recognised:

    - three columns, ``path<separator>something<separator>label``, where the path ends like a video
      file (.mp4 ...) and the middle is a number, or the path has no separator and the middle is no
      file, or the file's own name; the middle is ignored;
    - one column, the path of a video file and nothing after it, on every line of the list; each
      gets label 0. For training without labels and for prediction.

    Blank lines, Windows line ends and a byte order mark do no harm.

    Args:
        prefix: folder in front of each path.
        separator: what divides a line; a backslash and a "t", as a shell passes it, is a tab.
        num_classes: labels must be below; None: no check.
        skip_rows: lines passed over at the beginning.

    Raises:
        ValueError: there is no such file, it is empty, or a line is none of these.
    """
    path = local_list(list_file)
    separator = separator.replace("\\t", "\t")
    rows = _rows(path, str(list_file), separator, num_classes, skip_rows)
    manifest = Manifest.from_rows(rows, prefix=prefix, source=str(path))
    if not len(manifest):
        raise ValueError(
            f"{list_file}: expected one 'path{separator}label' a line, found no line"
            + (f" after DATA.SKIP_ROWS ({skip_rows}) of them" if skip_rows else "")
        )
    return manifest


def local_list(list_file: str | Path) -> Path:
    """Where the list of a split is on this machine.

    Raises:
        NoSuchSplit: there is none.
    """
    path = Path(local_path(str(list_file)))
    if not path.is_file():
        raise NoSuchSplit(
            f"{list_file}: expected a list of videos, found nothing; set DATA.PATH_TO_DATA_DIR to "
            "the folder of train.csv, val.csv and test.csv"
        )
    return path


def list_lines(path: Path, shown: str, skip_rows: int) -> Iterator[tuple[int, str]]:
    """Number and text of each line after the first ``skip_rows`` that is not blank."""
    # File names are bytes: whatever encoding they are in, they must come out as they went in.
    with path.open(encoding="utf-8", errors="surrogateescape", newline=None) as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                refuse_utf16(line, shown)
                refuse_annotations(line, shown)
            line = line.strip("\r\n\ufeff" if number == 1 else "\r\n")
            if number > skip_rows and line.strip():
                yield number, line


def refuse_annotations(first_line: str, shown: str) -> None:
    """Raise for the table that Kinetics is published as, which is given in place of a list."""
    if "youtube_id" in first_line.split(","):
        raise ValueError(
            f"{shown}:1: expected a list of video files, found the annotations of Kinetics, which "
            "name none; make lists of them with slowfast data kinetics-lists"
        )


def read_class_names(path: str | Path) -> list[str]:
    """Names of the classes, by number: one a line, or a JSON object {name: number}.

    Raises:
        ValueError: there is no such file, or the numbers do not go from 0 up without a gap.
    """
    try:
        text = Path(local_path(str(path))).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: expected names of classes, found {error}; see DATA.CLASS_NAMES_FILE"
        ) from error
    if not text.lstrip().startswith("{"):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        numbers: dict[str, int] = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: not JSON ({error.msg})") from error
    if sorted(map(str, numbers.values())) != sorted(map(str, range(len(numbers)))):
        raise ValueError(f"{path}: expected the numbers 0 to {len(numbers) - 1}, each once")
    names = sorted(numbers, key=lambda name: int(numbers[name]))
    return [name.strip('"') for name in names]  # published Kinetics files have quotes in names


def _rows(
    path: Path, shown: str, separator: str, num_classes: int | None, skip_rows: int
) -> Iterator[tuple[str, int]]:
    unlabelled: bool | None = None
    for number, line in list_lines(path, shown, skip_rows):
        video, label = split_line(line, separator)
        if label is None and is_video_name(line.strip()):
            video, value, bare = line.strip(), 0, True
        else:
            bare = False
            value = _label(label, line, f"{shown}:{number}", separator, num_classes)
        if unlabelled not in (None, bare):
            raise ValueError(
                f"{shown}:{number}: expected lines of one kind, found {line!r} "
                f"{'without' if bare else 'with'} a label after lines "
                f"{'with' if bare else 'without'}; label all of them or none"
            )
        unlabelled = bare
        yield video, value
    if unlabelled:
        LOGGER.warning(
            "%s has paths without labels: every video gets label 0, and accuracies mean nothing",
            shown,
        )


def split_line(line: str, separator: str) -> tuple[str, str | None]:
    """(path, label), label None if there is nothing that looks like one."""
    # A list separated by spaces may end in some, or be aligned with several.
    text = line.rstrip()
    video, found, label = text.rpartition(separator)
    if not found or is_video_name(label):
        return text, None
    first, found, middle = video.rpartition(separator)
    if (
        found
        and is_video_name(first)
        and (
            middle.isdecimal()
            or (
                separator not in first
                and (first.rpartition("/")[2] == middle or not is_video_name(middle))
            )
        )
    ):
        video = first
    return video.rstrip(separator) if separator.isspace() else video, label.strip()


def is_video_name(text: str) -> bool:
    return text.rpartition(".")[2].strip().lower() in VIDEO_SUFFIXES


def _label(
    label: str | None, line: str, where: str, separator: str, num_classes: int | None
) -> int:
    if label is None or not label.removeprefix("-").isdecimal():
        raise ValueError(
            f"{where}: expected 'path{separator}label', got {line!r}. Set "
            "DATA.PATH_LABEL_SEPARATOR if another character divides them"
            + (r" ('\t' for the tab in this one)" if "\t" in line and separator != "\t" else "")
            + "; labels are whole numbers"
            + (", and several of them need DATA.MULTI_LABEL True." if "," in (label or "") else ".")
        )
    if not line.rpartition(separator)[0].strip():
        raise ValueError(f"{where}: expected 'path{separator}label', got {line!r} without a path")
    value = int(label)
    if value < 0 or (num_classes is not None and value >= num_classes):
        limit = "up" if num_classes is None else f"to {num_classes - 1}"
        raise ValueError(
            f"{where}: expected a label from 0 {limit}, got {value} in {line!r}; set "
            "MODEL.NUM_CLASSES to the number of classes, or correct the list"
        )
    return value


def kinetics_from_cfg(cfg: Any, split: str) -> Manifest:
    """The list ``PATH_TO_DATA_DIR/<split>.csv``."""
    return read_kinetics(
        Path(cfg.DATA.PATH_TO_DATA_DIR or "") / f"{split}.csv",
        prefix=cfg.DATA.PATH_PREFIX or "",
        separator=cfg.DATA.PATH_LABEL_SEPARATOR,
        num_classes=cfg.MODEL.NUM_CLASSES,
        # In the public code it goes with chunks of the training list: a test leaves nothing out.
        skip_rows=cfg.DATA.SKIP_ROWS if split == "train" else 0,
    )
