"""Mirrors slowfast/data/workers.py."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from slowfast.data.workers import AUTOMATIC, prefetch_count, usable_cores, worker_count


@pytest.mark.parametrize(("cores", "processes", "count"), [(16, 1, 15), (16, 8, 1), (1, 1, 1)])
def test_automatic_is_one_a_core_less_the_training_processes(
    cores: int, processes: int, count: int
) -> None:
    assert worker_count(AUTOMATIC, processes=processes, cores=cores) == count


def test_a_number_is_kept_and_too_many_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="slowfast"):
        assert worker_count(2, processes=2, cores=4) == 2
        assert worker_count(0, processes=1, cores=1) == 0
        assert not caplog.records
        assert worker_count(9, processes=2, cores=4) == 9
        assert worker_count(9, processes=2, cores=4) == 9
    (line,) = [record.getMessage() for record in caplog.records]
    assert "NUM_WORKERS is 9 for each of 2 process(es), and there are 4 cores" in line
    assert "-1 chooses" in line


def test_a_container_may_have_fewer_cores_than_the_machine(tmp_path: Path) -> None:
    unlimited = usable_cores(tmp_path / "missing")
    limit = tmp_path / "cpu.max"
    limit.write_text("100000 100000\n")
    assert usable_cores(limit) == 1
    limit.write_text("max 100000\n")
    assert usable_cores(limit) == unlimited


def test_batches_ready_fit_into_shared_memory() -> None:
    mb = 1 << 20
    assert prefetch_count(5, workers=8, batch_bytes=mb, shared_bytes=mb) == 5
    assert prefetch_count(AUTOMATIC, workers=8, batch_bytes=mb, shared_bytes=64 * mb) == 2
    assert prefetch_count(AUTOMATIC, workers=8, batch_bytes=mb, shared_bytes=20 * mb) == 1
    assert prefetch_count(AUTOMATIC, workers=0, batch_bytes=mb) in (1, 2)
