"""A client's socket in its worker, and which descriptors it may have there."""

from __future__ import annotations

import fcntl
import os
import socket

STANDARD = 2  # the last descriptor of the standard streams
SELECTABLE = 1024  # descriptors below it are known to select(2): FD_SETSIZE


def given_client(descriptor: int) -> socket.SocketType:
    """The socket of a client."""
    # Family and type are given because finding them out costs two system calls; only send is ever called, so the class
    # of C will do, which is made in a third of the time.
    client = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM, 0, no_stream(descriptor))
    if client.gettimeout() is not None:  # as the pair's: a timeout would wait for a slow reader in spite of MSG_DONTWAIT
        client.settimeout(None)
    return client


def no_stream(descriptor: int) -> int:
    """The same under a number that is no standard stream's. Where an application has closed those, theirs are the next to be given,
    and what is printed, or complained of, would be part of an answer.
    """
    return descriptor if descriptor > STANDARD else _moved(descriptor, STANDARD + 1)


def out_of_the_way(client: socket.SocketType) -> socket.SocketType:
    """A client's socket under a number that select(2) does not know, where this process may have such: the application's own files
    and sockets get the lowest that are free.
    """
    return given_client(_moved(client.detach(), SELECTABLE))


def _moved(descriptor: int, least: int) -> int:
    """The same under a number from `least` on, where this process may have such."""
    try:
        number = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, least)
    except OSError:  # RLIMIT_NOFILE
        return descriptor
    os.close(descriptor)
    return number
