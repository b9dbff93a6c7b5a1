"""Batches that change their size and crop from one to the next (1912.00998, Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slowfast.data.samplers import TrainBatches

ShapedKey = tuple[int, int, int]  # epoch, row of the manifest, place in the cycle


def short_batches(batch: int, crop: int, full_crop: int, factors: Sequence[float]) -> list[int]:
    """Sizes of the batches of a cycle: as many pixels with each crop, the full one last.

    Args:
        batch, crop: videos of a step with the full crop, and that crop, pixels.
        full_crop: the recipe's, of which `factors` are.
    """
    ratios = [round((crop / (factor * full_crop)) ** 2) for factor in factors]
    return [*(batch * max(ratio, 1) for ratio in ratios), batch]


def short_crops(full_crop: int, factors: Sequence[float]) -> list[int]:
    """Sides of the crops besides the full one, pixels."""
    return [round(full_crop * factor) for factor in factors]


class ShortCycle:
    """Batches of keys of one epoch, for one rank, of several sizes in turn.

    Every epoch begins with the first size. Its videos are in the order of `TrainBatches`; global
    batches are the same whatever the number of ranks, and the first one that would not be full
    ends the epoch.

    Args:
        batches: the order, and which part of each batch is this process's.
        sizes: videos in the global batches of a cycle.
    """

    def __init__(self, batches: TrainBatches, sizes: Sequence[int]) -> None:
        self.batches, self.sizes = batches, list(sizes)
        for size in self.sizes:
            if size % batches.world:
                raise ValueError(
                    f"a batch of {size} clips of MULTIGRID.SHORT_CYCLE cannot be divided among "
                    f"{batches.world} processes; make TRAIN.BATCH_SIZE a multiple"
                )
        if self.sizes[0] > batches.chunk:
            raise ValueError(
                f"{batches.chunk} videos do not fill the first batch of MULTIGRID.SHORT_CYCLE, "
                f"{self.sizes[0]}; lower TRAIN.BATCH_SIZE, or set SHORT_CYCLE False"
            )

    @property
    def batch_size(self) -> int:
        """Videos in a global batch with the full crop."""
        return self.sizes[-1]

    def set_position(self, epoch: int, batch: int = 0) -> None:
        """Begin the next pass at batch ``batch`` of ``epoch``, both from 0."""
        self.batches.set_position(epoch, batch)

    def begin(self, batch: int) -> int:
        """Videos before global batch ``batch``."""
        cycles, rest = divmod(batch, len(self.sizes))
        return cycles * sum(self.sizes) + sum(self.sizes[:rest])

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        cycles = self.batches.chunk // sum(self.sizes)
        count = cycles * len(self.sizes)
        while self.begin(count + 1) <= self.batches.chunk:
            count += 1
        return count

    def __iter__(self) -> Iterator[list[ShapedKey]]:
        epoch, first = self.batches.epoch, self.batches.first
        rank, world = self.batches.rank, self.batches.world
        order = self.batches.order(epoch)
        for batch in range(first, len(self)):
            place = batch % len(self.sizes)
            part = self.sizes[place] // world
            begin = self.begin(batch) + rank * part
            yield [(epoch, row, place) for row in order[begin : begin + part].tolist()]
