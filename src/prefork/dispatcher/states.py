"""What a connection can wait for, and what can follow: any other transition is a fault. What its socket is watched for."""

from __future__ import annotations

import select
from enum import Enum, auto
from typing import Final


class State(Enum):
    """What a connection waits for."""

    IDLE = auto()  # the first byte of a request
    HEAD = auto()  # the rest of a head, which most often comes in one piece
    BODY = auto()  # the rest of a body
    QUEUED = auto()  # an idle worker
    HANDED = auto()  # a websocket worker to take it over
    SERVED = auto()  # the worker that has its request
    LENT = auto()  # its worker to say something of it, which reads it meanwhile
    FLUSHING = auto()  # the client to read its answer
    LINGERING = auto()  # the client to notice that it was refused
    CLOSED = auto()

    __hash__ = object.__hash__  # Enum's own is written in Python, and a request asks for it ten times


# A name of the module is looked up in a third of the time that a member of an Enum takes.
IDLE: Final = State.IDLE
HEAD: Final = State.HEAD
BODY: Final = State.BODY
QUEUED: Final = State.QUEUED
HANDED: Final = State.HANDED
SERVED: Final = State.SERVED
LENT: Final = State.LENT
FLUSHING: Final = State.FLUSHING
LINGERING: Final = State.LINGERING
CLOSED: Final = State.CLOSED

READING: Final = frozenset((IDLE, HEAD, BODY))
ANSWERING: Final = frozenset((SERVED, FLUSHING))
UNWATCHED: Final = frozenset((QUEUED, SERVED, LENT, CLOSED))  # what a new client does is not waited for in these
UNSERVED: Final = frozenset((HEAD, BODY, QUEUED))  # a request has begun, and no worker has it
TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    IDLE: frozenset((LENT, HEAD, BODY, QUEUED, HANDED, SERVED, FLUSHING, CLOSED)),
    HEAD: frozenset((BODY, QUEUED, HANDED, SERVED, IDLE, FLUSHING, LINGERING, CLOSED)),
    BODY: frozenset((QUEUED, HANDED, SERVED, IDLE, FLUSHING, LINGERING, CLOSED)),
    QUEUED: frozenset((SERVED, IDLE, FLUSHING, LINGERING, CLOSED)),
    HANDED: frozenset((QUEUED, SERVED, IDLE, FLUSHING, LINGERING, CLOSED)),
    SERVED: frozenset((QUEUED, SERVED, IDLE, FLUSHING, LINGERING, CLOSED)),
    LENT: frozenset((IDLE, SERVED, LINGERING, CLOSED)),
    FLUSHING: frozenset((IDLE, LINGERING, CLOSED)),
    LINGERING: frozenset((CLOSED,)),
    CLOSED: frozenset(),
}

WATCHED: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
WRITABLE: Final = WATCHED | select.EPOLLOUT
LEAVING: Final = select.EPOLLRDHUP | select.EPOLLET  # while a worker reads
ENDED: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
