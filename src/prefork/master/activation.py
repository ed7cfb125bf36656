"""Listening sockets that systemd has opened for us (sd_listen_fds(3)): descriptors from 3 on, counted in LISTEN_FDS.

They are systemd's: their addresses, permissions, backlog and files are set in its socket unit, and nothing of that is changed here.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST = 3  # SD_LISTEN_FDS_START
FAMILIES = frozenset((socket.AF_INET, socket.AF_INET6, socket.AF_UNIX))


class Unfit(Exception):
    """A descriptor that was passed cannot be listened on; the sentence says which."""


def inherited(environ: Mapping[str, str]) -> list[tuple[str, socket.socket]]:
    """The sockets that were passed to this process, with their names (FileDescriptorName= of the unit). Raises Unfit.

    The variables may be meant for another process, whose child we are: then there are none.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()) or not environ.get("LISTEN_FDS", "").isdecimal():
        return []
    numbers = range(FIRST, FIRST + int(environ["LISTEN_FDS"]))
    given = dict(enumerate(environ.get("LISTEN_FDNAMES", "").split(":"), FIRST))
    names = {number: given.get(number) or "unknown" for number in numbers}
    return [(name, taken(number, name)) for number, name in names.items()]


def taken(descriptor: int, name: str) -> socket.socket:
    """A descriptor as a listening socket, which no child inherits."""
    unfit = Unfit(
        f'descriptor {descriptor} "{name}", passed by LISTEN_FDS, is no listening stream socket; '
        "the socket unit needs ListenStream= and Accept=no"
    )
    try:
        wire = socket.socket(fileno=descriptor)
    except OSError:
        raise unfit from None
    accepts = wire.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if wire.family not in FAMILIES or wire.type != socket.SOCK_STREAM or not accepts:
        wire.detach()
        raise unfit
    wire.set_inheritable(False)
    return wire
