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


V1 = {"cpu.cfs_period_us": "100000\n", "cpu.cfs_quota_us": "150000\n"}
UNLIMITED = {"cpu.cfs_period_us": "100000\n", "cpu.cfs_quota_us": "-1\n"}


@pytest.mark.parametrize(
    ("membership", "files", "limited"),
    [
        ("0::/\n", {"cpu.max": "100000 100000\n"}, True),
        ("0::/\n", {"cpu.max": "max 100000\n"}, False),
        ("0::/jobs/7/step\n", {"jobs/7/cpu.max": "180000 100000\n"}, True),
        ("0::/jobs/7/step\n", {"jobs/8/cpu.max": "180000 100000\n"}, False),
        ("4:cpu,cpuacct:/docker/ab\n", {f"cpu/{k}": v for k, v in V1.items()}, True),
        ("4:cpu,cpuacct:/job\n", {f"cpu,cpuacct/job/{k}": v for k, v in V1.items()}, True),
        ("4:memory:/job\n", {f"memory/job/{k}": v for k, v in V1.items()}, False),
        ("4:cpu:/\n", {f"cpu/{k}": v for k, v in UNLIMITED.items()}, False),
        ("nonsense\n", {"cpu.max": "\n"}, False),
        (None, {}, False),
    ],
)
def test_a_container_may_have_fewer_cores_than_the_machine(
    membership: str | None,
    files: dict[str, str],
    limited: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(64)), raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    groups = tmp_path / "membership"
    if membership is not None:
        groups.write_text(membership)
    assert usable_cores(tmp_path, groups) == (1 if limited else 64)


def test_batches_ready_fit_into_shared_memory() -> None:
    mb = 1 << 20
    assert prefetch_count(5, workers=8, batch_bytes=mb, shared_bytes=mb) == 5
    assert prefetch_count(AUTOMATIC, workers=8, batch_bytes=mb, shared_bytes=64 * mb) == 2
    assert prefetch_count(AUTOMATIC, workers=8, batch_bytes=mb, shared_bytes=20 * mb) == 1
    assert prefetch_count(AUTOMATIC, workers=0, batch_bytes=mb) in (1, 2)
