"""Which video comes when and on which rank: a function of (seed, epoch), nothing remembered."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from slowfast.randomness import generator_for

Key = tuple[int, int]  # epoch, row of the manifest


class TrainBatches:
    """Batches of keys of one epoch, for one rank; `set_position` says which.

    The videos of an epoch are cut into global batches, whose ranks take consecutive parts: the
    same global batch whatever the number of ranks. A last incomplete batch is dropped.

    Args:
        size: videos in the list.
        batch_size: clips' videos in a global batch, all ranks together.
        rank, world: which part of each batch is this process's.
        seed: of the order.
        chunk: rows of the list that an epoch takes, the next ones in the next epoch; 0: all. The
            last rows are a chunk too, so that all epochs are equally long.
    """

    def __init__(
        self, size: int, batch_size: int, *, rank: int, world: int, seed: int, chunk: int = 0
    ) -> None:
        if batch_size % world:
            raise ValueError(
                f"TRAIN.BATCH_SIZE ({batch_size}) cannot be divided among {world} processes; "
                "make it a multiple"
            )
        taken = min(chunk or size, size)
        if taken < batch_size:
            raise ValueError(
                f"the training list has {size} videos, which do not fill one batch of "
                f"{batch_size}; set TRAIN.BATCH_SIZE to at most {size}"
                if taken == size
                else f"DATA.LOADER_CHUNK_SIZE ({taken}) videos do not fill one batch of "
                f"{batch_size}; set it to at least that"
            )
        self.size, self.batch_size, self.seed, self.chunk = size, batch_size, seed, taken
        self.rank, self.world = rank, world
        self.epoch = self.first = 0

    def set_position(self, epoch: int, batch: int = 0) -> None:
        """Begin the next pass at batch ``batch`` of ``epoch``, both from 0."""
        self.epoch, self.first = epoch, batch

    def order(self, epoch: int) -> Tensor:
        """The videos of an epoch, in order: int32 (N,), or int64 of a list that is too long."""
        generator = generator_for(self.seed, "order", epoch)
        turn = epoch % -(-self.size // self.chunk)
        first = min(turn * self.chunk, self.size - self.chunk)
        # The order is the same in either type; half the memory is shuffled a tenth faster.
        dtype = torch.int32 if self.size < 2**31 else torch.int64
        return torch.randperm(self.chunk, generator=generator, dtype=dtype).add_(first)

    def rows(self) -> Tensor:
        """This rank's videos of each batch that is left: integers (batches, videos)."""
        count, part = len(self), self.batch_size // self.world
        whole = self.order(self.epoch)[: count * self.batch_size]
        # A copy: the part of one rank is kept, the order of the whole list is not.
        return whole.view(count, self.world, part)[self.first :, self.rank].clone()

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return self.chunk // self.batch_size

    def __iter__(self) -> Iterator[list[Key]]:
        epoch = self.epoch
        for batch in self.rows():
            yield [(epoch, row) for row in batch.tolist()]


class EvalBatches:
    """Every video exactly once, on exactly one rank, in the order of the list.

    Nothing is padded: a rank may have one video less than another.

    Args:
        size: videos in the list.
        batch_size: videos in a batch of this process.
        rank, world: this process takes videos rank, rank + world, ...
    """

    def __init__(self, size: int, batch_size: int, *, rank: int, world: int) -> None:
        self.rows = range(rank, size, world)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        # Epoch 0: random views of a val split are the same each time.
        for begin in range(0, len(self.rows), self.batch_size):
            yield [(0, row) for row in self.rows[begin : begin + self.batch_size]]
