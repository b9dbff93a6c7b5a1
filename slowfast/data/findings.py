"""What is wrong with the videos and labels of some lists, from what was found out of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from slowfast.data.check import Listed
from slowfast.data.duplicates import groups, look_alikes
from slowfast.data.inspection import Facts
from slowfast.data.quarantine import EVERY_SPLIT, Entry

# Kind -> what it is called; in the order of a report. Faults come first.
FAULTS = {
    "list": "lists that cannot be read",
    "unreadable": "cannot be read to the end",
    "leak": "training videos that are validation or test videos too",
    "labels": "labels that contradict each other",
}
REMARKS = {
    "look-alike": "training videos that look like validation or test videos",
    "series": "folders whose pictures may not be the frames of one video",
    "length": "other lengths than their headers say",
    "short": "shorter than a clip, whose last frame is repeated",
    "shared": "validation videos that are test videos under another name",
    "copy": "the same video twice in a split",
    "classes": "classes without a training video",
}
_LENGTH = (0.5, 0.05)  # seconds and share that a header may be off
_NAMED = 20  # classes that a remark names
_COPIES = 5  # copies of a video that a line names


@dataclass(frozen=True)
class Finding:
    """One of `FAULTS` or `REMARKS`.

    Attributes:
        split: the one it is about; `EVERY_SPLIT` for all that have the video.
        leave_out: whether ``--fix`` puts it in quarantine.
    """

    kind: str
    path: str
    what: str
    split: str = EVERY_SPLIT
    leave_out: bool = False

    @property
    def is_fault(self) -> bool:
        return self.kind in FAULTS


def find_faults(
    videos: Mapping[str, Listed],
    facts: Mapping[str, Facts],
    *,
    num_classes: int | None = None,
    clip_seconds: float = 0.0,
) -> list[Finding]:
    """Everything worth a line, in the order of the kinds.

    Args:
        videos: of `check.list_videos`.
        facts: of each of them, by path.
        num_classes: labels go up to it; None: no telling.
        clip_seconds: time that a clip spans; 0: no telling.
    """
    good = {path: each for path, each in facts.items() if not each.fault}
    found = [
        Finding("unreadable", path, each.fault, leave_out=True)
        for path, each in facts.items()
        if each.fault
    ]
    found += _same_videos(videos, good)
    for path, each in good.items():
        found += _lengths(path, each, clip_seconds)
    found += _classes(videos, num_classes)
    order = [*FAULTS, *REMARKS]
    return sorted(found, key=lambda finding: (order.index(finding.kind), finding.path))


def to_leave_out(found: list[Finding]) -> list[Entry]:
    """What ``--fix`` puts in quarantine."""
    entries = {(f.split, f.path): Entry(f.split, f.path, f.what) for f in found if f.leave_out}
    return list(entries.values())


def _same_videos(videos: Mapping[str, Listed], facts: Mapping[str, Facts]) -> Iterator[Finding]:
    for path, listed in videos.items():
        yield from _one_path(path, listed)
    told = set()
    for how, values in (
        ("byte by byte", {path: each.sha256 for path, each in facts.items()}),
        ("by its pictures", {path: each.pictures for path, each in facts.items()}),
    ):
        for paths in groups(values):
            if tuple(paths) not in told:
                told.add(tuple(paths))
                yield from _group(paths, videos, how)
    exact = {path for paths in told for path in paths}
    for one, other in look_alikes({path: each.look for path, each in facts.items()}):
        if one in exact and other in exact:
            continue
        for train, held_out in ((one, other), (other, one)):
            splits = videos[held_out].splits - {"train"}
            if "train" in videos[train].splits and splits:
                what = f"{train}: looks like {held_out} of {' and '.join(sorted(splits))}"
                yield Finding("look-alike", train, what, split="train")


def _one_path(path: str, listed: Listed) -> Iterator[Finding]:
    others = listed.splits - {"train"}
    if "train" in listed.splits and others:
        what = f"{path}: is in the list of {' and '.join(sorted(others))} too"
        yield Finding("leak", path, what, split="train", leave_out=True)
    labels = {label for _, label in listed.labels if label is not None}
    if len(labels) > 1:
        yield Finding("labels", path, f"{path}: has the labels {_numbers(labels)}")
    # Keyframes of one video are rows of their own.
    times = Counter(split for split, _ in listed.labels if listed.record.keyframe is None)
    for split in sorted(split for split, count in times.items() if count > 1):
        what = f"{path}: is {times[split]} times in the list of {split}"
        yield Finding("copy", path, what, split=split)


def _group(paths: list[str], videos: Mapping[str, Listed], how: str) -> Iterator[Finding]:
    """Files with the same content."""
    labels = {label for path in paths for _, label in videos[path].labels if label is not None}
    first = paths[0]
    if len(labels) > 1:
        what = f"{first}: is the same as {_names(paths[1:])} {how}; labels {_numbers(labels)}"
        yield Finding("labels", first, what)
    held_out = [path for path in paths if videos[path].splits - {"train"}]
    train = [path for path in paths if "train" in videos[path].splits]
    for path in train:
        twins = [other for other in held_out if other != path]
        if twins:
            splits = {split for twin in twins for split in videos[twin].splits} - {"train"}
            what = f"{path}: is the same as {_names(twins)} of {' and '.join(sorted(splits))} {how}"
            yield Finding("leak", path, what, split="train", leave_out=True)
    test = [path for path in paths if "test" in videos[path].splits]
    for path in paths:
        if "val" in videos[path].splits and path not in test and test:
            what = f"{path}: is the same as {_names(test)} of test {how}"
            yield Finding("shared", path, what, split="val")
    for split in sorted({split for path in paths for split in videos[path].splits}):
        within = [path for path in paths if split in videos[path].splits]
        if len(within) > 1:
            what = f"{within[0]}: is the same as {_names(within[1:])} {how}"
            yield Finding("copy", within[0], what, split=split)


def _lengths(path: str, facts: Facts, clip_seconds: float) -> Iterator[Finding]:
    if facts.oddity:
        yield Finding("series", path, f"{path}: {facts.oddity}")
    seconds = facts.duration
    off = abs((facts.declared or seconds) - seconds)
    if off > max(_LENGTH[0], _LENGTH[1] * seconds):
        what = f"{path}: expected {facts.declared:.2f} s by its header, found {seconds:.2f} s"
        yield Finding("length", path, what)
    if seconds < clip_seconds - 0.5 / facts.fps:
        what = f"{path}: {facts.frames} frames, {seconds:.2f} s; a clip spans {clip_seconds:.2f} s"
        yield Finding("short", path, what)


def _classes(videos: Mapping[str, Listed], num_classes: int | None) -> Iterator[Finding]:
    rows = [row for listed in videos.values() for row in listed.labels]
    counts = Counter(label for split, label in rows if split == "train" and label is not None)
    if num_classes is None or not counts:
        return
    empty = [number for number in range(num_classes) if not counts[number]]
    if empty:
        more = f" and {len(empty) - _NAMED} more" if len(empty) > _NAMED else ""
        numbers = _numbers(set(empty[:_NAMED]))
        yield Finding("classes", "", f"{len(empty)} of {num_classes}: {numbers}{more}", "train")


def _names(paths: list[str]) -> str:
    more = f" and {len(paths) - _COPIES} more" if len(paths) > _COPIES else ""
    return ", ".join(paths[:_COPIES]) + more


def _numbers(values: set[int]) -> str:
    return ", ".join(map(str, sorted(values)))
