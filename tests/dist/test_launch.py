"""Mirrors slowfast/dist: processes that are started, and what they say when they fail."""

from __future__ import annotations

import pytest

from slowfast import dist


def test_alone_nobody_is_asked() -> None:
    assert (dist.rank(), dist.world_size(), dist.is_main()) == (0, 1, True)
    assert dist.gather_objects("mine") == ["mine"]
    assert dist.broadcast_object("mine") == "mine"


def test_one_process_runs_here() -> None:
    assert dist.launch(max, 1, 2) == 2


def test_two_processes_run_and_rank_0_answers() -> None:
    assert dist.launch(max, 1, 2, processes=2) == 2


@pytest.mark.slow
def test_the_message_of_the_first_process_that_fails_is_passed_on() -> None:
    with pytest.raises(ValueError, match=r"^invalid literal for int\(\) with base 10: 'x'$"):
        dist.launch(int, "x", processes=2)


def test_machines_need_a_place_to_meet() -> None:
    with pytest.raises(ValueError, match="--init_method tcp://HOST:PORT"):
        dist.launch(max, 1, 2, machines=2)
