"""Answers whose body is a file that the application only names: X-Sendfile and X-Accel-Redirect.

Where the options for it are set, these headers are ours: they are taken out, and the dispatcher sends the file, with an entity tag,
conditions and ranges. Where they are not set the headers pass, for a proxy that knows them.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.files import Opened, Places, absent, content_type, open_below
from prefork.http.conditions import File, Part, choose, described, moment
from prefork.http.framing import reason
from prefork.http.pages import page
from prefork.messages import INLINE
from prefork.worker.heads import status_line
from prefork.worker.output import complain
from prefork.worker.reply import Reply

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from typing import Callable

    from prefork.messages import Request
    from prefork.scoreboard import Slot
    from prefork.worker.rest import Rest

SENDFILE, ACCEL = "x-sendfile", "x-accel-redirect"
OURS = ("x-accel-", SENDFILE, "content-length", "content-range")


class Offload:
    """Which files may be named: with X-Sendfile those below `roots`, with X-Accel-Redirect those behind `places`."""

    def __init__(self, roots: tuple[str, ...], places: tuple[tuple[str, str], ...]) -> None:
        self.roots = roots
        self.places = Places(places) if places else None

    def named(self, headers: list[tuple[str, str]]) -> tuple[str, str] | None:
        """The header (lower case) and its value, if an answer names a file. X-Accel-Redirect counts before X-Sendfile."""
        found = {name.lower(): value for name, value in headers if len(name) in {len(SENDFILE), len(ACCEL)}}
        if self.places and ACCEL in found:
            return ACCEL, found[ACCEL]
        return (SENDFILE, found[SENDFILE]) if self.roots and SENDFILE in found else None

    def open(self, header: str, value: str) -> Opened:
        """The file that a header names. Raises OSError, PermissionError when it is not below any directory that was declared."""
        if header == ACCEL:
            assert self.places
            place = self.places.find(value.encode("latin-1").partition(b"?")[0])
            if place is None or place[1] is None:
                raise PermissionError(f"{value} has no place in accel_redirects")
            return open_below(place[0], place[1])
        path = os.fsdecode(value.encode("latin-1"))
        for root in self.roots:
            try:
                return open_below(root, path)
            except PermissionError:
                pass
        raise PermissionError(f"{value} is not below sendfile_roots, or may not be read")


class Offloading(Reply):
    """A reply that looks whether the application names a file."""

    __slots__ = ("file", "found", "named", "offload", "part", "sorry")

    def __init__(self, request: Request, client: socket.SocketType, rest: Rest, slot: Slot, offload: Offload) -> None:
        super().__init__(request, client, rest, slot)
        self.offload = offload
        self.named = False  # a file is what the answer is about
        self.file: Opened | None = None
        self.found: Opened | OSError | None = None  # by who has sought it before the answer begins
        self.part = Part(200, 0, 0)
        self.sorry = b""  # the page that is sent instead of a file that cannot be had

    def named_by(self, headers: Iterable[tuple[bytes, bytes]]) -> Callable[[], Opened] | None:
        """What opens the file that headers name, and reads what is to be copied of it, where disks may hang; None without one."""
        named = self.offload.named([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])
        return partial(self._seek, *named) if named else None

    def _seek(self, header: str, value: str) -> Opened:
        found = self.offload.open(header, value)
        if found.about.size <= INLINE:
            os.pread(found.descriptor, INLINE, 0)
        return found

    def begin(self, status: str | int, headers: Iterable[tuple[Any, Any]], length: int | None = None) -> None:
        """As any reply, unless the headers name a file."""
        self._let_go()
        if isinstance(status, int):
            status = status_line(status).decode()
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        said = list(headers)
        named = self.offload.named(said)
        self.named = named is not None
        if named is None:
            super().begin(status, said, length)
            return
        try:
            found, self.found = self.found, None
            if isinstance(found, OSError):
                raise found
            self.file = found or self.offload.open(*named)
        except OSError as error:
            complain(f"prefork: {named[0]} cannot be sent to {ascii(self.request.target)[2:-1]}: {error}\n")
            self._begin_page(404 if absent(error) else 503)
            return
        kept = [(name, value) for name, value in said if not name.lower().startswith(OURS)]
        self._begin_file(status, kept, named[1])

    def _begin_page(self, status: int) -> None:
        """Begin a page of ours instead of a file that cannot be had."""
        accept = next((value for name, value in self.request.headers if name == b"accept"), b"")
        kind, self.sorry = page(status, self.request.request_id, accept)
        super().begin(f"{status} {reason(status)}", [("Content-Type", kind.decode())], len(self.sorry))

    def _begin_file(self, status: str, headers: list[tuple[str, str]], name: str) -> None:
        assert self.file
        said = {key.lower(): value.encode("latin-1") for key, value in headers}
        about = self.file.about
        modified = moment(said["last-modified"]) if "last-modified" in said else None
        about = File(said.get("etag", about.tag), about.modified if modified is None else modified, about.size)
        whole = Part(int(status[:3]), 0, about.size)
        self.part = choose(self.request.method, self.request.headers, about) if status.startswith("200") else whole
        added = [(key.decode(), value.decode()) for key, value in described(about, self.part) if key.decode().lower() not in said]
        if "content-type" not in said:
            added.append(("Content-Type", content_type(name).decode()))
        line = status if self.part.status == whole.status else f"{self.part.status} {reason(self.part.status)}"
        super().begin(line, [*headers, *added], self.part.length)

    def write(self, data: bytes) -> None:
        """As any reply; of what the application says beside a file nothing is sent."""
        if self.file:
            file, self.file = self.file, None
            self.sorry = b""
            try:
                self._write_file(file)
            finally:
                close(file)
        elif self.sorry:
            page, self.sorry = self.sorry, b""
            super().write(page)
        else:
            super().write(data)

    def _exceed(self) -> None:
        if not self.named:
            super()._exceed()

    def write_file(self, descriptor: int, offset: int, count: int) -> None:
        """As any reply; a file that is handed over counts less than one that is named."""
        if self.file or self.sorry:
            self.write(b"")
        else:
            super().write_file(descriptor, offset, count)

    def _write_file(self, file: Opened) -> None:
        if self.part.length and self.request.method != "HEAD":
            super().write_file(file.descriptor, self.part.offset, self.part.length)
        else:
            super().write(b"")

    def close(self) -> None:
        """Let go of a file that nobody has asked for."""
        self._let_go()
        if isinstance(self.found, Opened):
            close(self.found)
            self.found = None
        super().close()

    def _let_go(self) -> None:
        if self.file:
            close(self.file)
            self.file = None
        self.sorry = b""


def close(file: Opened) -> None:
    """Let go of a file."""
    os.close(file.descriptor)
