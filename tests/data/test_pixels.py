"""Mirrors slowfast/data/{pixels,yuv}.py: what workers send, and what a device makes of it."""

from __future__ import annotations

import pickle
import platform
from dataclasses import replace
from pathlib import Path

import av
import pytest
import torch

from slowfast.data.batch import Batch, Sample
from slowfast.data.clips import RandomViews, UniformViews
from slowfast.data.collate import collate
from slowfast.data.pixels import RgbStore, StrictStore, YuvStore
from slowfast.data.readers.picture import Converter, DecodedPicture, RgbPicture
from slowfast.data.readers.source import open_source
from slowfast.data.record import Record
from slowfast.data.sampling import RandomClip, UniformClips
from slowfast.data.transforms.device import InputStage
from slowfast.data.transforms.spatial import RandomShortSideCrop, uniform_offset
from slowfast.data.view import all_views
from slowfast.data.window import Axis, Window
from slowfast.data.yuv import YuvFrames, YuvLayout

# Crop 0, 1 and 2 of the clip below, as the public code makes them: sum, L2 norm, the three
# channels of pixel (0, 0, 0) and those of (1, 20, 30).
PUBLIC = [
    (2463.81151, 80.5594995, (-1.55119824, -0.906318069, -0.329792947),
     (1.40985835, -0.542755902, 0.102124289)),
    (2472.39212, 80.5609154, (0.227941275, 0.394335657, 0.56072998),
     (0.659858584, -0.130718872, 0.172385767)),
    (2478.17017, 80.6046716, (1.11846411, 1.76334441, -0.941176414),
     (0.730119944, 1.37500024, -0.577614427)),
]  # fmt: skip


@pytest.mark.parametrize("position", [0, 1, 2])
def test_strict_frames_are_those_of_the_public_order(position: int) -> None:
    numbers = torch.arange(2 * 60 * 80 * 3)
    clip = (numbers * 37 % 251).to(torch.uint8).view(2, 60, 80, 3)
    top, left = uniform_offset(48, 64, 48, position)
    window = Window((0, 0, 60, 80), (48, 64), top, left, 48, 48)
    store = StrictStore(2, mean=(0.45,) * 3, std=(0.225,) * 3)
    for frame in clip:
        store.add(RgbPicture(frame), window)
    (fast,) = InputStage([0.45] * 3, [0.225] * 3, normalised=True)(store.finish()[None])
    total, norm, first, inner = PUBLIC[position]
    assert fast.shape == (1, 3, 2, 48, 48)
    assert fast.double().sum().item() == pytest.approx(total, rel=1e-6)
    assert fast.double().norm().item() == pytest.approx(norm, rel=1e-7)
    exact = {"rtol": 0, "atol": 2e-7}
    torch.testing.assert_close(fast[0, :, 0, 0, 0], torch.tensor(first), **exact)
    torch.testing.assert_close(fast[0, :, 1, 20, 30], torch.tensor(inner), **exact)


@pytest.mark.parametrize("region", [(0, 0, 120, 160), (7, 11, 90, 111)])
def test_strict_frames_are_the_public_ones_to_the_bit(region: tuple[int, int, int, int]) -> None:
    """The same arithmetic on the whole clip, channels first."""
    clip = torch.randint(0, 256, (4, 120, 160, 3), generator=torch.Generator().manual_seed(0))
    window = Window(region, (171, 228), 20, 31, 112, 112, flip=True)
    store = StrictStore(4, mean=(0.45, 0.4, 0.5), std=(0.225, 0.2, 0.25))
    for frame in clip.byte():
        store.add(RgbPicture(frame), window)
    found = store.finish()
    top, left, height, width = region
    public = clip.byte().float() / 255.0
    public = (public - torch.tensor([0.45, 0.4, 0.5])) / torch.tensor([0.225, 0.2, 0.25])
    public = public.permute(3, 0, 1, 2)[:, :, top : top + height, left : left + width]
    public = torch.nn.functional.interpolate(
        public, size=(171, 228), mode="bilinear", align_corners=False
    )
    public = public[:, :, 20:132, 31:143].flip(-1)
    assert torch.equal(found.permute(3, 0, 1, 2), public)
    assert found.is_contiguous()


def gray_layout(**changes) -> YuvLayout:
    return replace(YuvLayout(2, 4, 6, Axis(0, 1, 4), Axis(0, 1, 6)), **changes)


def test_planes_become_colours() -> None:
    """White, black and gray of limited range; red of BT.601 is (81, 90, 240)."""
    layout = YuvLayout(1, 2, 8, Axis(0, 1, 2), Axis(0, 1, 8))
    y = torch.tensor([[235, 235, 16, 16, 126, 126, 81, 81]] * 2)
    u, v = torch.tensor([[128, 128, 128, 90]]), torch.tensor([[128, 128, 128, 240]])
    data = torch.cat([plane.flatten() for plane in (y, u, v)]).byte()
    image = YuvFrames(data, (layout,)).rgb()[0, 1, ::2].int()
    wanted = torch.tensor([[255, 255, 255], [0, 0, 0], [128, 128, 128], [255, 0, 0]])
    assert (image - wanted).abs().max() <= 2  # truncated, as FFmpeg does
    full = replace(layout, full_range=True)
    assert (YuvFrames(data, (full,)).rgb()[0, 0, 0].int() - 235).abs().max() <= 1


def test_layouts_of_a_run_follow_one_another() -> None:
    plain = gray_layout()
    turned = gray_layout(transpose=True, rows=Axis(0, 4 / 6, 6), columns=Axis(0, 6 / 4, 4))
    finished = gray_layout(finished=True, frames=1)
    frames = YuvFrames(
        torch.cat(
            [
                torch.full((plain.size,), 128),
                torch.full((turned.size,), 128),
                torch.arange(finished.size),
            ]
        ).byte(),
        (plain, turned, finished),
    )
    assert len(frames) == 5
    rgb = frames.rgb()
    assert rgb.shape == (5, 4, 6, 3)
    assert torch.equal(rgb[4], torch.arange(4 * 6 * 3).byte().view(4, 6, 3))
    assert torch.equal(rgb[0], rgb[3])
    joined = YuvFrames.join([frames, frames])
    assert torch.equal(joined.rgb(), torch.cat([rgb, rgb]))


def test_result_is_turned_and_mirrored() -> None:
    """Brightness rises to the right as stored: down when transposed, from below when mirrored."""
    ramp = (torch.arange(8) * 20 + 40).expand(8, 8)
    layout = YuvLayout(1, 8, 8, Axis(0, 1, 8), Axis(0, 1, 8))
    data = torch.cat([ramp.flatten(), torch.full((32,), 128)]).byte()

    def red(**changes: bool) -> torch.Tensor:
        return YuvFrames(data, (replace(layout, **changes),)).rgb()[0, ..., 0]

    stored = red()
    assert torch.equal(red(transpose=True), stored.T)
    assert torch.equal(red(mirror_x=True), stored.flip(1))
    assert torch.equal(red(transpose=True, mirror_y=True), stored.T.flip(0))


def random_views(make_store, views: int = 1) -> RandomViews:
    return RandomViews(
        open_source=open_source,
        views=all_views(views, 1),
        sampler=RandomClip(8, 2),
        crop=RandomShortSideCrop(66, 80, 48),
        seed=1,
        split="train",
        make_store=make_store,
    )


@pytest.mark.parametrize("views", [1, 2])
def test_a_batch_of_yuv_becomes_the_clips_of_rgb(views: int, videos: list[Path]) -> None:
    rgb, yuv = (
        collate(
            [random_views(store, views)(Record(str(videos[i]), i), epoch=3, row=i) for i in (2, 5)]
        )
        for store in (RgbStore, YuvStore)
    )
    assert yuv.frames is not None
    assert len(yuv) == len(rgb) == 2 * views
    assert yuv.clips.numel() == 0
    yuv = pickle.loads(pickle.dumps(yuv))  # as it leaves a worker
    moved = yuv.to("cpu")
    assert moved.frames is None
    assert moved.clips.shape == rgb.clips.shape
    assert moved.labels.tolist() == rgb.labels.tolist()
    off = (moved.clips.int() - rgb.clips.int()).abs().float()
    assert off.mean() < 3  # drawn with sharp edges in colour; a wrong frame is 20 away
    again = moved.to("cpu")
    assert torch.equal(again.clips, moved.clips)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="FFmpeg's of x86")
@pytest.mark.parametrize("kind", ["yuv420p", "yuvj420p"])
def test_yuv_is_as_dark_as_what_ffmpeg_converts(kind: str) -> None:
    random = torch.Generator().manual_seed(0)
    frame = av.VideoFrame(320, 256, kind)
    for plane, (low, high) in zip(frame.planes, [(60, 190), (110, 146), (110, 146)], strict=True):
        blocks = torch.randint(
            low, high, (plane.height // 8, plane.line_size // 8), generator=random
        )
        plane.update(blocks.byte().repeat_interleave(8, 0).repeat_interleave(8, 1).numpy())
    window = Window((0, 0, 256, 320), (256, 320), 16, 40, 224, 224)
    picture = DecodedPicture(frame, Converter())
    store = YuvStore(1)
    store.add(picture, window)
    off = store.finish().rgb()[0].double() - picture.rgb()[16:240, 40:264].double()
    assert off.mean((0, 1)).abs().max() < 0.1


def test_test_views_of_yuv_are_those_of_rgb(videos: list[Path]) -> None:
    def sample(store) -> Sample:
        views = UniformViews(open_source, all_views(4, 3), UniformClips(8, 2), 64, 64, store)
        return views(Record(str(videos[1]), 1), epoch=0, row=1)

    rgb, yuv = sample(RgbStore), sample(YuvStore)
    assert isinstance(yuv.frames, YuvFrames)
    assert yuv.frames.nbytes * 2 == rgb.frames.nbytes
    off = (yuv.to("cpu").clips().int() - rgb.clips().int()).abs()
    assert off.max() <= 3  # nothing is scaled here, so that only the conversion differs
    part = Batch.of_views(yuv.to("cpu"), 3, 5)
    assert torch.equal(part.clips, yuv.to("cpu").clips(3, 5))


@pytest.mark.gpu
def test_a_gpu_makes_the_same_colours(videos: list[Path]) -> None:
    record = Record(str(videos[2]), 0)
    batch = collate([random_views(YuvStore)(record, epoch=0, row=2)])
    off = batch.to("cuda").clips.cpu().int() - batch.to("cpu").clips.int()
    assert off.abs().max() <= 1
