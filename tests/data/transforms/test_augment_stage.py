"""Mirrors slowfast/data/transforms/augment_stage.py; with all that runs on the device."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from slowfast.data.batch import Batch
from slowfast.data.transforms.augment_stage import AugmentStage, ClipAugment, ClipKey
from slowfast.data.transforms.colour import (
    ColourJitter,
    Lighting,
    RandomBlur,
    RandomGray,
    TimeDifference,
)
from slowfast.data.transforms.device import InputStage
from slowfast.data.transforms.erasing import RandomErasing
from slowfast.data.transforms.mixing import Mixing

MEAN, STD = [0.45, 0.45, 0.45], [0.225, 0.225, 0.225]


def everything() -> list[ClipAugment]:
    return [
        ColourJitter(0.6, 0.6, 0.6, 0.15, probability=0.8),
        RandomGray(0.2),
        RandomBlur((0.0, 0.1), (1.0, 2.0)),
        Lighting([0.2, 0.2, 0.2], [[0.5, 0.7, 0.4], [0.5, 0.0, -0.8], [0.5, -0.7, 0.4]]),
        TimeDifference(0.2, MEAN),
        RandomErasing(0.5, "pixel", MEAN, STD, most=2),
    ]


def mixing() -> Mixing:
    return Mixing(0.8, 1.0, 1.0, 0.5, 0.1, 9, seed=5)


def batch(rows: list[int], epoch: int = 2) -> Batch:
    clips = [
        torch.randint(0, 256, (4, 16, 20, 3), generator=torch.Generator().manual_seed(row))
        for row in rows
    ]
    return Batch(
        clips=torch.stack(clips).to(torch.uint8),
        labels=torch.tensor(rows) % 9,
        videos=torch.tensor(rows),
        views=torch.tensor(rows) % 2,
        paths=[str(row) for row in rows],
        epoch=epoch,
    )


def test_a_stage_without_anything_hands_the_batch_on() -> None:
    one = batch([3, 4])
    assert AugmentStage()(one) is one
    empty = Batch(torch.empty(0, 0, 0, 0, 3), *[torch.empty(0)] * 3, paths=[])
    assert AugmentStage(everything(), [mixing()])(empty) is empty


def test_a_clip_is_the_same_in_any_batch() -> None:
    stage = AugmentStage(everything(), seed=5)
    together = stage(batch([3, 4, 5, 6])).clips
    assert together.dtype is torch.float32
    for i, row in enumerate([3, 4, 5, 6]):
        assert torch.equal(stage(batch([row])).clips[0], together[i])
    turned = stage(batch([6, 5, 4, 3])).clips
    assert torch.equal(turned.flip(0), together)


def test_seed_epoch_video_and_view_tell_clips_apart() -> None:
    key = ClipKey(1, 2, 3, 4)
    others = [ClipKey(0, 2, 3, 4), ClipKey(1, 0, 3, 4), ClipKey(1, 2, 0, 4), ClipKey(1, 2, 3, 0)]
    first = torch.rand((), generator=key.generator("a"))
    assert first == torch.rand((), generator=ClipKey(1, 2, 3, 4).generator("a"))
    assert first != torch.rand((), generator=key.generator("b"))
    assert all(first != torch.rand((), generator=other.generator("a")) for other in others)
    assert len({each.number("a") for each in [key, *others]}) == 5
    stage = AugmentStage(everything(), seed=5)
    assert not torch.equal(stage(batch([3], 1)).clips, stage(batch([3], 2)).clips)


def test_the_batch_itself_is_not_changed() -> None:
    one = batch([3, 4, 5])
    AugmentStage(everything(), [mixing()])(one)
    assert torch.equal(one.clips, batch([3, 4, 5]).clips)
    assert torch.equal(one.labels, batch([3, 4, 5]).labels)


def test_augmented_clips_are_normalised_as_plain_ones() -> None:
    class Nothing:
        def __call__(self, clip: Tensor, key: ClipKey) -> Tensor:
            return clip

    one = batch([3, 4])
    floats = AugmentStage([Nothing()])(one)
    inputs = InputStage(MEAN, STD, alpha=2)
    for a, b in zip(inputs(floats.clips), inputs(one.clips), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
    before = floats.clips.clone()
    InputStage(MEAN, STD, channels_last=True)(floats.clips)
    assert torch.equal(floats.clips, before)


def test_erased_pixels_are_standard_noise_after_normalisation() -> None:
    stage = AugmentStage([RandomErasing(1.0, "const", MEAN, STD)])
    (found,) = InputStage(MEAN, STD)(stage(batch(list(range(8)))).clips)
    zeros = found.abs() < 1e-6
    assert zeros.any()
    assert bool((zeros == zeros[:, :1, :1]).float().mean() > 0.99)


@pytest.mark.gpu
def test_cpu_and_gpu_agree_and_the_host_never_waits() -> None:
    stage = AugmentStage(everything(), [mixing()], seed=5)
    stage(batch([1, 2]).to("cuda"))  # kernels are loaded at first use, which waits
    rows = list(range(40, 72))
    there = batch(rows).to("cuda")
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = stage(there)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    wanted = stage(batch(rows))
    assert float((found.clips.cpu() - wanted.clips).abs().max()) < 1.0
    torch.testing.assert_close(found.labels.cpu(), wanted.labels)
