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
    from collections.abc import Callable

    from prefork.dispatcher.answers import Answers
    from prefork.dispatcher.disk import Disk
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.options import Options


class Shelf:
    """The directories of `static` and those of Odoo's add-ons. A request for one of their files needs no worker.

    What is not in an add-on's directory may still be a page of Odoo's: `pass_on` gives it to a worker.
    """

    def __init__(self, options: Options, disk: Disk, answers: Answers, pass_on: Callable[[Exchange], None]) -> None:
        self.disk = disk
        self.answers = answers
        self.pass_on = pass_on
        self.apply(options)

    def apply(self, options: Options) -> None:
        """Use these settings from now on."""
        self.places = Places(options.static)
        self.addons = Places(options.addons)
        self.any = bool(options.static or options.addons)
        self.max_age = options.static_max_age
        self.timeout = options.body_timeout

    def has(self, target: bytes) -> bool:
        """Whether a request may be for a file."""
        path = target.partition(b"?")[0]
        return self.places.find(path) is not None or self.addons.find(path) is not None

    def serve(self, exchange: Exchange) -> bool:
        """Take a request if it is for a file."""
        target = exchange.head.target.partition(b"?")[0]
        place, addon = self.places.find(target), False
        if place is None and exchange.head.method in {"GET", "HEAD"}:
            place, addon = self.addons.find(target), True
        if place is None or (addon and place[1] is None):
            return False
        directory, path = place
        if not addon:
            exchange.discard()
        exchange.connection.to(State.SERVED, time.monotonic() + self.timeout)
        if self.disk.stalled(directory):
            self.answers.fail(exchange, 503, f"the disk of {directory} hangs", worker="-")
        else:
            job, then = partial(find, directory, path, exchange.head), partial(self._found, exchange, addon)
            exchange.connection.send_on_errand(self.disk, job, then, directory)
        return True

    def _found(self, exchange: Exchange, addon: bool, outcome: Found | int | Exception) -> None:
        """A thread has looked for the file."""
        head, keep = exchange.head, self.answers.keep(exchange)
        if exchange.connection.state is State.CLOSED:
            exchange.discard()
            if isinstance(outcome, Found) and isinstance(outcome.body, Extent):
                self.disk.close(outcome.body.descriptor)
            return
        if isinstance(outcome, OSError):
            self.answers.fail(exchange, 503, f"the file could not be read: {outcome.strerror}", worker="-")
        elif isinstance(outcome, Exception):
            raise outcome
        elif outcome == 404 and addon:
            self.pass_on(exchange)
        elif isinstance(outcome, int):
            self.answers.give(exchange, outcome, failure(outcome, head, exchange.request_id, "", keep=keep))
        else:
            start = file_head(outcome, exchange.request_id, self._more(outcome, addon), keep=keep)
            self.answers.give(exchange, outcome.part.status, start, outcome.body)
        exchange.connection.proceed()

    def _more(self, found: Found, addon: bool) -> list[tuple[bytes, bytes]]:
        """What the answer says of the file besides what is true of all files."""
        more = [(b"Cache-Control", b"public, max-age=%d" % self.max_age)] if self.max_age else []
        if addon and found.kind.startswith(b"image/"):
            more.append((b"Content-Security-Policy", b"default-src 'none'"))  # as Odoo says: a drawing may hold a script
        return more
