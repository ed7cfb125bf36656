"""Keeps files under the SHA-256 of what is in them, on a disk or on a mount that nodes share, and sends them.

The same content is kept once. A file is there whole or not at all, and never changes, so it can be cached for ever. What nobody
refers to any more is collected; nothing else removes a file. Runs inside the application's interpreter: standard library only.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import quote

from prefork import given
from prefork.fanout import SHELVES, Fanout, remove, stamp, write_all
from prefork.files import content_type
from prefork.http.conditions import File, choose, described
from prefork.http.framing import reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Callable

KEY = re.compile(r"[0-9a-f]{64}")
BLOCK = 1 << 18  # bytes
DAY = 86400.0
INLINE = re.compile(r"image/(?!svg)[\w.+-]+|audio/[\w.+-]+|video/[\w.+-]+|application/pdf|text/plain")
CONDITIONS = {"HTTP_" + name.upper().replace("-", "_"): name.encode() for name in
              ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since", "if-range", "range")}  # fmt: skip
INSTEAD = "name the directory yourself: prefork.filestore.Filestore(directory)"


class Readable(Protocol):
    """What can be read in blocks: an open file, `wsgi.input`, an upload."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""


class Damaged(Exception):
    """A file is not what its key says; the sentence names it."""


class TooLarge(ValueError):
    """There was more to keep than is allowed; nothing has been kept."""


class Answer(NamedTuple):
    """A file as an answer of a WSGI application, or as what a framework makes one of."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes]


class Filestore:
    """The files below a directory, which all nodes may share.

    With `accel`, a prefix of URLs, answers name the file in X-Accel-Redirect: for a proxy that has the same mount, or for Prefork
    itself (`accel_redirects = /files=DIRECTORY`). Without it the file is handed to the server.
    """

    def __init__(self, directory: str | os.PathLike[str], accel: str | None = None) -> None:
        # Readable for the group: a proxy that sends the files is another account.
        self.files = Fanout(os.fspath(directory), 0o640)
        self.accel = accel.rstrip("/") if accel is not None else None

    def put(self, stream: Readable, limit: int | None = None) -> str:
        """Keep what can be read and give its key; it is on the disk then. Raises TooLarge above `limit` bytes, OSError."""
        # The key is known at the end only, so it is written where all the drafts are.
        with self.files.draft(SHELVES[0]) as (descriptor, path):
            key = copy(stream, descriptor, limit)
            os.fsync(descriptor)
            self._place(key, path)
        return key

    def open(self, key: str, verify: bool = False) -> IO[bytes]:
        """The file, for reading; with `verify` it is read once before. Raises FileNotFoundError, ValueError, Damaged."""
        if verify and not self.verify(key):
            raise Damaged(f"{self.path(key)} is not what it was: its content has another SHA-256; restore it from a copy")
        return open(self.path(key), "rb")

    def path(self, key: str) -> str:
        """Where a file lies, whether it exists or not. Raises ValueError for what is no key."""
        if not KEY.fullmatch(key):
            raise ValueError(f"{key[:80]!r} is no key of a file: that is a SHA-256 of 64 hexadecimal digits")
        return self.files.place(key)

    def verify(self, key: str) -> bool:
        """Whether a file is what it was when it was put in. Raises FileNotFoundError, ValueError."""
        with self.open(key) as file:
            return copy(file) == key

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and KEY.fullmatch(key) is not None and os.path.exists(self.files.place(key))

    def __iter__(self) -> Iterator[str]:
        for shelf in SHELVES:
            yield from (entry.name for entry in self.files.listed(shelf) if KEY.fullmatch(entry.name))

    def collect(self, used: Iterable[str], older_than: float = DAY) -> int:
        """Remove the files whose keys are not among the `used` ones, and that nobody has put in for so many seconds.

        `older_than` has to be longer than it takes from a `put` to the commit of what refers to it. Says how many were removed.
        """
        oldest = self.files.now(SHELVES[0]) - older_than  # before it is asked what is used
        kept = frozenset(used)
        return sum(self._drop(key, oldest) for key in self if key not in kept and stamp(self.files.place(key)) < oldest)

    def answer(
        self,
        environ: dict[str, Any],
        key: str,
        name: str | None = None,
        type: str | None = None,  # noqa: A002 - what HTTP calls it
        inline: bool = False,
        max_age: int | None = None,
    ) -> Answer:
        """The answer to a request for a file: conditions and ranges are seen to. Raises FileNotFoundError, ValueError.

        `name` is what the browser saves it as, and says the type where none is given. Only with `inline`, and only types that
        run nothing, are shown in the browser. With `max_age` (seconds) caches may keep it.
        """
        path = self.path(key)
        kind = type or content_type(name or "").decode()
        headers = [
            ("Content-Type", kind),
            ("Content-Disposition", disposition(name, inline and INLINE.match(kind) is not None)),
            ("X-Content-Type-Options", "nosniff"),
        ]
        if max_age is not None:
            headers.append(("Cache-Control", f"private, max-age={max_age}, immutable"))
        if self.accel is not None:
            if not os.path.exists(path):
                raise FileNotFoundError(path)
            named = [("ETag", f'"{key}"'), ("X-Accel-Redirect", f"{self.accel}/{key[:2]}/{key}")]
            return Answer("200 OK", [*headers, *named], [])
        return self._sent(environ, key, headers)

    def send(self, environ: dict[str, Any], start_response: Callable[..., Any], key: str, **more: Any) -> Iterable[bytes]:
        """A file as the answer of a WSGI application; the keywords are those of `answer`."""
        answer = self.answer(environ, key, **more)
        start_response(answer.status, answer.headers)
        return answer.body

    def _place(self, key: str, draft: str) -> None:
        place = self.files.place(key)
        with self.files.locked(key):
            if os.path.exists(place):
                os.utime(place)  # nobody collects it now
                return
            os.rename(draft, place)
            flush(os.path.dirname(place))

    def _drop(self, key: str, oldest: float) -> bool:
        """Remove a file unless it has just been put in once more."""
        with self.files.locked(key):
            place = self.files.place(key)
            return stamp(place) < oldest and remove(place)

    def _sent(self, environ: dict[str, Any], key: str, headers: list[tuple[str, str]]) -> Answer:
        file = self.open(key)
        status = os.fstat(file.fileno())
        about = File(b'"%b"' % key.encode(), int(status.st_mtime), status.st_size)
        asked = [(name, environ[variable].encode("latin-1")) for variable, name in CONDITIONS.items() if variable in environ]
        part = choose(environ["REQUEST_METHOD"], asked, about)
        headers += [(name.decode(), value.decode()) for name, value in described(about, part)]
        line = f"{part.status} {reason(part.status)}"
        if part.status not in {200, 206}:
            file.close()
            # A 304 says nothing of what it does not send, as PEP 3333's validator wants it.
            said = headers[1:] if part.status == 304 else [*headers, ("Content-Length", "0")]
            return Answer(line, said, [])
        file.seek(part.offset)
        body = Span(file, part.length)
        wrapper = environ.get("wsgi.file_wrapper")
        # A server that takes files sends no more than Content-Length says; for others we stop by ourselves.
        return Answer(line, [*headers, ("Content-Length", str(part.length))], wrapper(file, BLOCK) if wrapper else body)


class Span:
    """So many bytes of a file from where it stands, in blocks."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self.file = file
        self.left = length

    def __iter__(self) -> Iterator[bytes]:
        while self.left and (data := self.file.read(min(BLOCK, self.left))):
            self.left -= len(data)
            yield data

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def configured() -> Filestore:
    """The filestore of the server's configuration, option `filestore`. Raises NotGiven outside of a server."""
    return Filestore(given.to("filestore", INSTEAD)["directory"])


def collect(used: Iterable[str], older_than: float = DAY) -> int:
    """`Filestore.collect` of the configured one: what the job calls that knows which keys are used."""
    return configured().collect(used, older_than)


def copy(stream: Readable, target: int | None = None, limit: int | None = None) -> str:
    """The key of what can be read, which is written to a descriptor. Raises TooLarge."""
    digest, size = hashlib.sha256(), 0
    while data := stream.read(BLOCK):
        size += len(data)
        if limit is not None and size > limit:
            raise TooLarge(f"the file has more than {limit} bytes")
        digest.update(data)
        if target is not None:
            write_all(target, data)
    return digest.hexdigest()


def flush(directory: str) -> None:
    """Have a directory on the disk as it is. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disposition(name: str | None, inline: bool) -> str:
    """A Content-Disposition with a name in any language (RFC 6266), and nothing that could end the header."""
    kind = "inline" if inline else "attachment"
    if name is None:
        return kind
    name = "".join(c for c in name.replace("\\", "/").rpartition("/")[2] if c.isprintable()).strip()
    plain = "".join(c if c.isascii() and c not in '"%' else "_" for c in name)
    words = f'{kind}; filename="{plain}"'
    # Python's quote leaves what RFC 5987 leaves, and ~ too, which is fine.
    return words if plain == name else f"{words}; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
