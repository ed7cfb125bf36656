"""A way to a database that a test can cut, anywhere, and lead elsewhere. It lives in the test's event loop."""

import asyncio
import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator


class Relay:
    """Listens at `port` and leads to `upstream`. Each new connection takes the next of `cuts`: so many bytes of answers pass."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.cuts: Iterator[int] = iter(())
        self.open = True
        self.writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """End every connection."""
        for writer in self.writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            writer.transport.abort()
            return
        answers, questions = await asyncio.open_connection("127.0.0.1", self.upstream)
        both = {writer, questions}
        self.writers |= both
        try:
            await asyncio.gather(self._pass(reader, questions, both), self._pass(answers, writer, both, next(self.cuts, None)))
        finally:
            self.writers -= both

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, both: set[asyncio.StreamWriter], most: int | None = None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data if most is None else data[:most])
                await writer.drain()
                if most is not None and (most := most - len(data)) <= 0:
                    break
        for each in both:
            each.close()
