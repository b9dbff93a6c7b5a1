"""Addresses of this machine, as other machines of a run see them."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

Variables = tuple[tuple[str, str], ...]  # names and values for the environment of processes


def local_address(host: str, port: int) -> str:
    """The address of this machine from which packets to ``host`` leave; nothing is sent."""
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_DGRAM
    ):
        with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    return socket.gethostname()


def interface_of(address: str) -> str | None:
    """The network interface with an IPv4 address, on Linux."""
    if sys.platform != "linux":
        return None
    import fcntl  # there is none on Windows

    get_address = 0x8915  # SIOCGIFADDR of <linux/sockios.h>
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                request = struct.pack("256s", name.encode()[:15])
                answer = fcntl.ioctl(probe.fileno(), get_address, request)
                if socket.inet_ntoa(answer[20:24]) == address:
                    return name
    return None


def gloo_on(address: str) -> Variables:
    """Tell gloo the interface: by itself it takes what the host name stands for, 127.0.1.1 say."""
    name = interface_of(address)
    return (("GLOO_SOCKET_IFNAME", name),) if name else ()
