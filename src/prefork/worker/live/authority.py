"""Asks the application which channels a client may hear. In threads: its code may wait for a database, the loop must not."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from prefork.messages import unpack_handover
from prefork.worker.hosts.wsgi import environ
from prefork.worker.output import complain
from prefork.worker.traces import trace

if TYPE_CHECKING:
    import asyncio
    from typing import Callable

THREADS = 4


class Denied(Exception):
    """The client may hear none of these channels; the sentence says why."""


class Authority:
    """`function(environ, channels)` is the application's: it returns those that may be heard, or True for all of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[[dict[str, Any], frozenset[str]], Any] | None) -> None:
        self.loop = loop
        self.function = function
        self.threads = ThreadPoolExecutor(THREADS, "authorize")

    def ask(self, handover: bytes, channels: frozenset[str]) -> asyncio.Future[frozenset[str]]:
        """Which of the channels may be heard, by the request that a client came with; the future may raise Denied."""
        future = self.loop.run_in_executor(self.threads, self._ask, handover, channels)
        future.add_done_callback(lambda said: said.exception())  # or asyncio complains, where the client has left meanwhile
        return future

    def _ask(self, handover: bytes, channels: frozenset[str]) -> frozenset[str]:
        if self.function is None:
            raise Denied("nobody may subscribe as long as websocket_authorize names no function that says who may")
        request = unpack_handover(handover).request
        try:
            said = self.function(environ(request, io.BytesIO(request.body or b"")), channels)
            allowed = channels if said is True else channels.intersection(said or ())
        except Exception as error:  # noqa: BLE001 - whatever the application raises is no permission
            complain(f"prefork: websocket_authorize ({request.request_id}) raised in worker {os.getpid()}:\n{trace(error)}")
            raise Denied("the application could not say whether this is allowed") from None
        if channels and not allowed:
            raise Denied("the application does not allow it: the session may have ended")
        return allowed
