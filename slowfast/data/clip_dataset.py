"""The one map-style dataset: a video -> all its clips, from one pass over the file."""

from __future__ import annotations

import copy
from typing import Protocol

import torch
from torch.utils.data import Dataset

from slowfast.data.bad_samples import MAX_SUBSTITUTES
from slowfast.data.batch import BadSample, Sample
from slowfast.data.manifest import Manifest
from slowfast.data.readers.video_error import VideoError
from slowfast.data.samplers import Key
from slowfast.randomness import generator_for


class Clips(Protocol):
    """Reads a video: `RandomViews` or `UniformViews`."""

    def __call__(self, path: str, *, epoch: int, row: int, label: int) -> Sample: ...


class ClipDataset(Dataset):
    """Item ``(epoch, row)``, or ``row`` in epoch 0, is video ``row`` with all its views.

    What a data set is differs in ``manifest``; train, val and test differ in ``clips``.

    Args:
        manifest: the videos of a split and their labels.
        clips: reads the views of one video.
        substitute: a video that cannot be read is replaced by another; the item that would have
            been is in ``Sample.bad``. Without it the item is a `BadSample`.
        seed: of the choice of the other video.
    """

    def __init__(
        self, manifest: Manifest, clips: Clips, *, substitute: bool = False, seed: int = 0
    ) -> None:
        self.manifest, self.clips = manifest, clips
        self.substitute, self.seed = substitute, seed

    def with_manifest(self, manifest: Manifest) -> ClipDataset:
        """The same views of other videos."""
        other = copy.copy(self)
        other.manifest = manifest
        return other

    def __len__(self) -> int:
        return len(self.manifest)

    def read(self, row: int, *, epoch: int = 0) -> Sample:
        """The views of a video.

        Raises:
            VideoError: it cannot be read.
        """
        path, label = self.manifest[row]
        try:
            return self.clips(path, epoch=epoch, row=row, label=label)
        except VideoError:
            raise
        except Exception as error:
            error.add_note(f"while reading {path} (row {row}, epoch {epoch})")
            raise

    def __getitem__(self, key: Key | int) -> Sample | BadSample:
        epoch, row = key if isinstance(key, tuple) else (0, key)
        try:
            return self.read(row, epoch=epoch)
        except VideoError as error:
            bad = BadSample(row, self.manifest[row][0], str(error))
        return self._stand_in(bad, epoch) if self.substitute else bad

    def _stand_in(self, bad: BadSample, epoch: int) -> Sample | BadSample:
        """Another video for the same place in the same epoch; always the same one."""
        generator = generator_for(self.seed, "substitute", epoch, bad.video)
        failed = [bad]
        for row in torch.randint(len(self), (MAX_SUBSTITUTES,), generator=generator).tolist():
            try:
                sample = self.read(row, epoch=epoch)
            except VideoError as error:
                failed.append(BadSample(row, self.manifest[row][0], str(error)))
                continue
            replaced = [
                BadSample(each.video, each.path, each.cause, replaced_by=row) for each in failed
            ]
            return Sample(**{**vars(sample), "bad": tuple(replaced)})
        return bad
