"""Mirrors slowfast/data/augmented_clips.py; with the masks that samples and batches carry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from slowfast.data.augmented_clips import AugmentedViews, MaskedViews
from slowfast.data.clip_dataset import ClipDataset
from slowfast.data.clips import RandomViews
from slowfast.data.collate import collate
from slowfast.data.manifest import Manifest
from slowfast.data.readers.source import open_source
from slowfast.data.record import Record
from slowfast.data.sampling import RandomClip
from slowfast.data.transforms.masks import PatchMask
from slowfast.data.transforms.moving_crop import MovingAreaCrop
from slowfast.data.transforms.picture_ops import Canvas
from slowfast.data.transforms.rand_augment import parse_rand_augment
from slowfast.data.transforms.spatial import RandomAreaCrop, RandomShortSideCrop
from slowfast.data.view import all_views

# Frames have 64 rows: what is only cut is the same whoever cuts it, to the last bit.
UNSCALED = RandomShortSideCrop(64, 64, 48)
RAND = parse_rand_augment("rand-m9-n3-p1-inc1", canvas=Canvas())


def plain(**changes: Any) -> RandomViews:
    options: dict[str, Any] = {
        "open_source": open_source,
        "views": all_views(2, 2),
        "sampler": RandomClip(8, 2),
        "crop": RandomShortSideCrop(64, 80, 48),
        "seed": 1,
        "split": "train",
    }
    return RandomViews(**(options | changes))


def augmented(*augments: Any, base: RandomViews | None = None, **changes: Any) -> AugmentedViews:
    base = base or plain()
    return AugmentedViews(base, **({"crop": base.crop, "augments": augments} | changes))


def record(path: Path) -> Record:
    return Record(str(path), 2)


def invert(frames: Tensor, generator: Generator) -> Tensor:
    return 255 - frames


def test_without_augments_clips_are_those_of_random_views(videos: list[Path]) -> None:
    base = plain(crop=UNSCALED)
    for epoch in range(3):
        wanted = base(record(videos[4]), epoch=epoch, row=4)
        found = augmented(base=base)(record(videos[4]), epoch=epoch, row=4)
        assert torch.equal(found.clips(), wanted.clips())
        assert torch.equal(found.views, wanted.views)
        assert (found.label, found.video, found.epoch) == (2, 4, epoch)
        assert (found.path, found.size) == (str(videos[4]), 48)


def test_frames_are_augmented_before_the_crop(videos: list[Path]) -> None:
    seen: list[tuple[int, ...]] = []

    def look(frames: Tensor, generator: Generator) -> Tensor:
        seen.append(tuple(frames.shape))
        return invert(frames, generator)

    base = plain(crop=UNSCALED)
    wanted = 255 - base(record(videos[0]), epoch=0, row=0).clips()
    before = augmented(look, base=base)(record(videos[0]), epoch=0, row=0).clips()
    assert seen == [(8, 64, 96, 3)] * 4
    assert torch.equal(before, wanted)


def test_larger_frames_are_scaled_down_first(videos: list[Path]) -> None:
    sizes = []

    def look(frames: Tensor, generator: Generator) -> Tensor:
        sizes.append(tuple(frames.shape[1:3]))
        return frames

    for short in (0, 50, 64, 200):
        views = augmented(look, base=plain(views=all_views(1, 1)), short_side=short)
        views(record(videos[0]), epoch=0, row=0)
    assert sizes == [(64, 96), (50, 75), (64, 96), (64, 96)]


def test_the_same_for_all_frames_and_different_for_each_view(videos: list[Path]) -> None:
    """The crops of a clip share their frames, so that only the augmentation tells them apart."""
    whole = plain(crop=RandomShortSideCrop(64, 64, 64, flip=False), views=all_views(1, 3))
    first = augmented(RAND, base=whole)(record(videos[0]), epoch=0, row=0)
    again = augmented(RAND, base=whole)(record(videos[0]), epoch=0, row=0)
    assert torch.equal(first.frames, again.frames)
    clips = first.clips()
    assert not torch.equal(clips[0], clips[1])
    assert not torch.equal(clips[1], clips[2])
    other = augmented(RAND, base=whole)(record(videos[0]), epoch=1, row=0)
    assert not torch.equal(first.frames, other.frames)


def test_a_video_is_opened_once(videos: list[Path]) -> None:
    opened = []

    @contextmanager
    def count(record: Record) -> Iterator[Any]:
        opened.append(record.path)
        with open_source(record) as source:
            yield source

    base = plain(open_source=count, views=all_views(2, 4))
    sample = augmented(RAND, base=base)(record(videos[3]), epoch=0, row=3)
    assert sample.clips().shape == (8, 8, 48, 48, 3)
    assert opened == [str(videos[3])]


def test_a_moving_crop_follows_the_frames_of_the_clip(videos: list[Path]) -> None:
    area = RandomAreaCrop((0.2, 0.5), (0.75, 1.3333), 32)
    base = plain(crop=area, views=all_views(1, 2))
    still = augmented(base=base)(record(videos[0]), epoch=0, row=0).clips()
    moved = augmented(base=base, crop=MovingAreaCrop(area))(record(videos[0]), epoch=0, row=0)
    assert torch.equal(moved.clips()[:, 0], still[:, 0])
    assert not torch.equal(moved.clips()[:, -1], still[:, -1])


@pytest.mark.parametrize("views", [plain(), augmented(RAND)])
def test_masks_travel_with_their_clips(views: Any, videos: list[Path]) -> None:
    masked = MaskedViews(views, PatchMask((4, 3, 3), 0.5), seed=1, split="train")
    data = ClipDataset(Manifest.from_rows((str(path), 0) for path in videos), masked)
    batch = collate([data[0, 3], data[0, 5]])
    assert batch.masks is not None
    assert (batch.masks.dtype, tuple(batch.masks.shape)) == (torch.bool, (8, 4, 3, 3))
    assert batch.masks.sum((1, 2, 3)).tolist() == [18] * 8
    assert len({tuple(mask.flatten().tolist()) for mask in batch.masks}) == 8
    assert torch.equal(collate([data[0, 5], data[0, 3]]).masks[:4], batch.masks[4:])  # type: ignore[index]
    assert not torch.equal(collate([data[1, 3]]).masks, batch.masks[:4])  # type: ignore[arg-type]
    moved = batch.to("cpu").masks
    assert moved is not None
    assert torch.equal(moved, batch.masks)
    assert collate([ClipDataset(data.records, views)[0, 3]]).masks is None
