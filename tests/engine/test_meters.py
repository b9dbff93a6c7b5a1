"""Mirrors slowfast/engine/meters.py."""

from __future__ import annotations

import re
import time

import pytest
import torch

from slowfast import dist
from slowfast.engine.meters import Clock, Means, Progress, Speed, format_eta


def test_means_are_weighted_by_samples() -> None:
    means = Means()
    means.update({"loss": torch.tensor(1.0)}, 3)
    means.update({"loss": torch.tensor(5.0)}, 1)
    assert means.read() == {"loss": 2.0}


def test_means_survive_saving_bit_for_bit() -> None:
    values = torch.rand(20, generator=torch.Generator().manual_seed(0))
    whole, first, second = Means(), Means(), Means()
    for value in values:
        whole.update({"loss": value}, 7)
    for value in values[:9]:
        first.update({"loss": value}, 7)
    second.load(first.state(), device=torch.device("cpu"))
    for value in values[9:]:
        second.update({"loss": value}, 7)
    assert second.read() == whole.read()


def test_clock_tells_waiting_from_working() -> None:
    def slow_source():
        for i in range(3):
            time.sleep(0.02)
            yield i

    clock = Clock()
    start = clock.snapshot()
    for _ in clock.batches(slow_source()):
        clock.update(4)
    speed = Speed.between(start, clock.snapshot())
    assert clock.clips == 12
    assert speed.data_wait > 0.5


@pytest.mark.parametrize(
    ("share", "busy", "workers", "words"),
    [
        (0.62, 0.9, 3, r"decoding is the limit: 62% .*\(3 workers on 4 cores\). More workers"),
        (0.62, 0.9, 4, r"decoding is the limit: .*\(4 workers on 4 cores\). More cores"),
        (0.62, 0.1, 1, r"disk is the limit: 62% .* 90% of theirs \(1 worker on 4 cores\)"),
        (0.62, 0.1, 9, r"decoding is the limit"),  # they wait for each other, not for a disk
        (0.05, 0.1, 3, r"the network is the limit \(5%"),
    ],
)
def test_verdict_names_the_limit(share: float, busy: float, workers: int, words: str) -> None:
    speed = Speed(seconds=1.0, data_wait=share, clips_per_s=1.0, busy=busy)
    assert re.search(words, speed.verdict(workers, cores=4, in_line=False))


@pytest.mark.parametrize(("busy", "limit"), [(0.1, "disk"), (0.9, "decoding")])
def test_more_workers_than_cores_do_not_hide_a_slow_disk(busy: float, limit: str) -> None:
    """Public recipes ask for eight, whatever the machine has."""
    speed = Speed(seconds=1.0, data_wait=0.9, clips_per_s=1.0, busy=busy)
    assert f"{limit} is the limit" in speed.verdict(8, cores=4, in_line=True)


def test_the_cost_of_reading_is_added_up() -> None:
    clock = Clock()
    start = clock.snapshot()
    clock.update(2, (3.0, 1.0))
    clock.update(2, (1.0, 1.0))
    assert Speed.between(start, clock.snapshot()).busy == 0.5
    assert Speed.between(start, start).busy == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(59, "0:00:59"), (3723, "1:02:03"), (90061, "1 day, 1:01:01")]
)
def test_time_left_reads_like_the_logs_of_the_field(seconds: float, text: str) -> None:
    assert format_eta(seconds) == text


def test_each_step_is_progress_to_the_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(dist, "progress", lambda: told.append(1))
    with Progress("test", 3) as progress:
        progress.step()
        progress.step(loss="1")
    assert len(told) == 2
