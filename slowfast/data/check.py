"""Looks over the videos of lists before anything is trained on them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from slowfast.data.content import files_of
from slowfast.data.inspection import Facts, inspect
from slowfast.data.isolated import Limits, run_isolated
from slowfast.data.journal_lines import append_entry, entries_of
from slowfast.data.readers.source import OpenSource, open_source
from slowfast.data.record import Record, Records


@dataclass(frozen=True)
class Listed:
    """What the lists say of a video: in which splits it is, with which labels.

    ``labels`` holds (split, label) of each row; None: it has several classes, or those of boxes.
    """

    record: Record
    labels: tuple[tuple[str, int | None], ...]

    @property
    def splits(self) -> set[str]:
        return {split for split, _ in self.labels}


def list_videos(records: Mapping[str, Records]) -> dict[str, Listed]:
    """Each video of any split once, by its path."""
    rows: dict[str, tuple[Record, list[tuple[str, int | None]]]] = {}
    for split, each in records.items():
        for row in range(len(each)):
            record = each[row]
            several = isinstance(record.label, Tensor) or record.boxes is not None
            label = None if several else int(record.label)
            rows.setdefault(record.path, (record, []))[1].append((split, label))
    return {path: Listed(record, tuple(labels)) for path, (record, labels) in rows.items()}


class Journal:
    """What is known of files so far, kept so that a check goes on where it was stopped.

    An entry counts as long as the size and the time of change of the file are the same.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._begun: dict[str, list[int]] = {}
        self._known: dict[str, tuple[list[int], dict[str, Any]]] = {}
        for entry in entries_of(file):
            with suppress(KeyError):
                self._known[entry["path"]] = entry["state"], entry["facts"]

    def get(self, record: Record) -> Facts | None:
        """What was found, if the file has not been changed since."""
        entry = self._known.get(record.path)
        if entry is None or entry[0] != _state(record):
            return None
        try:
            return Facts(**entry[1])
        except TypeError:  # of another version
            return None

    def begin(self, records: Iterable[Record]) -> Iterator[Record]:
        """Note the state of files as they are taken to be looked at."""
        for record in records:
            self._begun[record.path] = _state(record)
            yield record

    def add(self, found: Iterable[tuple[Record, Facts]]) -> Iterator[tuple[Record, Facts]]:
        """Note what comes along, and hand it on; what is known of a file that changed is a fault.

        The state is that of the beginning, so that the next check looks at such a file again.
        """
        for record, facts in found:
            now = _state(record)
            before = self._begun.pop(record.path, now)
            if before != now and not facts.fault:
                facts = Facts(f"{record.path}: was changed while it was read; check it again")
            append_entry(self.file, {"path": record.path, "state": before, "facts": asdict(facts)})
            yield record, facts


def check_videos(
    records: Iterable[Record],
    *,
    workers: int,
    limits: Limits,
    open_source: OpenSource = open_source,
) -> Iterator[tuple[Record, Facts]]:
    """Decode each video in a process that it may crash; as they are ready, not in order.

    Args:
        workers: processes.
        limits: of time and memory for one video.
        open_source: what the run would open them with.
    """
    look = partial(inspect, open_source=open_source)
    for outcome in run_isolated(look, records, workers=workers, limits=limits):
        record = outcome.item
        if outcome.lost:
            yield record, Facts(f"{record.path}: {outcome.lost}; it was given up")
        else:
            assert outcome.value is not None
            yield record, outcome.value


def _state(record: Record) -> list[int]:
    """Bytes and time of the last change; nothing for what is not there."""
    try:
        states = [os.stat(path) for path in files_of(record)]
    except OSError:
        return []
    return [sum(s.st_size for s in states), max((s.st_mtime_ns for s in states), default=0)]
