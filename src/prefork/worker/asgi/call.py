"""One call of an ASGI application for one request: what its `receive` and `send` do (ASGI's HTTP protocol 2.4).

Writing waits where the client does not read, never the loop. It ends with the answer: what the application does afterwards is its
place's to know.
"""

from __future__ import annotations

import asyncio
import functools
import os
from typing import TYPE_CHECKING, Any, Callable

from prefork.worker.asgi.upload import CutShort
from prefork.worker.offload import Offloading, close

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeVar

    from prefork.files import Opened
    from prefork.messages import Request
    from prefork.worker.asgi.backlog import Backlog
    from prefork.worker.asgi.upload import Upload
    from prefork.worker.reply import Reply

    Event = dict[str, Any]
    Opening = TypeVar("Opening")

BLOCK = 1 << 16  # bytes of a large body that the application gets at a time
TURN = 1 << 20  # bytes of a stream after which others have their turn, however fast its client reads


class ClientGone(OSError):
    """What is sent, nobody gets."""

    def __init__(self) -> None:
        super().__init__("the client has left before it had the whole answer")


def is_of_leaving(error: BaseException | None) -> bool:
    """Whether an exception comes from that the client has left, whatever frameworks have made of it."""
    if error is None or isinstance(error, ClientGone):
        return error is not None
    grouped: tuple[BaseException, ...] = getattr(error, "exceptions", ())  # of an ExceptionGroup, which not every Python has
    return any(map(is_of_leaving, grouped)) or is_of_leaving(error.__cause__ or error.__context__)


async def in_thread(opens: Callable[[], Opening], close: Callable[[Opening], None]) -> Opening:
    """What is opened, by a thread: a disk may hang. Raises OSError.

    Who waits for it may be told to end, and the thread is not: what it opens then is nobody's.
    """
    opening = asyncio.get_running_loop().run_in_executor(None, opens)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(functools.partial(discard, close))
        raise


def discard(close: Callable[[Opening], None], opening: asyncio.Future[Opening]) -> None:
    """Close what was opened for nobody."""
    if not opening.cancelled() and opening.exception() is None:
        close(opening.result())


def too_late(kind: str) -> RuntimeError:
    """What is raised out of an event whose answer has ended before its file was open."""
    return RuntimeError(f"the application sent {kind}, and its answer has ended before the file was open")


class Call:
    """`file` is a descriptor of a body that did not come with the request (-1: none); it is closed with the call. `upload` is one
    that is still coming.

    `answered` is called when the application has sent the last of its answer.
    """

    __slots__ = (
        "answered", "closed", "complete", "cut", "due", "expired", "file", "given", "left", "offset", "over", "pushes", "reply",
        "request", "rest", "started", "upload", "yielded",
    )  # fmt: skip

    def __init__(self, request: Request, file: int, reply: Reply, rest: Backlog, answered: Callable[[], None]) -> None:
        self.request = request
        self.file = file
        self.reply = reply
        self.rest = rest
        self.answered = answered
        self.started: tuple[int, tuple[Any, ...]] | None = None  # status and headers
        self.complete = False  # the application has sent its whole answer
        self.closed = False  # its client has been let go
        self.left = False  # the client has closed its side, so that it probably reads no more
        self.expired = False  # it has taken too long and has been told to end
        self.offset = 0
        self.due = 0  # bytes that it has announced and yet to say, of a body that is never sent
        self.yielded = 0  # bytes that were sent when others had their turn last
        self.pushes = False  # as soon as the loop turns
        self.upload: Upload | None = None
        self.cut = 0  # what the client is told where no more of its body will come
        self.given = False  # the application has got the whole body
        self.over: asyncio.Event | None = None  # somebody waits for the end

    # What the application is told.

    async def receive(self) -> Event:
        """The next part of the body; behind its last one, that the client has left or has its answer."""
        if self.upload and not self.given:
            return await self._part(self.upload)
        if not self.given:
            return self._body()
        if not self.left and not self.complete:
            self.over = self.over or asyncio.Event()
            await self.over.wait()
        return {"type": "http.disconnect"}

    def _body(self) -> Event:
        if self.file < 0:
            self.given = True
            return {"type": "http.request", "body": self.request.body or b"", "more_body": False}
        part = os.pread(self.file, BLOCK, self.offset)  # by offset: another worker may have read from it and died
        self.offset += len(part)
        self.given = not part or self.offset >= self.request.length
        return {"type": "http.request", "body": part, "more_body": not self.given}

    async def _part(self, upload: Upload) -> Event:
        if upload.expects:
            upload.expects = False
            self.reply.invite()
        try:
            part = await upload.part()
        except CutShort as short:
            self.given = True
            self.cut = short.status
            self.leave()
            return {"type": "http.disconnect"}
        if self.given:  # somebody has ended the answer meanwhile, and the body with it
            return {"type": "http.disconnect"}
        self.given = upload.ended
        return {"type": "http.request", "body": part, "more_body": not self.given}

    def skip_rest(self) -> None:
        """Nobody wants what is left of the body. The next request can be read only where nothing is."""
        if self.upload:
            self.given = True
            if not self.upload.skim():
                self.reply.end_connection()

    def leave(self) -> None:
        """The client has left, or closed its side."""
        self.left = True
        if self.over:
            self.over.set()

    # What the application says.

    async def send(self, event: Event) -> None:
        """Take one event. Raises RuntimeError for one out of turn, ValueError for what may not be sent, ClientGone."""
        kind = event["type"]
        if self.complete:
            raise RuntimeError(f"the application sent {kind} after the end of its answer")
        if self.cut:
            raise ClientGone
        if kind == "http.response.start":
            self._start(event)
        elif kind == "http.response.body":
            if isinstance(self.reply, Offloading) and self.started and not self.reply.begun:
                await self._seek_file(self.reply, self.started[1])
            more = bool(event.get("more_body", False))
            wanted = self._write(event.get("body", b""), more)
            if more and (self.rest.unsaid or self.reply.sent - self.yielded > TURN):
                await self._pace()
            self._look_at_client(wanted or not more)
        elif kind == "http.response.pathsend":
            await self._write_file(event["path"])
            self._look_at_client(wanted=True)
        elif kind == "http.response.early_hint":
            self.reply.hint([bytes(link) for link in event.get("links", ())])
        else:
            raise RuntimeError(f"the application sent {kind}, which is no event of an answer")

    def _start(self, event: Event) -> None:
        if self.started:
            raise RuntimeError("the application sent http.response.start twice")
        if event.get("trailers"):
            raise RuntimeError("trailers are not supported: there is no http.response.trailers in this scope's extensions")
        self.started = int(event["status"]), tuple(event.get("headers", ()))

    def _begin(self, length: int | None) -> None:
        """Have status and headers go with the first part of the body."""
        if not self.started:
            raise RuntimeError("the application sent a body before http.response.start")
        self.reply.begin(*self.started, length)
        if self.reply.left == 0:
            self.due = next((int(value) for name, value in self.started[1] if name.lower() == b"content-length"), 0)
        self.reply.unread = self.upload is not None and not self.upload.ended

    def _write(self, data: bytes, more: bool) -> bool:
        """Send a part of the body; whether the client gets all of it."""
        data = data if type(data) is bytes else bytes(data)  # which nobody writes into while it is held
        if self.upload and not more:
            self.skip_rest()
        if not self.reply.begun:
            self._begin(None if more else len(data))
        wanted = self.reply.left is None or len(data) <= (self.reply.left or self.due)
        self.due = max(0, self.due - len(data))
        self.rest.whole = not more
        self.reply.write(data)
        if not more:
            self._complete()
        elif self.reply.held and not self.pushes:
            self.pushes = True
            self.rest.loop.call_soon(self._push)
        return wanted

    def _push(self) -> None:
        """The application waits for something: what it has written is not to wait with it."""
        self.pushes = False
        self.reply.push()

    async def _write_file(self, path: str) -> None:
        """Send a file as the whole body. Where its disk hangs, only this request waits."""
        descriptor = await in_thread(functools.partial(os.open, path, os.O_RDONLY | os.O_CLOEXEC), os.close)
        try:
            if self.complete:  # meanwhile, and its place may have another request
                raise too_late("http.response.pathsend")
            size = os.fstat(descriptor).st_size
            self.skip_rest()
            if not self.reply.begun:
                self._begin(size)
            self.reply.write_file(descriptor, 0, size)
        finally:
            os.close(descriptor)
        self._complete()

    async def _seek_file(self, reply: Offloading, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Open the file that headers name, if any, as patiently."""
        named = reply.named_by(headers)
        if named is None:
            return
        try:
            found: Opened | OSError = await in_thread(named, close)
        except OSError as error:
            found = error
        if self.complete:
            if not isinstance(found, OSError):
                close(found)
            raise too_late("http.response.body")
        reply.found = found

    def _complete(self) -> None:
        self.reply.finish()
        self.complete = True
        self.answered()
        if self.over:
            self.over.set()

    async def _pace(self) -> None:
        """Wait for a client that reads slowly; let others have their turn before one that reads fast."""
        if self.rest.unsaid:
            await self.rest.drained()
        else:
            self.yielded = self.reply.sent
            await asyncio.sleep(0)

    def _look_at_client(self, wanted: bool) -> None:
        # Nothing is wanted beyond the announced length, or of a body for HEAD without one, and there may be no end to it. Who has
        # sent all of that length has yet to say so, and to do what comes behind it.
        if self.reply.gone or not wanted:
            self.leave()
            raise ClientGone

    def returned(self) -> None:
        """The application has done. Raises RuntimeError where its client still waits for the end of its answer, ClientGone."""
        if not self.complete and self.cut:
            raise ClientGone
        if not self.complete and not self.left:
            raise RuntimeError("the application returned before the end of its answer")

    def close(self) -> None:
        """The answer has ended, whatever the application still does."""
        self.closed = self.complete = True
        self.reply.push()
        if self.over:
            self.over.set()
        if self.upload:
            self.upload.close()
            self.given = True
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
            self.given = True
