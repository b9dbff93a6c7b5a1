"""Mirrors slowfast/dist/meeting.py: two machines that are threads here."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from torch.distributed.elastic.rendezvous import RendezvousGracefulExitError

from slowfast.dist import meeting
from slowfast.dist.failure import Failure, Stopped
from slowfast.dist.meeting import Meeting


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    yield free
    meeting._STORES.clear()


def machine(number: int, port: int, *, processes: int = 2, name: str = "run") -> Meeting:
    return Meeting(
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


def test_one_machine_gets_stores_of_its_own_each_time() -> None:
    """At free ports, so that jobs never clash."""
    ports = set()
    for _ in range(2):
        alone = Meeting("run", host="127.0.0.1", port=0, machine=0, machines=1, processes=3)
        for _ in range(2):
            info = alone.next_rendezvous()
            assert (info.rank, info.world_size) == (0, 1)
            assert info.bootstrap_store_info.master_addr == "127.0.0.1"
            ports |= {info.bootstrap_store_info.master_port, alone._store.port}
        while not alone.all_finished():
            pass
        assert alone.shutdown()
    assert len(ports) == 6
    assert not meeting._STORES


def test_machines_meet_again_and_leave_together(port: int) -> None:
    machines = [machine(number, port) for number in (0, 1)]
    first = both(*(each.next_rendezvous for each in machines))
    assert not machines[0].num_nodes_waiting()
    with ThreadPoolExecutor(1) as pool:  # machine 1 has to start again, and machine 0 notices
        again = pool.submit(machines[1].next_rendezvous)
        while not machines[0].num_nodes_waiting():
            pass
        second = [machines[0].next_rendezvous(), again.result()]
    stores = []
    for places in (first, second):
        assert [(place.rank, place.world_size) for place in places] == [(0, 2), (1, 2)]
        stores.append({place.bootstrap_store_info.master_port for place in places})
    assert [len(each) for each in stores] == [1, 1]
    assert stores[0] != stores[1]
    while [each.all_finished() for each in machines] != [True, True]:
        pass
    both(*(each.shutdown for each in machines))
    late = machine(1, port)
    with pytest.raises(RendezvousGracefulExitError):
        late.next_rendezvous()


def test_what_ends_the_run_is_told(port: int) -> None:
    machines = [machine(number, port) for number in (0, 1)]
    both(*(each.next_rendezvous for each in machines))
    mistake = Failure(3, 1, 0.0, kinds=("ValueError",), message="set A to B")
    machines[1].tell(mistake)
    while machines[0].told() is None:
        pass
    assert machines[0].told() == mistake
    assert machines[0].is_closed()
    with pytest.raises(ValueError, match="set A to B"):
        machine(0, port).next_rendezvous()
    both(*(each.shutdown for each in machines))


def test_a_signal_while_others_are_waited_for_is_told_to_them(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = machine(0, port), machine(1, port)

    def stopped(*settings: Any, **more: Any) -> None:
        raise Stopped.by(signal.SIGTERM)

    monkeypatch.setattr(meeting.DynamicRendezvousHandler, "next_rendezvous", stopped)
    for each in (first, second):
        with pytest.raises(Stopped, match="SIGTERM") as caught:
            each.next_rendezvous()
        assert caught.value.exit_code == 75


def test_machines_that_do_not_fit_together_say_so(port: int) -> None:
    unlike = both(machine(0, port).next_rendezvous, machine(1, port, processes=4).next_rendezvous)
    for error in unlike:
        assert isinstance(error, ValueError)
        assert "are to start [2, 4] processes" in str(error)


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=f"at port {port}, but can't: .*--init_method") as said:
            machine(0, port).next_rendezvous()
    assert "\n" not in str(said.value)
