"""Two machines on one: network namespaces of Linux with a cable between them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

_NUMBER = count()


@dataclass(frozen=True)
class Spaces:
    """Names of two namespaces; ``addresses`` are those of their ends of the cable."""

    names: tuple[str, str]
    addresses: tuple[str, str]

    def command(self, machine: int, command: Sequence[str]) -> list[str]:
        """The command, run on machine 0 or 1."""
        return ["ip", "netns", "exec", self.names[machine], *command]

    def cable(self, *, plugged: bool) -> None:
        state = "up" if plugged else "down"
        _ip("netns", "exec", self.names[1], "ip", "link", "set", "cable", state)


def why_not() -> str:
    """Why there can be no namespaces here; empty if there can."""
    if shutil.which("ip") is None:
        return "there is no `ip` (iproute2)"
    try:
        with two_machines():
            return ""
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        return f"namespaces are not permitted: {said[-1] if said else error}"


@contextmanager
def two_machines() -> Iterator[Spaces]:
    """Machines 0 and 1, each with a loop of its own, removed at the end.

    Raises:
        subprocess.CalledProcessError: they are not permitted; they take a root user.
    """
    number = next(_NUMBER)
    names = tuple(f"sf{os.getpid()}x{number}{end}" for end in "ab")
    net = f"10.{200 + number % 50}.{os.getpid() % 250}"
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable",
            "netns", names[1])  # fmt: skip
        for i, name in enumerate(names):
            inside = ("netns", "exec", name, "ip")
            _ip(*inside, "addr", "add", f"{net}.{i + 1}/24", "dev", "cable")
            _ip(*inside, "link", "set", "cable", "up")
            _ip(*inside, "link", "set", "lo", "up")
        yield Spaces((names[0], names[1]), (f"{net}.1", f"{net}.2"))
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
