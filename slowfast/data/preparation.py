"""A folder of prepared copies of the videos of some lists: who writes what, and what is done."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from slowfast.data.content import files_of
from slowfast.data.copy_names import copy_names
from slowfast.data.datasets.label_sets import as_listed
from slowfast.data.journal_lines import append_entry, entries_of
from slowfast.data.readers.tar_headers import members_of
from slowfast.data.readers.tar_shard import SUFFIX
from slowfast.data.readers.tar_writer import write_index, write_shard
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record, Records
from slowfast.data.reencode import Encoding, write_copy

JOURNALS, SETTINGS = "journal", "prepare.json"


@dataclass(frozen=True)
class Job:
    """One video: where it comes from, and its name in the folder of copies."""

    record: Record
    name: str


@dataclass(frozen=True)
class Done:
    """What became of a job; ``cause`` says why there is no copy."""

    name: str
    source: str
    state: tuple[int, ...]
    cause: str = ""
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    size: int = 0
    sha256: str = ""
    psnr: float = 0.0


@dataclass(frozen=True)
class Layout:
    """Where copies lie in ``folder``: as files, or ``per_shard`` of them in a tar file (0: files).

    All of it follows from the lists alone, so that any number of processes on any number of
    machines write the same.
    """

    folder: Path
    per_shard: int = 0
    pictures: bool = False

    def file(self, number: int, name: str) -> Path:
        """Where job ``number`` is written."""
        if self.per_shard:
            return self.folder / f".parts-{number // self.per_shard:06d}" / name
        return self.copies / name

    @property
    def copies(self) -> Path:
        """The folder below which all copies lie in the end."""
        kind = "shards" if self.per_shard else "frames" if self.pictures else "videos"
        return self.folder / kind

    def listed(self, number: int, name: str) -> str:
        """The path of the copy in lists."""
        if self.per_shard:
            return f"{self.shard(number // self.per_shard).relative_to(self.folder)}#{name}"
        return str(self.file(number, name).relative_to(self.folder))

    def shard(self, number: int) -> Path:
        return self.copies / f"shard-{number:06d}.tar"

    def part_of(self, number: int) -> int:
        """What is never divided between machines: a shard, or a single file."""
        return number // self.per_shard if self.per_shard else number


def plan_jobs(records: Mapping[str, Records], prefix: str, *, pictures: bool) -> list[Job]:
    """Each video of any split once, in the order of the lists."""
    found: dict[str, Record] = {}
    for each in records.values():
        for row in range(len(each)):
            record = each[row]
            found.setdefault(record.path, record)
    names = copy_names(found, prefix, pictures=pictures)
    return [Job(record, names[path]) for path, record in found.items()]


def check_originals(layout: Layout, jobs: Sequence[Job]) -> None:
    """Refuse to write where originals lie: the copy of one could replace another.

    Raises:
        ValueError: an original is in the folder of the copies.
    """
    copies, looked_at = os.path.realpath(layout.copies), set()
    for job in jobs:
        parent = os.path.dirname(job.record.frames[0] if job.record.frames else job.record.path)
        if parent not in looked_at:
            looked_at.add(parent)
            if Path(os.path.realpath(parent)).is_relative_to(copies):
                raise ValueError(
                    f"{job.record.path}: lies in {layout.copies}, where copies are written that "
                    "could replace it; choose another --out"
                )


def prepare(job: tuple[int, Job], *, layout: Layout, encoding: Encoding) -> Done:
    """Write one copy; what is wrong with its original is in the answer."""
    number, task = job
    target, state = layout.file(number, task.name), state_of(task.record)
    known: dict[str, Any] = {"name": task.name, "source": task.record.path, "state": state}
    if _would_replace(target, task.record):
        cause = f"{task.record.path}: its copy would replace it; choose another --out"
        return Done(**known, cause=cause)
    try:
        copy = write_copy(task.record, target, encoding)
    except VideoError as error:
        return Done(**known, cause=str(error))
    return Done(**known, **asdict(copy))


def _would_replace(target: Path, record: Record) -> bool:
    try:
        return any(os.path.samefile(path, target) for path in files_of(record))
    except OSError:  # one of them is not there
        return False


def state_of(record: Record) -> tuple[int, ...]:
    """Bytes and time of change of its files; nothing if they are not there."""
    try:
        states = [os.stat(path) for path in files_of(record)]
    except OSError:
        return ()
    return sum(s.st_size for s in states), max((s.st_mtime_ns for s in states), default=0)


class Progress:
    """What is done in a folder, by all machines that write to it; each keeps a file of its own."""

    def __init__(self, layout: Layout, jobs: Sequence[Job], *, shard: int, of: int) -> None:
        self.layout, self.jobs, self.shard, self.of = layout, jobs, shard, of
        self.file = layout.folder / JOURNALS / f"{shard}-of-{of}.jsonl"

    def mine(self) -> list[tuple[int, Job]]:
        """(number, job) of what this machine is to do."""
        numbers = range(len(self.jobs))
        return [
            (n, self.jobs[n]) for n in numbers if self.layout.part_of(n) % self.of == self.shard
        ]

    def read(self) -> dict[str, Done]:
        """Name -> what became of it, of all machines; copies that are gone do not count."""
        entries: dict[str, list[Done]] = {}
        for file in sorted((self.layout.folder / JOURNALS).glob("*.jsonl")):
            for entry in entries_of(file):
                with suppress(KeyError, TypeError):  # of another version
                    done = Done(**{**entry, "state": tuple(entry["state"])})
                    entries.setdefault(done.name, []).append(done)
        found = {}
        for number, job in enumerate(self.jobs):
            holding = [e for e in entries.get(job.name, []) if self._holds(number, job, e)]
            if holding:
                found[job.name] = min(reversed(holding), key=lambda done: bool(done.cause))
        return found

    def add(self, done: Done) -> None:
        append_entry(self.file, asdict(done))

    def pack(self, number: int, done: Mapping[str, Done]) -> None:
        """Put the copies of shard ``number`` into their tar file, and remove them."""
        size = self.layout.per_shard
        begin, end = number * size, min((number + 1) * size, len(self.jobs))
        members = [(n, self.jobs[n].name) for n in range(begin, end)]
        good = [(name, self.layout.file(n, name)) for n, name in members if not done[name].cause]
        shard = self.layout.shard(number)
        if shard.is_file():
            # A process that was killed here may have left the rest to be done.
            if not shard.with_name(shard.name + SUFFIX).is_file():
                write_index(shard)
        elif good:
            shard.parent.mkdir(parents=True, exist_ok=True)
            write_shard(shard, good)
        shutil.rmtree(self.layout.folder / f".parts-{number:06d}", ignore_errors=True)

    def unpack(self, number: int) -> None:
        """Remove a tar file that has to be made anew, as one of its originals was changed.

        Raises:
            ValueError: it holds the copy of an original that is not there any more.
        """
        shard = self.layout.shard(number)
        jobs = [job for n, job in self.mine() if self.layout.part_of(n) == number]
        gone = [job for job in jobs if not state_of(job.record)]
        packed = members_of(str(shard)) if gone and shard.is_file() else {}
        for job in gone:
            if job.name in packed:
                raise ValueError(
                    f"{shard}: has to be written anew, as originals in it were changed, but "
                    f"{job.record.path} is not there; put it back, or delete the shard"
                )
        shard.unlink(missing_ok=True)
        shard.with_name(shard.name + SUFFIX).unlink(missing_ok=True)

    def _holds(self, number: int, job: Job, done: Done) -> bool:
        state = state_of(job.record)
        # A copy is worth keeping if its original is away, on a disk that is not mounted or deleted.
        if done.state != state and (state or done.cause):
            return False
        if done.cause:
            return True
        packed = self.layout.per_shard and self.layout.shard(self.layout.part_of(number)).is_file()
        return bool(packed) or self.layout.file(number, job.name).exists()


def unlisted(records: Mapping[str, Records]) -> list[str]:
    """Splits whose labels are those of frames, as of Charades: lists of videos have no such."""
    first = {split: each[0] for split, each in records.items() if len(each)}
    return [split for split, row in first.items() if isinstance(row.label, Tensor) and row.frames]


def write_lists(
    layout: Layout, records: Mapping[str, Records], jobs: Sequence[Job], done: Mapping[str, Done]
) -> Iterator[str]:
    """Write ``<split>.csv`` for the copies; tells, a line each, what was written."""
    places = {job.record.path: (n, job.name) for n, job in enumerate(jobs)}
    without = unlisted(records)
    for split, each in records.items():
        if split in without:
            yield f"{split}: labels of frames; see copies.jsonl for where copies are"
            continue
        rows, left = [], 0
        for row in range(len(each)):
            number, name = places[each[row].path]
            label = each[row].label
            if done[name].cause:
                left += 1
            else:
                text = as_listed(label) if isinstance(label, Tensor) else str(label)
                rows.append(f"{layout.listed(number, name)} {text}\n")
        content = "".join(rows).encode("utf-8", "surrogateescape")
        replace_file(layout.folder / f"{split}.csv", content)
        yield f"{layout.folder / split}.csv: {len(rows)} videos, {left} left out"


def copies_text(layout: Layout, jobs: Sequence[Job], done: Mapping[str, Done]) -> str:
    """One JSON object a line and video: original, copy, and how they compare."""
    lines = []
    for number, job in enumerate(jobs):
        entry = asdict(done[job.name]) | {"copy": layout.listed(number, job.name)}
        del entry["state"]
        lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
    return "".join(lines)


def replace_file(file: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    part.write_bytes(content)
    os.replace(part, file)
