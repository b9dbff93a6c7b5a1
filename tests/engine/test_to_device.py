"""Mirrors slowfast/engine/to_device.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from slowfast.data.batch import BadSample, Batch
from slowfast.data.boxes import Boxes, GivenBoxes
from slowfast.engine.to_device import ToDevice, tensors_of


def batch(value: int) -> Batch:
    clips = torch.full((2, 4, 8, 8, 3), value, dtype=torch.uint8)
    rows = torch.arange(2)
    return Batch(clips, labels=rows, videos=rows, views=rows, paths=["a", "b"])


def test_on_a_cpu_everything_passes_as_it_is() -> None:
    items = [batch(1), BadSample(3, "a.mp4", "broken"), batch(2)]
    assert all(a is b for a, b in zip(ToDevice(items, torch.device("cpu")), items, strict=True))


def test_nothing_is_fetched_before_it_is_asked_for() -> None:
    """Else a batch that cannot be read would hide the one before it."""

    def source() -> Iterator[Any]:
        yield batch(1)
        raise ValueError("the second is broken")

    batches = iter(ToDevice(source(), torch.device("cpu")))
    assert next(batches).clips[0, 0, 0, 0, 0] == 1
    with pytest.raises(ValueError, match="second is broken"):
        next(batches)


def test_tensors_of_a_batch_are_also_those_of_its_boxes() -> None:
    given = GivenBoxes(torch.rand(2, 4), torch.zeros(2, 3), torch.ones(2))
    boxes = Boxes.of_clip(torch.rand(2, 4), given)
    item = replace(batch(1), boxes=boxes)
    found = [id(each) for each in tensors_of(item)]
    wanted = [item.clips, item.labels, item.videos, item.views, *vars(boxes).values()]
    assert found == [id(each) for each in wanted]


@pytest.mark.gpu
def test_batches_arrive_whole_on_a_gpu() -> None:
    items = [batch(i).pin_memory() for i in range(50)]
    for i, moved in enumerate(ToDevice(items, torch.device("cuda"))):
        assert moved.clips.is_cuda
        torch.cuda._sleep(100_000)  # the step that the next copy runs beside
        assert bool((moved.clips == i).all())
        assert moved.paths == ["a", "b"]
