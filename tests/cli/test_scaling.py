"""Mirrors slowfast/cli/scaling.py: numbers that can be checked by hand."""

from __future__ import annotations

import pytest

from slowfast.cli.scaling import (
    Cluster,
    Network,
    efficiency,
    exchange_seconds,
    lost_share,
    parse_args,
    seconds_between_saves,
    table,
)

ONE = Network("one", params=25_000_000, clips_per_s=500.0)  # 100 MB of gradients
CLUSTER = Cluster(inside=100e9, between=10e9, gpu_hours_between_faults=50_000, disk=1e8)


def test_a_ring_sends_nearly_twice_the_gradients() -> None:
    assert exchange_seconds(ONE.params, 1, CLUSTER) == 0
    assert exchange_seconds(ONE.params, 2, CLUSTER) == pytest.approx(0.1 / 100)
    assert exchange_seconds(ONE.params, 8, CLUSTER) == pytest.approx(2 * 7 / 8 * 0.1 / 100)
    assert exchange_seconds(ONE.params, 16, CLUSTER) == pytest.approx(2 * 15 / 16 * 0.1 / 10)
    half = exchange_seconds(ONE.params, 16, CLUSTER, bytes_each=2)
    assert half == pytest.approx(15 / 16 * 0.1 / 10)


def test_only_what_backward_does_not_hide_is_waited_for() -> None:
    assert efficiency(ONE, 1, 8, CLUSTER) == 1
    # 16 ms a step; 18.75 ms of exchange, of which 10.67 fit into the backward pass.
    exposed = 0.01875 - 2 / 3 * 0.016
    assert efficiency(ONE, 16, 8, CLUSTER) == pytest.approx(0.016 / (0.016 + exposed))
    # 64 ms: all but the last bucket of 26.2 MB are hidden.
    last = 0.01875 * 25 * 2**20 / 100e6
    assert efficiency(ONE, 16, 32, CLUSTER) == pytest.approx(0.064 / (0.064 + last))


def test_checkpoints_are_saved_as_often_as_pays() -> None:
    """200 MB take 2 s; with 1,000 GPUs there is a fault in 50 hours."""
    assert ONE.checkpoint_bytes == 200_000_000
    assert Network("two", 1, 1.0, adam=True).checkpoint_bytes == 12
    interval = (2 * 2 * 50 * 3600) ** 0.5
    assert seconds_between_saves(ONE, 1000, CLUSTER) == pytest.approx(interval)
    assert lost_share(ONE, 1000, CLUSTER) == pytest.approx(2 * 2 / interval)


def test_the_table_has_a_line_for_each_number_of_gpus() -> None:
    head, _, one, many = table([ONE], [1, 16], 8, CLUSTER).splitlines()
    assert head.count("|") == one.count("|") == many.count("|")
    assert "| one | 16 | 128 | 188 | 18.8 | 16.0 | 66.4% |" in many
    assert list(parse_args(None or [], "x").gpus) == [1, 8, 64, 256]
