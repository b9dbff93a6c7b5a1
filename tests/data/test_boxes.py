"""Mirrors slowfast/data/boxes.py and the boxes of batch.py and collate.py."""

from __future__ import annotations

import torch

from slowfast.data.batch import Batch, Sample
from slowfast.data.boxes import Boxes, GivenBoxes
from slowfast.data.collate import collate


def boxes(count: int, start: float = 0.0) -> Boxes:
    shares = torch.arange(4 * count, dtype=torch.float32).view(count, 4) / 100
    given = GivenBoxes(shares, torch.eye(3)[:1].expand(count, 3), torch.full((count,), 0.9))
    return Boxes.of_clip(start + 10 * shares, given)


def sample(count: int, video: int) -> Sample:
    return Sample(
        frames=torch.zeros(4, 8, 8, 3, dtype=torch.uint8),
        index=torch.zeros(1, 4, dtype=torch.int64),
        offsets=torch.zeros(1, 2, dtype=torch.int64),
        size=8,
        label=0,
        video=video,
        views=torch.zeros(1, dtype=torch.int64),
        boxes=boxes(count, video),
    )


def test_a_batch_numbers_clips_also_those_without_boxes() -> None:
    batch = collate([sample(2, 0), sample(0, 1), sample(1, 2)])
    assert batch.boxes is not None
    assert len(batch) == 3
    assert batch.boxes.clip.tolist() == [0, 0, 2]
    assert batch.boxes.rois()[2].tolist() == [2, *(2 + 10 * torch.arange(4) / 100).tolist()]
    assert (batch.boxes.labels.shape, batch.boxes.scores.shape) == ((3, 3), (3,))
    none = collate([sample(0, 0), sample(0, 1)]).boxes
    assert none is not None
    assert none.rois().shape == (0, 5)


def test_boxes_of_some_clips() -> None:
    joined = Boxes.join([(boxes(1), 1), (boxes(0), 1), (boxes(2), 1)])
    part = joined.of_clips(1, 3)
    assert part.clip.tolist() == [1, 1]
    assert torch.equal(part.given, joined.given[1:])
    assert len(joined.of_clips(1, 2)) == 0


def test_what_a_network_needs_moves_and_the_rest_stays() -> None:
    """Nobody asks a GPU which boxes a clip has."""
    moved = Boxes.join([(boxes(1), 1), (boxes(2), 1)]).to("meta")
    kinds = {name: value.device.type for name, value in vars(moved).items()}
    assert kinds == {
        "corners": "meta", "clip": "cpu", "labels": "meta", "given": "cpu", "scores": "cpu"
    }  # fmt: skip
    assert moved.rois().device.type == "meta"
    assert moved.of_clips(1, 2).corners.shape == (2, 4)


def test_what_a_loss_is_a_mean_over() -> None:
    assert collate([sample(2, 0), sample(0, 1), sample(1, 2)]).num_labelled == 3
    clips = [Sample(**{**vars(sample(1, i)), "boxes": None}) for i in range(2)]
    assert collate(clips).num_labelled == 2


def test_batches_without_boxes_have_none() -> None:
    plain = sample(1, 0)
    batch = Batch.of_views(Sample(**{**vars(plain), "boxes": None}))
    assert batch.boxes is None
    assert batch.to("cpu").boxes is None
