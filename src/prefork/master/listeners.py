"""Listening sockets: opened by the master, which may use low ports, or passed by systemd; kept over any dispatcher's life."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from prefork.config import UNIX
from prefork.master import activation, socketfile
from prefork.master.owner import group_number, owner_of
from prefork.master.socketfile import Access
from prefork.master.spawn import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.config import Settings
    from prefork.master.socketfile import SocketFile


class CannotListen(Exception):
    """An address can't be bound; the sentence says which and why."""


class Listener:
    """A listening socket and its address. `passed`: what systemd calls it, where it has opened it; `file`: that of ours."""

    def __init__(self, wire: socket.socket, passed: str | None = None, file: SocketFile | None = None) -> None:
        wire.setblocking(False)
        if wire.family != socket.AF_UNIX:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by accepted connections
        self.wire = wire
        self.address = address(wire)
        self.passed = passed
        self.file = file

    def hold(self) -> None:
        """Refuse clients for now, but keep the address. What systemd listens on, and files, stay as they are."""
        if self.passed is None and self.wire.family != socket.AF_UNIX:
            # tcp(7) does not say so, but Linux stops listening, keeps the port and can listen again; HAProxy pauses in this way.
            self.wire.shutdown(socket.SHUT_RD)

    def open(self, backlog: int) -> None:
        """Let clients in again."""
        if self.passed is None and self.wire.family != socket.AF_UNIX:
            self.wire.listen(backlog)

    def close(self) -> None:
        """Close our copy of the socket; the dispatcher's listens on."""
        self.wire.close()

    def remove(self) -> None:
        """Remove its file, when nobody listens any more."""
        if self.file:
            self.file.remove()


def listeners(settings: Settings) -> Iterator[Listener]:
    """The sockets to listen on: those that systemd has passed, or else one for each address. Raises CannotListen."""
    try:
        passed = activation.inherited(os.environ)
    except activation.Unfit as error:
        raise CannotListen(str(error)) from error
    if passed:
        yield from (Listener(wire, name) for name, wire in passed)
        return
    for interface in settings.http_interface if settings.http_enable else ():
        if interface.startswith(UNIX):
            yield listen_at(interface.removeprefix(UNIX), access(settings), settings.backlog)
        else:
            yield listen(interface, settings.http_port, settings.backlog, reuse_port=settings.reuse_port)


def live_listeners(settings: Settings) -> Iterator[Listener]:
    """The sockets for WebSockets alone, beside those of `listeners`. Raises CannotListen."""
    if settings.websocket_workers == 0 or (settings.http_enable and settings.websocket_port == settings.http_port):
        return
    for interface in settings.http_interface:
        if not interface.startswith(UNIX):
            yield listen(
                interface, settings.websocket_port, settings.backlog, reuse_port=settings.reuse_port, option="websocket_port"
            )


def console_listener(settings: Settings) -> Listener:
    """The socket of the console. Raises CannotListen."""
    return listen(settings.console_interface, settings.console_port, settings.backlog, option="console_port")


def access(settings: Settings) -> Access:
    """Who may connect to unix sockets: the account that the workers run as, and the group that is named for it."""
    user, group = owner_of(settings.user, settings.group)
    if settings.http_socket_group is not None:
        group = group_number(settings.http_socket_group)
    return Access(Owner(user, group), settings.http_socket_mode)


def listen(interface: str, port: int, backlog: int, *, reuse_port: bool = False, option: str = "http_port") -> Listener:
    """A TCP socket; a host name means its first IPv4 address, or else its first one. Raises CannotListen."""
    try:
        # As bytes: of text Python would make an international name, with tables for all of Unicode.
        host = interface.encode() if interface.isascii() else interface
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, place = min(found, key=lambda each: each[0] != socket.AF_INET)
        # A backlog of its own size, not one that grows with the workers: what does not fit is retried by the client's kernel
        # after a second.
        return Listener(socket.create_server(place, family=family, backlog=backlog, reuse_port=reuse_port))
    except OSError as error:
        raise CannotListen(sentence(interface, port, error, option)) from error


def listen_at(path: str, access: Access, backlog: int) -> Listener:
    """A unix socket. Raises CannotListen."""
    wire = socket.socket(socket.AF_UNIX)
    try:
        file = socketfile.bind(wire, path, access)
    except (OSError, socketfile.Occupied) as error:
        wire.close()
        reason = str(error) if isinstance(error, socketfile.Occupied) else os.strerror(error.errno or 0).lower()
        raise CannotListen(f"cannot listen on {UNIX}{path}: {reason}; stop what uses it, or choose another path") from error
    wire.listen(backlog)
    return Listener(wire, file=file)


def sentence(interface: str, port: int, error: OSError, option: str = "http_port") -> str:
    """Why an address could not be bound, and what to do."""
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {interface}: {str(error.strerror).lower()}; correct the name in {interfaces(option)}"
    place = f"[{interface}]:{port}" if ":" in interface else f"{interface}:{port}"
    where = f"cannot listen on {place}: {os.strerror(error.errno or 0).lower()}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}; this machine has no such address, choose another {interfaces(option)}"
    if isinstance(error, PermissionError):
        return f"{where}; ports below 1024 need root or CAP_NET_BIND_SERVICE, choose another {option}"
    return f"{where}; stop what uses it (ss -ltnp 'sport = :{port}'), or choose another {option} or {interfaces(option)}"


def interfaces(option: str) -> str:
    """The option with the address that goes with a port."""
    return "console_interface" if option == "console_port" else "http_interface"


def address(wire: socket.socket) -> str:
    """A listening socket's address: a URL, or the path of a unix socket."""
    if wire.family == socket.AF_UNIX:
        return UNIX + os.fsdecode(wire.getsockname()).replace("\0", "@", 1)
    host, port = wire.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
