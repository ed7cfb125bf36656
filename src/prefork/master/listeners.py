"""Listening sockets: opened by the master, which may use low ports, and kept over any dispatcher's life."""

from __future__ import annotations

import errno
import os
import socket


class CannotListen(Exception):
    """An address can't be bound; the sentence says which and why."""


def listen(interface: str, port: int, backlog: int) -> socket.socket:
    """A listening TCP socket. An empty interface means all of them, IPv4 and IPv6 where there is IPv6. Raises CannotListen."""
    dual = interface == "" and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if ":" in interface or dual else socket.AF_INET
    host = interface or ("::" if dual else "0.0.0.0")  # noqa: S104 - all interfaces is what an empty one means to Odoo
    try:
        # A backlog of its own size, not one that grows with the workers: what does not fit is retried by the client's kernel
        # after a second.
        made = socket.create_server((host, port), family=family, backlog=backlog, dualstack_ipv6=dual)
    except OSError as error:
        raise CannotListen(sentence(interface, port, error)) from error
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by accepted connections
    made.setblocking(False)
    return made


def sentence(interface: str, port: int, error: OSError) -> str:
    """Why an address could not be bound, and what to do."""
    where = f"cannot listen on {interface or '*'}:{port}: {os.strerror(error.errno or 0).lower()}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}; this machine has no such address, choose another http_interface"
    if isinstance(error, PermissionError):
        return f"{where}; ports below 1024 need root or CAP_NET_BIND_SERVICE, choose another http_port"
    return f"{where}; stop what uses it (ss -ltnp 'sport = :{port}'), or choose another http_port or http_interface"


def url(listener: socket.socket) -> str:
    """The address as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
