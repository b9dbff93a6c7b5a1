"""Mirrors slowfast/dist/meeting.py: two machines that are threads here."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from slowfast.dist import meeting
from slowfast.dist.failure import Failure
from slowfast.dist.meeting import Alone, Finished, Together


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    yield free
    meeting._STORES.clear()


def machine(number: int, port: int, *, processes: int = 2, name: str = "run") -> Together:
    return Together(
        name, host="127.0.0.1", port=port, machine=number, machines=2, processes=processes
    )


def both(*calls: Callable[[], Any]) -> list[Any]:
    """What they return, or raise, at the same time."""

    def attempt(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(attempt, calls))


def test_one_machine_gets_a_store_of_its_own_each_time() -> None:
    alone, other = Alone(3), Alone(3)
    first, second = alone.meet(), alone.meet()
    assert (first.world, first.attempt, second.attempt) == (3, 0, 1)
    assert second.port != other.meet().port
    env = first.environment(2, 3)
    assert (env["RANK"], env["LOCAL_RANK"], env["WORLD_SIZE"]) == ("2", "2", "3")
    assert env["LOCAL_WORLD_SIZE"] == "3"


def test_machines_meet_again_and_leave_together(port: int) -> None:
    machines = [machine(number, port) for number in (0, 1)]
    for attempt in (0, 1):  # again after a fault
        places = both(*(each.meet for each in machines))
        assert [place.first_rank for place in places] == [0, 2]
        assert {place.world for place in places} == {4}
        assert {place.attempt for place in places} == {attempt}
        assert len({place.port for place in places}) == 1
    for each in machines:
        each.say_finished()
    while not all(each.all_finished() for each in machines):
        pass
    both(*(each.leave for each in machines))
    late = machine(1, port)
    with pytest.raises(Finished):
        late.meet()


def test_what_ends_the_run_is_told(port: int) -> None:
    machines = [machine(number, port) for number in (0, 1)]
    both(*(each.meet for each in machines))
    mistake = Failure(3, 1, 0.0, kinds=("ValueError",), message="set A to B")
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(machines[1].tell, mistake)
        while machines[0].told() is None:
            pass
        assert machines[0].told() == mistake
        machines[0].leave()
        told.result()
    with pytest.raises(ValueError, match="set A to B"):
        machines[0].meet()


def test_machines_that_do_not_fit_together_say_so(port: int) -> None:
    unlike = both(machine(0, port).meet, machine(1, port, processes=4).meet)
    for error in unlike:
        assert isinstance(error, ValueError)
        assert "are to start [2, 4] processes" in str(error)


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=f"at port {port}, but can't: .*--init_method") as said:
            machine(0, port).meet()
    assert "\n" not in str(said.value)
