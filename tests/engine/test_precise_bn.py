"""Mirrors slowfast/engine/precise_bn.py."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from slowfast.data.batch import Batch
from slowfast.data.transforms.augment_stage import AugmentStage
from slowfast.engine.precise_bn import precise_bn


class Loader:
    """Batches of one process; the last one may be smaller."""

    def __init__(self, clips: torch.Tensor, sizes: list[int]) -> None:
        self.batches = [self._batch(part) for part in clips.split(sizes)]

    def _batch(self, clips: torch.Tensor) -> Batch:
        numbers = torch.zeros(len(clips), dtype=torch.int64)
        return Batch(clips, numbers, numbers, numbers, paths=[""] * len(clips))

    def set_position(self, epoch: int, batch: int = 0) -> None:
        pass

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)


def statistics(clips: torch.Tensor, sizes: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    norm = nn.BatchNorm3d(3)
    loader, device = Loader(clips, sizes), torch.device("cpu")
    stage = {"augment": AugmentStage(), "epoch": 0, "num_batches": len(sizes), "device": device}
    precise_bn(norm, loader, lambda model, batch: model(batch.clips), **stage)
    return norm.running_mean, norm.running_var


def all_clips() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return 5 + torch.randn(12, 3, 2, 4, 4, generator=generator)


def test_moments_are_those_of_all_clips_together() -> None:
    clips = all_clips()
    mean, variance = statistics(clips, [5, 5, 2])
    torch.testing.assert_close(mean, clips.mean((0, 2, 3, 4)))
    torch.testing.assert_close(variance, clips.var((0, 2, 3, 4), correction=0))


def test_a_batch_that_could_not_be_read_is_passed_over() -> None:
    clips = all_clips()
    mean, _ = statistics(clips, [8, 0, 4])
    torch.testing.assert_close(mean, clips.mean((0, 2, 3, 4)))


# The second process has fewer clips, as when some cannot be read.
SCRIPT = """
import multiprocessing
import sys
sys.path.insert(0, sys.argv[1])
import torch
from torch import distributed
from test_precise_bn import all_clips, statistics

def run(rank):
    distributed.init_process_group("gloo", f"file://{sys.argv[2]}", rank=rank, world_size=2)
    clips = all_clips()
    mine, sizes = ((clips[:8], [4, 4]), (clips[8:], [2, 2]))[rank]
    found = statistics(mine, sizes)
    torch.testing.assert_close(found, statistics_alone)
    distributed.destroy_process_group()

if __name__ == "__main__":
    statistics_alone = statistics(all_clips(), [6, 6])
    fork = multiprocessing.get_context("fork")
    ranks = [fork.Process(target=run, args=(rank,)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    sys.exit(max(abs(process.exitcode) for process in ranks))
"""


@pytest.mark.slow
def test_two_processes_agree_with_one_that_has_all_clips(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    here = str(Path(__file__).parent)
    line = [sys.executable, str(script), here, str(tmp_path / "store")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
