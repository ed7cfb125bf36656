"""The one epoll, and whom to call when something has happened to a descriptor.

A fault in a callback is contained here: it ends the connection that was looked after, and nothing else.
"""

from __future__ import annotations

import select
import traceback
from typing import TYPE_CHECKING

from prefork.dispatcher.connection import Connection
from prefork.events import FaultContained

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.journal import Journal

MOST_EVENTS = 512  # that are looked after before the clock is looked at


class Poller:
    """Callbacks by descriptor; each is called with the mask of what has happened."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.epoll = select.epoll()
        self.callbacks: dict[int, Callable[[int], None]] = {}
        self.first = -1  # the descriptor that is looked after before all others

    def watch(self, descriptor: int, callback: Callable[[int], None], mask: int) -> None:
        """Call back from now on."""
        self.callbacks[descriptor] = callback
        self.epoll.register(descriptor, mask)

    def change(self, descriptor: int, mask: int) -> None:
        """Call back for other things than before."""
        self.epoll.modify(descriptor, mask)

    def unwatch(self, descriptor: int) -> None:
        """Call back no more. To be said before the close: a copy in another process would keep the registration alive."""
        if self.callbacks.pop(descriptor, None) is not None:
            self.epoll.unregister(descriptor)

    def watches(self, descriptor: int) -> bool:
        """Whether it still calls back."""
        return descriptor in self.callbacks

    def poll(self, timeout: float) -> None:
        """Wait for something to happen, `timeout` seconds at the most, and call those concerned."""
        events = self.epoll.poll(timeout, MOST_EVENTS)
        for descriptor, mask in events:
            if descriptor == self.first:
                self.guard(self.callbacks[descriptor], mask)
        for descriptor, mask in events:
            callback = self.callbacks.get(descriptor) if descriptor != self.first else None
            if callback is not None:
                try:
                    callback(mask)
                except Exception:  # noqa: BLE001 - as in `guard`, without a call of its own for each event
                    self._contain(callback)

    def guard(self, callback: Callable[..., None], *arguments: object) -> None:
        """Call it and contain its faults."""
        try:
            callback(*arguments)
        except Exception:  # noqa: BLE001 - one connection's fault must not end the others
            self._contain(callback)

    def _contain(self, callback: Callable[..., None]) -> None:
        """Note the fault that is being handled, and give up the connection that it is about."""
        where = getattr(callback, "__qualname__", repr(callback))
        self.journal.note(FaultContained(where=where, traceback=traceback.format_exc()))
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, Connection):
            owner.abandon()
