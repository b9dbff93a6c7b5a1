"""Notices whether somebody opens a file or a socket that a playlist names (Linux)."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import threading
import time
from pathlib import Path
from types import TracebackType

_OPENED, _ACCESSED = 0x20, 0x1  # IN_OPEN and IN_ACCESS of inotify(7)
_PATIENCE = 30.0  # seconds to wait for a port
_PERIOD = 0.002  # seconds between two looks at the open ports


def _listen(port: int) -> socket.socket:
    """A server on a port, when another battery on this machine has done with it."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                raise
            time.sleep(_PERIOD)


class Watch:
    """Within its block, whoever opens the file or the ports leaves a trace in `seen`.

    Args:
        canary: a file that nobody has a reason to open.
        port: a TCP server of our own listens there; for UDP the table of the kernel is read.
    """

    def __init__(self, canary: Path, port: int) -> None:
        self.canary, self.port = canary, port
        self.seen: list[str] = []

    def __enter__(self) -> Watch:
        libc = ctypes.CDLL(None, use_errno=True)
        self._notices = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._notices < 0:
            raise OSError(ctypes.get_errno(), "inotify is not there")
        libc.inotify_add_watch(self._notices, os.fsencode(self.canary), _OPENED | _ACCESSED)
        self._server = _listen(self.port)
        self._server.settimeout(_PERIOD)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._server.close()
        try:
            if os.read(self._notices, 4096):
                self.seen.append(f"{self.canary.name} was opened")
        except BlockingIOError:
            pass  # nothing happened to the file
        os.close(self._notices)

    def _look(self) -> None:
        udp = False
        while True:
            last = self._ended.is_set()
            try:
                self._server.accept()[0].close()
                self.seen.append(f"TCP port {self.port} was connected to")
            except TimeoutError:
                pass  # nobody came
            if not udp and self._udp_is_open():
                udp = True
                self.seen.append(f"UDP port {self.port} was opened")
            if last:
                return

    def _udp_is_open(self) -> bool:
        wanted = f":{struct.pack('>H', self.port).hex().upper()} "
        return any(
            wanted in line
            for table in (Path("/proc/net/udp"), Path("/proc/net/udp6"))
            if table.is_file()
            for line in table.read_text().splitlines()
        )
