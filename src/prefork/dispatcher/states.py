"""What a connection can wait for, and what can follow: any other transition is a fault. What its socket is watched for."""

from __future__ import annotations

import select
from enum import Enum, auto


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


S = State
READING = frozenset((S.IDLE, S.HEAD, S.BODY))
ANSWERING = frozenset((S.SERVED, S.FLUSHING))
UNWATCHED = frozenset((S.QUEUED, S.SERVED, S.CLOSED))  # what a new client does is not waited for in these
UNSERVED = frozenset((S.HEAD, S.BODY, S.QUEUED))  # a request has begun, and no worker has it
TRANSITIONS: dict[State, frozenset[State]] = {
    S.IDLE: frozenset((S.LENT, S.HEAD, S.BODY, S.QUEUED, S.HANDED, S.SERVED, S.FLUSHING, S.CLOSED)),
    S.HEAD: frozenset((S.BODY, S.QUEUED, S.HANDED, S.SERVED, S.IDLE, S.FLUSHING, S.LINGERING, S.CLOSED)),
    S.BODY: frozenset((S.QUEUED, S.HANDED, S.SERVED, S.IDLE, S.FLUSHING, S.LINGERING, S.CLOSED)),
    S.QUEUED: frozenset((S.SERVED, S.IDLE, S.FLUSHING, S.LINGERING, S.CLOSED)),
    S.HANDED: frozenset((S.QUEUED, S.SERVED, S.IDLE, S.FLUSHING, S.LINGERING, S.CLOSED)),
    S.SERVED: frozenset((S.QUEUED, S.SERVED, S.IDLE, S.FLUSHING, S.LINGERING, S.CLOSED)),
    S.LENT: frozenset((S.IDLE, S.SERVED, S.LINGERING, S.CLOSED)),
    S.FLUSHING: frozenset((S.IDLE, S.LINGERING, S.CLOSED)),
    S.LINGERING: frozenset((S.CLOSED,)),
    S.CLOSED: frozenset(),
}

WATCHED = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
WRITABLE = WATCHED | select.EPOLLOUT
LEAVING = select.EPOLLRDHUP | select.EPOLLET  # while a worker reads
ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
