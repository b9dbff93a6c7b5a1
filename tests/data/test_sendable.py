"""Mirrors slowfast/data/sendable.py."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader, Dataset

from slowfast.data.sendable import cat_to_send, empty_pixels, empty_to_send


class Asked(Dataset):
    """Items that tell where their memory is, as whoever reads them sees it."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _: int) -> tuple[list[bool], torch.Tensor, torch.Tensor]:
        frames = empty_to_send((2, 3))
        frames.fill_(7)
        floats = cat_to_send([torch.zeros(1, 2), torch.ones(2, 2)])
        own = empty_pixels((2, 3))
        return [part.is_shared() for part in (frames, floats, own)], frames, floats


def test_memory_is_shared_in_a_worker_and_nowhere_else() -> None:
    for workers, shared in ((0, [False, False, False]), (1, [True, True, False])):
        ((found, frames, floats),) = DataLoader(Asked(), batch_size=None, num_workers=workers)
        assert found == shared
        assert frames.dtype == torch.uint8
        assert frames.tolist() == [[7] * 3] * 2
        assert floats.dtype == torch.float32
        assert floats.tolist() == [[0, 0], [1, 1], [1, 1]]


def test_nothing_is_a_shape_too() -> None:
    ((found, frames),) = DataLoader(Nothing(), batch_size=None, num_workers=1)
    assert found
    assert frames.shape == (0, 4, 3)


class Nothing(Dataset):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, _: int) -> tuple[bool, torch.Tensor]:
        return True, empty_to_send((0, 4, 3))
