"""The one map-style dataset: a video -> all its clips, from one pass over the file."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch.utils.data import Dataset

from slowfast.data.bad_samples import MAX_SUBSTITUTES
from slowfast.data.batch import BadSample, Sample
from slowfast.data.content import Verify, trust
from slowfast.data.core_time import core_seconds
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record, Records
from slowfast.data.samplers import Key
from slowfast.data.short_cycle import ShapedKey
from slowfast.randomness import generator_for


class Clips(Protocol):
    """Reads a row: `RandomViews` or `UniformViews`."""

    def __call__(self, record: Record, *, epoch: int, row: int) -> Sample: ...


class ClipDataset(Dataset):
    """Item ``(epoch, row)``, or ``row`` in epoch 0, is video ``row`` with all its views.

    What a data set is differs in ``records``; train, val and test differ in ``clips``.

    Args:
        records: the videos of a split and their labels.
        clips: reads the views of one video.
        substitute: a video that cannot be read is replaced by another; the item that would have
            been is in ``Sample.bad``. Without it the item is a `BadSample`.
        seed: of the choice of the other video.
        verify: raises for a video whose files are not what they were.
        cycle: what reads the views of item ``(epoch, row, place)``: that of its place.
    """

    def __init__(
        self,
        records: Records,
        clips: Clips,
        *,
        substitute: bool = False,
        seed: int = 0,
        verify: Verify = trust,
        cycle: Sequence[Clips] = (),
    ) -> None:
        self.records, self.clips, self.verify = records, clips, verify
        self.cycle = tuple(cycle)
        self.substitute, self.seed = substitute, seed

    def with_records(self, records: Records) -> ClipDataset:
        """The same views of other videos, of whose content nothing is known."""
        other = copy.copy(self)
        other.records, other.verify = records, trust
        return other

    def __len__(self) -> int:
        return len(self.records)

    def read(self, row: int, *, epoch: int = 0) -> Sample:
        """The views of a video.

        Raises:
            VideoError: it cannot be read.
        """
        record = self.records[row]
        wall, core = time.perf_counter(), core_seconds()
        try:
            self.verify(record)
            sample = self.clips(record, epoch=epoch, row=row)
            cost = time.perf_counter() - wall, core_seconds() - core
            return replace(sample, cost=cost)
        except VideoError:
            raise
        except Exception as error:
            error.add_note(f"while reading {record.path} (row {row}, epoch {epoch})")
            raise

    def __getitem__(self, key: Key | ShapedKey | int) -> Sample | BadSample:
        if isinstance(key, tuple) and len(key) == 3:
            epoch, row, place = key
            shaped = copy.copy(self)
            shaped.clips = self.cycle[place]
            return shaped[epoch, row]
        epoch, row = key if isinstance(key, tuple) else (0, key)
        try:
            return self.read(row, epoch=epoch)
        except VideoError as error:
            bad = self._bad(row, error)
        return self._stand_in(bad, epoch) if self.substitute else bad

    def _bad(self, row: int, error: VideoError) -> BadSample:
        record = self.records[row]
        second = record.keyframe_key[1] if record.keyframe_key else None
        return BadSample(row, record.path, str(error), second=second)

    def _stand_in(self, bad: BadSample, epoch: int) -> Sample | BadSample:
        """Another video for the same place in the same epoch; always the same one."""
        generator = generator_for(self.seed, "substitute", epoch, bad.video)
        failed = [bad]
        for row in torch.randint(len(self), (MAX_SUBSTITUTES,), generator=generator).tolist():
            try:
                sample = self.read(row, epoch=epoch)
            except VideoError as error:
                failed.append(self._bad(row, error))
                continue
            replaced = [replace(each, replaced_by=row) for each in failed]
            return Sample(**{**vars(sample), "bad": tuple(replaced)})
        return bad
