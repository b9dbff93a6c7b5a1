"""How the machines of a run find each other, and again after each fault."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import threading
import time
from dataclasses import dataclass

from torch.distributed import PrefixStore, Store, TCPStore
from torch.distributed.elastic.rendezvous import (
    RendezvousClosedError,
    RendezvousConnectionError,
    RendezvousGracefulExitError,
    RendezvousHandler,
    RendezvousInfo,
    RendezvousStoreInfo,
    RendezvousTimeoutError,
)
from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import C10dRendezvousBackend
from torch.distributed.elastic.rendezvous.dynamic_rendezvous import (
    DynamicRendezvousHandler,
    RendezvousTimeout,
)

from slowfast.dist.address import Variables, gloo_on, local_address
from slowfast.dist.failure import Failure, Stopped

_JOIN = datetime.timedelta(minutes=15)  # that the other machines are waited for
_STORE = datetime.timedelta(minutes=1)  # that a store may take to answer
_CONNECT = datetime.timedelta(seconds=5)  # of one attempt: signals are heard between two
# Through these the machines of a run meet in all its launches: they live as long as the process.
_STORES: dict[tuple[str, int, bool], TCPStore] = {}  # by address; whether it is the one that serves


@dataclass
class _News:
    """What the other machines said in one round, as a thread has heard it last."""

    store: Store  # of this round
    over: threading.Event
    waiting: bool = False
    said: bool = False  # that this machine has finished
    finished: int = 0
    ended: Failure | None = None


class Meeting(RendezvousHandler):
    """One machine or several, which meet at a port of machine 0 by PyTorch's c10d rendezvous.

    What that one lacks is added: ranks follow the numbers of the machines, each attempt has a
    store of its own, and a run that ends on one machine ends on all, for the same reason.

    Args:
        name: of what is run: the same on all machines, and another one for each launch.
        host, port: of machine 0, as the others reach it; 0 takes a free port.
        processes: of this machine; all must have as many.
    """

    use_agent_store = True  # processes get the store that `next_rendezvous` tells, and make none

    def __init__(
        self, name: str, *, host: str, port: int, machine: int, machines: int, processes: int
    ) -> None:
        self._name, self._host, self._port = name, host, port
        self._machine, self._machines, self._processes = machine, machines, processes
        self.variables: Variables = ()  # for the environment of this round's processes
        self._stores = _STORES if port else {}
        self._news: _News | None = None
        self._handler: DynamicRendezvousHandler | None = None

    def get_backend(self) -> str:
        return "c10d"

    def get_run_id(self) -> str:
        return self._name

    def next_rendezvous(self) -> RendezvousInfo:
        """Wait until all machines are here.

        Raises:
            ValueError: they did not come, or do not fit together.
            Stopped: a signal came meanwhile.
            RendezvousGracefulExitError: the others did this part of the run to its end before
                this machine came back.
        """
        try:
            return self._meet()
        except (ValueError, Stopped) as error:
            self.tell(Failure.of(error, rank=-1))
            raise

    def _meet(self) -> RendezvousInfo:
        # The store that the rendezvous would serve is kept after a fault; ours is new (`_agree`).
        os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
        self._hear_no_more()
        end = time.monotonic() + _JOIN.total_seconds()
        while True:
            try:
                handler = self._connect()
                self._refuse_if_over()
                store = handler.next_rendezvous().store
                served = self._agree(store)
                self._listen(store)
                return RendezvousInfo(store, self._machine, self._machines, served)
            except RendezvousTimeoutError as error:
                raise ValueError(self._nobody_came()) from error
            except (RendezvousClosedError, RendezvousConnectionError, RuntimeError) as error:
                if time.monotonic() > end:
                    raise ValueError(f"{self._nobody_came()} ({error})") from error
                self._forget_connection()
                time.sleep(1)

    def _nobody_came(self) -> str:
        return (
            f"{self._machines} machines (NUM_SHARDS) were to meet at {self._host}:{self._port}, "
            f"but in {_JOIN.total_seconds() / 60:.0f} minutes not all of them came; look at the "
            "logs of the others, and whether they reach that port"
        )

    @property
    def _store(self) -> TCPStore:
        """Of all rounds, in the launcher of machine 0."""
        serve = self._machine == 0
        key = (self._host, self._port, serve)
        if key not in self._stores:
            self._stores[key] = _store_at(self._host, self._port, serve=serve)
        return self._stores[key]

    def _connect(self) -> DynamicRendezvousHandler:
        if self._handler is None:
            first = self._machine == 0
            self._handler = DynamicRendezvousHandler.from_backend(
                self._name,
                self._store,
                C10dRendezvousBackend(self._store, self._name),
                min_nodes=self._machines,
                max_nodes=self._machines,
                local_addr=self._host if first else self._own_address,
                timeout=RendezvousTimeout(join=_JOIN),
                keep_alive_interval=5,
                keep_alive_max_attempt=6,  # a machine that is silent for 30 s has gone
            )
        return self._handler

    def _forget_connection(self) -> None:
        """Machine 0 may have been started anew, with a store that knows nothing."""
        if self._machine != 0:
            self._stores.pop((self._host, self._port, False), None)
        self._handler = None

    @property
    def _own_address(self) -> str:
        return local_address(self._host, self._store.port)

    def _agree(self, store: Store) -> RendezvousStoreInfo:
        """Machine 0 makes the store of this attempt's processes; the others are told where."""
        if store.add(f"machine{self._machine}", 1) > 1:
            raise ValueError(
                f"two machines say that they are SHARD_ID {self._machine}; number the "
                f"{self._machines} machines from 0"
            )
        store.set(f"processes{self._machine}", str(self._processes))
        counts = [int(self._await(store, f"processes{i}")) for i in range(self._machines)]
        if len(set(counts)) > 1:
            raise ValueError(
                f"the machines are to start {counts} processes, by SHARD_ID, but each must start "
                "as many as the others; give all the same NUM_GPUS"
            )
        if self._machine == 0:
            # A new one: what a killed process left in the old one is not found.
            self._served = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        own = self._own_address
        self.variables = () if own.startswith("127.") and self._machine else gloo_on(own)
        port = self._served.port if self._machine == 0 else 0  # which is then told by machine 0
        ours = PrefixStore("slowfast", store)  # the rendezvous has told another place already
        return RendezvousStoreInfo.build(self._machine, ours, self._host, port)

    def _await(self, store: Store, key: str) -> bytes:
        end = time.monotonic() + _STORE.total_seconds()
        while not store.check([key]):
            self._refuse_if_over()
            if time.monotonic() > end:
                raise RuntimeError(f"{key} was not said")
            time.sleep(0.05)
        return bytes(store.get(key))

    def _refuse_if_over(self) -> None:
        if self._said("finished"):
            raise RendezvousGracefulExitError("the other machines are done")
        if ended := self._said("ended"):
            raise Failure.read(json.loads(ended), log="").error(" on another machine")

    def _listen(self, store: Store) -> None:
        """Ask in a thread: while a link is down, an answer may take longer than a signal can."""
        news = self._news = _News(store, threading.Event())
        handler = self._connect()

        def ask() -> None:
            while not news.over.wait(0.3):
                # No answer is no news: if the machine has gone, the processes will notice.
                with contextlib.suppress(Exception):
                    if ended := self._said("ended"):
                        news.ended = Failure.read(json.loads(ended), log="")
                    news.finished = store.add("finished", 0)
                    news.waiting = handler.num_nodes_waiting() > 0

        threading.Thread(target=ask, daemon=True).start()

    def _hear_no_more(self) -> None:
        if self._news is not None:
            self._news.over.set()

    def num_nodes_waiting(self) -> int:
        """How many machines, 0 or 1, are known to start their processes again."""
        return int(self._news is not None and self._news.waiting)

    def told(self) -> Failure | None:
        """What ended the run for good, on another machine."""
        return self._news.ended if self._news is not None else None

    def tell(self, failure: Failure) -> None:
        """Say to the other machines that the run is over, and why."""
        with contextlib.suppress(Exception):  # they may be gone, and so may the store
            self._store.set(f"{self._name}/ended", json.dumps(failure.record()))

    def all_finished(self) -> bool:
        """Say that the processes of this machine have done their work; whether all have."""
        assert self._news is not None
        with contextlib.suppress(Exception):
            if not self._news.said:
                self._news.finished = self._news.store.add("finished", 1)
                self._news.said = True
        return self._news.finished >= self._machines

    def is_closed(self) -> bool:
        return self.told() is not None

    def set_closed(self) -> None:
        self._connect().set_closed()

    def shutdown(self) -> bool:
        """Leave; machine 0, where the store is, goes last."""
        self._hear_no_more()
        with contextlib.suppress(Exception):
            if self._news is not None and self._news.finished >= self._machines:
                self._store.set(f"{self._name}/finished", "1")
            left = self._store.add(f"{self._name}/left", 1)
            end = time.monotonic() + 10
            while self._machine == 0 and left < self._machines and time.monotonic() < end:
                time.sleep(0.1)
                left = self._store.add(f"{self._name}/left", 0)
            return True
        return False

    def _said(self, what: str) -> bytes:
        key = f"{self._name}/{what}"
        return bytes(self._store.get(key)) if self._store.check([key]) else b""


def _store_at(host: str, port: int, *, serve: bool) -> TCPStore:
    try:
        store = TCPStore(
            "127.0.0.1" if serve else host,
            port,
            is_master=serve,
            wait_for_workers=False,
            timeout=_CONNECT,
        )
    except RuntimeError as error:
        if not serve:
            raise
        raise ValueError(
            f"machine 0 is to wait for the others at port {port}, but can't: "
            f"{str(error).splitlines()[0][:200]}; another job may be there: choose another port "
            "in --init_method, on all machines"
        ) from error
    store.set_timeout(_STORE)
    return store
