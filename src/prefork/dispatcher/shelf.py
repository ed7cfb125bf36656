"""Static files for requests, on the loop's side: which requests they answer, and the way through a thread and back.

What may wait for a disk is `static`'s; no call here does.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from prefork.dispatcher.outbox import Extent
from prefork.dispatcher.replies import failure, file_head
from prefork.dispatcher.states import State
from prefork.dispatcher.static import Found, find
from prefork.files import Places

if TYPE_CHECKING:
    from prefork.dispatcher.answers import Answers
    from prefork.dispatcher.disk import Disk
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.options import Options


class Shelf:
    """The directories of `static`. A request for one of their files needs no worker."""

    def __init__(self, options: Options, disk: Disk, answers: Answers) -> None:
        self.disk = disk
        self.answers = answers
        self.apply(options)

    def apply(self, options: Options) -> None:
        """Use these settings from now on."""
        self.places = Places(options.static)
        self.timeout = options.body_timeout

    def serve(self, exchange: Exchange) -> bool:
        """Take a request if it is for a file."""
        place = self.places.find(exchange.head.target.partition(b"?")[0])
        if place is None:
            return False
        directory, path = place
        exchange.discard()
        exchange.connection.to(State.SERVED, time.monotonic() + self.timeout)
        if self.disk.stalled(directory):
            self.answers.fail(exchange, 503, f"the disk of {directory} hangs", worker="-")
        else:
            job, then = partial(find, directory, path, exchange.head), partial(self._found, exchange)
            exchange.connection.send_on_errand(self.disk, job, then, directory)
        return True

    def _found(self, exchange: Exchange, outcome: Found | int | Exception) -> None:
        """A thread has looked for the file."""
        head, keep = exchange.head, self.answers.keep(exchange)
        if exchange.connection.state is State.CLOSED:
            if isinstance(outcome, Found) and isinstance(outcome.body, Extent):
                self.disk.close(outcome.body.descriptor)
            return
        if isinstance(outcome, OSError):
            self.answers.fail(exchange, 503, f"the file could not be read: {outcome.strerror}", worker="-")
        elif isinstance(outcome, Exception):
            raise outcome
        elif isinstance(outcome, int):
            self.answers.give(exchange, outcome, failure(outcome, head, exchange.request_id, "", keep=keep))
        else:
            self.answers.give(exchange, outcome.part.status, file_head(outcome, exchange.request_id, keep=keep), outcome.body)
        exchange.connection.proceed()
