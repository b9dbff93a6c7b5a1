"""Mirrors slowfast/data/keyframes.py: every view of a keyframe, with its boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from slowfast.data.batch import Batch, Sample
from slowfast.data.boxes import GivenBoxes
from slowfast.data.collate import collate
from slowfast.data.keyframes import KeyframeViews, clip_shifts
from slowfast.data.record import Record
from slowfast.data.transforms.box_plan import WholeFrame
from slowfast.data.transforms.spatial import RandomShortSideCrop

HEIGHT, WIDTH = 60, 100
BOX = (20, 10, 44, 40)  # x1 y1 x2 y2 of a bright rectangle, pixels; not in the middle
SHARES = torch.tensor([BOX]) / torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])
GIVEN = GivenBoxes(
    torch.cat([SHARES, torch.tensor([[0.0, 0, 1, 1]])]), torch.eye(2, 3), torch.tensor([0.9, 1])
)
KEYFRAME = Record("clip", keyframe=2.0, boxes=GIVEN)


class Pictures:
    """40 frames at 10 a second; green is 6 times the frame's number, the rectangle is red."""

    num_frames, fps = 40, 10.0

    def __init__(self) -> None:
        self.read: list[int] = []

    def frames(self, indices: Tensor | Sequence[int]) -> Iterator[Tensor]:
        for number in torch.as_tensor(indices).tolist():
            self.read.append(number)
            frame = torch.zeros(HEIGHT, WIDTH, 3, dtype=torch.uint8)
            frame[..., 1] = 6 * number
            x1, y1, x2, y2 = BOX
            frame[y1:y2, x1:x2, 0] = 255
            yield frame


def views_of(source: Pictures, **settings: Any) -> KeyframeViews:
    base: dict[str, Any] = {
        "open_source": lambda record: nullcontext(source),
        "num_frames": 4,
        "stride": 2,
        "crops": (WholeFrame(HEIGHT),),
        "fps": 10,
        "seed": 0,
        "split": "test",
    }
    return KeyframeViews(**base | settings)


def bright(clip: Tensor) -> Tensor:
    """Corners of the rectangle in a clip (T, H, W, 3), on its pixels."""
    places = (clip[0, ..., 0] > 127).nonzero()
    (top, left), (bottom, right) = places.min(0).values, places.max(0).values
    return torch.stack([left, top, right, bottom]).float()


def numbers(clip: Tensor) -> list[int]:
    return (clip[:, 0, 0, 1].float() / 6).round().int().tolist()


def test_all_views_come_from_one_pass_and_show_their_boxes() -> None:
    source = Pictures()
    views = views_of(
        source,
        crops=(WholeFrame(HEIGHT), WholeFrame(96), WholeFrame(36)),
        shifts=(-3, 0, 3),
        orientations=(False, True),
    )
    sample = views(KEYFRAME, epoch=0, row=5)
    assert source.read == sorted(set(source.read)), "each frame is decoded once"
    parts = sample.by_size()
    ids = torch.cat([part.views for part in parts])
    assert ids.tolist() == list(range(18)), "3 sizes x 3 clips x 2 orientations, each once"
    for part, height in zip(parts, (60, 96, 36), strict=True):
        assert part.video == 5
        clips = part.clips()
        assert clips.shape == (6, 4, height, height * WIDTH // HEIGHT, 3)
        assert [numbers(clip) for clip in clips] == [
            [13 + 3 * clip + 2 * t for t in range(4)] for clip in range(3) for _ in range(2)
        ]
        for view, clip in enumerate(clips):
            boxes = part.boxes.of_clips(view, view + 1)
            # Pixels count from 0 to width - 1 and grow with the frame: a corner is at most a pixel
            # before and after that from the last bright one.
            near = 1 + height / HEIGHT
            assert (boxes.corners[0] - bright(clip)).abs().max() <= near, (height, view)
            assert torch.equal(boxes.given, GIVEN.corners)
            assert torch.equal(boxes.labels, GIVEN.labels)
            whole = torch.tensor([0, 0, clip.shape[2] - 1, clip.shape[1] - 1]).float()
            assert (boxes.corners[1] - whole).abs().max() <= near
        pairs = zip(clips[0::2], clips[1::2], strict=True)
        assert all(torch.equal(mirrored, plain.flip(2)) for plain, mirrored in pairs)


def test_views_in_parts_are_mirrored_as_they_are_at_once() -> None:
    sample = views_of(Pictures(), shifts=(-1, 1), orientations=(True, False))(
        KEYFRAME, epoch=0, row=0
    )
    for start in range(4):
        part = Batch.of_views(sample, start, start + 1)
        assert torch.equal(part.clips[0], sample.clips()[start])
        assert part.boxes is not None
        assert part.boxes.clip.tolist() == [0, 0]
        assert torch.equal(part.boxes.corners, sample.boxes.corners[2 * start : 2 * start + 2])


def test_a_single_mirrored_clip_is_mirrored() -> None:
    """Its frames are all there in order, which is no reason to hand them on as they are."""
    plain, turned = (
        views_of(Pictures(), orientations=(each,))(KEYFRAME, epoch=0, row=0).clips()
        for each in (False, True)
    )
    assert torch.equal(turned, plain.flip(3))
    assert not torch.equal(turned, plain)


def test_views_of_other_sizes_are_not_lost_in_a_batch() -> None:
    sample = views_of(Pictures(), crops=(WholeFrame(60), WholeFrame(30)))(KEYFRAME, epoch=0, row=0)
    with pytest.raises(AssertionError, match="would be lost"):
        collate([sample])
    moved = sample.to("cpu")
    assert [len(part.views) for part in moved.by_size()] == [1, 1]
    assert all(not part.other_sizes for part in moved.by_size())


@pytest.mark.parametrize(("keyframe", "wanted"), [(0.0, [0, 0, 0, 2]), (3.9, [35, 37, 39, 39])])
def test_the_ends_of_a_video_repeat(keyframe: float, wanted: list[int]) -> None:
    record = Record("clip", keyframe=keyframe, boxes=GIVEN)
    assert numbers(views_of(Pictures())(record, epoch=0, row=0).clips()[0]) == wanted


def test_a_training_crop_is_drawn_for_the_row_and_the_epoch() -> None:
    crops = (RandomShortSideCrop(64, 90, 48),)
    views = views_of(Pictures(), crops=crops, split="train")

    def corners(epoch: int) -> Tensor:
        sample: Sample = views(KEYFRAME, epoch=epoch, row=0)
        assert sample.clips().shape == (1, 4, 48, 48, 3)
        return sample.boxes.corners

    assert torch.equal(corners(1), corners(1))
    assert not torch.equal(corners(1), corners(2))


def test_boxes_beside_a_training_crop_stay_as_a_line_at_its_edge() -> None:
    """As the public loader has them: rows of labels and boxes go on to fit each other."""
    views = views_of(Pictures(), crops=(RandomShortSideCrop(60, 60, 20, flip=False),))
    corners = torch.cat([views(KEYFRAME, epoch=epoch, row=0).boxes.corners for epoch in range(20)])
    assert corners.shape == (40, 4)
    assert corners.min() == 0
    assert corners.max() == 19
    assert (corners[:, 2:] >= corners[:, :2]).all()
    assert (corners[:, 2] == corners[:, 0]).any()


def test_clips_lie_evenly_around_the_keyframe() -> None:
    assert clip_shifts(1, 0.25, 30) == (0,)
    assert clip_shifts(3, 0.5, 30) == (-15, 0, 15)
    assert clip_shifts(2, 1, 15) == (-8, 8)
    with pytest.raises(ValueError, match=r"AVA\.TEST_CLIP_SHIFT 0\.01 seconds, .* least 0\.033"):
        clip_shifts(3, 0.01, 30)
