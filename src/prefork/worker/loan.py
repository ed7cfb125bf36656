"""One connection on loan in its worker: the client's socket, and what is known of the client."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING, NamedTuple

from prefork.worker.http import given_client

if TYPE_CHECKING:
    import socket

    from prefork.http.repertoire import Recurring
    from prefork.worker.known import Known

SELECTABLE = 1024  # descriptors below it are known to select(2): FD_SETSIZE
FEW = 256  # a loan whose descriptor is below it leaves its application enough of those


class Loan(NamedTuple):
    """A client's socket, the addresses at its ends, and the heads that are known of such a client: a proxy's say more."""

    client: socket.SocketType
    peer: tuple[str, int]
    local: tuple[str, int]
    heads: Recurring[Known]


def out_of_the_way(client: socket.SocketType) -> socket.SocketType:
    """A client's socket under a number that select(2) does not know, where this process may have such: the application's own files
    and sockets get the lowest that are free.
    """
    try:
        number = fcntl.fcntl(client, fcntl.F_DUPFD_CLOEXEC, SELECTABLE)
    except OSError:  # RLIMIT_NOFILE
        return client
    client.close()
    return given_client(number)
