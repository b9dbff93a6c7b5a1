"""Mirrors slowfast/data/clip_dataset.py, clips.py, batch.py and collate.py."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.batch import BadSample, Batch, Sample
from slowfast.data.clip_dataset import ClipDataset
from slowfast.data.clips import RandomViews, UniformViews
from slowfast.data.collate import collate
from slowfast.data.manifest import Manifest
from slowfast.data.readers.pyav import open_video
from slowfast.data.readers.source import open_source
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record
from slowfast.data.sampling import RandomClip, UniformClips
from slowfast.data.transforms.spatial import CropPlan, RandomShortSideCrop, resize, uniform_crop
from slowfast.data.view import all_views


def random_views(**changes: Any) -> RandomViews:
    options: dict[str, Any] = {
        "open_source": open_source,
        "views": all_views(1, 1),
        "sampler": RandomClip(8, 2),
        "crop": RandomShortSideCrop(64, 64, 64, flip=False),
        "seed": 1,
        "split": "train",
    }
    return RandomViews(**(options | changes))


def uniform_views(**changes: Any) -> UniformViews:
    options: dict[str, Any] = {
        "open_source": open_source,
        "views": all_views(4, 3),
        "sampler": UniformClips(8, 2),
        "short_side": 48,
        "size": 48,
    }
    return UniformViews(**(options | changes))


def dataset(paths: list[Path], clips: Any, **options: Any) -> ClipDataset:
    manifest = Manifest.from_rows((str(path), i) for i, path in enumerate(paths))
    return ClipDataset(manifest, clips, **options)


def sample_of(item: Sample | BadSample) -> Sample:
    assert isinstance(item, Sample)
    return item


def test_a_training_sample_is_one_clip_of_frames_at_equal_distance(videos: list[Path]) -> None:
    data = dataset(videos, random_views())
    sample = sample_of(data[3, 5])
    clips = sample.clips()
    assert clips.shape == (1, 8, 64, 64, 3)
    assert clips.dtype is torch.uint8
    assert (sample.label, sample.video, sample.path) == (5, 5, str(videos[5]))
    assert torch.equal(sample_of(data[3, 5]).frames, sample.frames)
    assert not torch.equal(sample_of(data[4, 5]).frames, sample.frames)
    assert torch.equal(sample_of(data[5]).frames, sample_of(data[0, 5]).frames)


def test_test_views_are_the_plain_ones(videos: list[Path]) -> None:
    """Each view equals reading, scaling and cropping its clip alone."""
    data = dataset(videos, uniform_views())
    sample = sample_of(data[2])
    assert sample.index.shape == (12, 8)
    assert sample.views.tolist() == list(range(12))
    assert len(sample.frames) == len(sample.index.unique())
    sampler = UniformClips(8, 2)
    with open_video(videos[2]) as source:
        for view, clip in zip(all_views(4, 3), sample.clips(), strict=True):
            index = sampler(view, source.num_frames, source.fps)
            frames = resize(source.read(index.unique()), (48, 72))
            index = torch.searchsorted(index.unique(), index)
            assert torch.equal(clip, uniform_crop(frames[index], 48, view.crop)[0])
    assert torch.equal(sample.clips(5, 7), sample.clips()[5:7])


def test_a_single_crop_is_central(videos: list[Path]) -> None:
    sample = sample_of(dataset(videos, uniform_views(views=all_views(2, 1)))[0])
    assert sample.offsets.tolist() == [[0, 0], [0, 0]]
    with open_video(videos[0]) as source:
        first = resize(source.read([0]), (48, 72))
    # Only what the crops show is kept of a frame.
    assert torch.equal(sample.frames[:1], first[:, :, 12:60])


def counting(opened: list[str]) -> Callable[..., Any]:
    @contextmanager
    def open_and_count(record: Record) -> Iterator[Any]:
        opened.append(record.path)
        with open_source(record) as source:
            yield source

    return open_and_count


@pytest.mark.parametrize("make", [random_views, uniform_views])
def test_a_video_is_opened_once_whatever_the_views(make: Callable, videos: list[Path]) -> None:
    opened: list[str] = []
    views = make(open_source=counting(opened), views=all_views(3, 3))
    assert sample_of(dataset(videos, views)[1]).clips().shape[0] == 9
    assert opened == [str(videos[1])]


def test_several_training_views(videos: list[Path], read_numbers: Callable) -> None:
    """Crops of a clip share its frames; clips and crops differ."""
    crop = RandomShortSideCrop(64, 64, 48, flip=True)
    sample = sample_of(dataset(videos, random_views(views=all_views(2, 2), crop=crop))[0, 1])
    clips = sample.clips()
    assert clips.shape == (4, 8, 48, 48, 3)
    assert not torch.equal(clips[0], clips[1])
    whole = random_views(views=all_views(2, 2), crop=_Whole())
    numbers = [read_numbers(c) for c in sample_of(dataset(videos, whole)[0, 1]).clips()]
    assert numbers[0] == numbers[1]
    assert numbers[2] == numbers[3]
    assert numbers[0] != numbers[2]


class _Whole:
    """Crops nothing: the test frames are scaled to a square that shows all of them."""

    def __call__(self, height: int, width: int, generator: torch.Generator) -> Any:
        return CropPlan((0, 0, height, width), (64, 64), 0, 0, 64)


def test_a_batch_holds_every_clip(videos: list[Path]) -> None:
    data = dataset(videos, random_views(views=all_views(2, 1)))
    batch = collate([data[0, 3], data[0, 1]])
    assert len(batch) == 4
    assert batch.clips.shape == (4, 8, 64, 64, 3)
    assert batch.labels.tolist() == [3, 3, 1, 1]
    assert batch.videos.tolist() == [3, 3, 1, 1]
    assert batch.views.tolist() == [0, 1, 0, 1]
    assert batch.paths == [str(videos[i]) for i in (3, 3, 1, 1)]
    moved = batch.to("cpu", non_blocking=True)
    assert torch.equal(moved.clips, batch.clips)
    part = Batch.of_views(sample_of(data[0, 3]).to("cpu"), 1, 2)
    assert part.views.tolist() == [1]


def test_it_can_be_sent_to_a_worker(videos: list[Path]) -> None:
    for clips in (random_views(), uniform_views()):
        data = dataset(videos, clips)
        copy = pickle.loads(pickle.dumps(data))
        assert torch.equal(sample_of(copy[0, 2]).frames, sample_of(data[0, 2]).frames)


def test_other_videos_with_the_same_views(videos: list[Path]) -> None:
    data = dataset(videos[:2], uniform_views())
    other = data.with_records(Manifest.from_rows([(str(videos[7]), 0)]))
    assert other.read(0).path == str(videos[7])
    assert len(data) == 2


# ---- videos that can't be read --------------------------------------------------------------


@pytest.fixture
def damaged(videos: list[Path], tmp_path: Path) -> list[Path]:
    """Rows 0 and 3 of six cannot be read."""
    (tmp_path / "text.mp4").write_text("hello")
    return [tmp_path / "missing.mp4", *videos[1:3], tmp_path / "text.mp4", *videos[4:6]]


def test_a_bad_video_is_told_with_its_cause(damaged: list[Path]) -> None:
    data = dataset(damaged, random_views())
    bad = data[0, 0]
    assert isinstance(bad, BadSample)
    assert (bad.video, bad.path, bad.replaced_by) == (0, str(damaged[0]), None)
    assert "missing.mp4: expected a video file, found nothing" in bad.cause
    with pytest.raises(VideoError, match=r"missing.mp4: expected"):
        data.read(0)
    batch = collate([data[0, 0], data[0, 1]])
    assert batch.labels.tolist() == [1]
    assert batch.bad == [bad]
    empty = collate([bad])
    assert len(empty) == 0
    assert empty.bad == [bad]


def test_a_substitute_is_always_the_same_and_is_told(damaged: list[Path]) -> None:
    data = dataset(damaged, random_views(), substitute=True, seed=1)
    chosen = set()
    for epoch in range(12):
        sample = sample_of(data[epoch, 0])
        again = sample_of(data[epoch, 0])
        assert sample.video in {1, 2, 4, 5}
        assert sample.label == sample.video
        assert torch.equal(sample.frames, again.frames)
        assert {each.replaced_by for each in sample.bad} == {sample.video}
        assert sample.bad[0].video == 0
        assert all(each.video in {0, 3} for each in sample.bad)
        chosen.add(sample.video)
        assert collate([sample]).bad == list(sample.bad)
    assert len(chosen) > 1


def test_where_nothing_can_be_read_there_is_no_substitute(damaged: list[Path]) -> None:
    data = dataset([damaged[0], damaged[3]], random_views(), substitute=True)
    assert isinstance(data[0, 0], BadSample)


def test_a_bug_keeps_its_kind_and_names_the_video(videos: list[Path]) -> None:
    class Broken:
        def __call__(self, *args: Any, **options: Any) -> Any:
            raise ZeroDivisionError("bug")

    with pytest.raises(ZeroDivisionError, match="bug") as caught:
        dataset(videos, Broken())[2, 1]
    assert caught.value.__notes__ == [f"while reading {videos[1]} (row 1, epoch 2)"]
