"""What is at hand for a request that takes the shortcut: what was made of its head when that came before, and of its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.http.repertoire import form_of
from prefork.lending import OLD_HTTP
from prefork.worker.heads import frame
from prefork.worker.hosts.wsgi import key_of
from prefork.worker.known import LONGEST_KNOWN

if TYPE_CHECKING:
    from prefork.worker.borrowing import Loan
    from prefork.worker.heads import Head
    from prefork.worker.known import Known


class Ready:
    """What is made of a head that is known: an environ to copy, the keys of what is filled in, which of that tells the client and
    the request's name, and what a receipt says of it. `said` is what was answered last, and `head` what was made of that.
    """

    __slots__ = (
        "asked", "chain", "environ", "flags", "head", "keep", "keys", "length", "method", "name", "said", "version",
    )  # fmt: skip

    def __init__(self, known: Known) -> None:
        head, memo = known.head, known.memo
        self.method, self.version, self.keep, self.length = head.method, head.version, head.keep, head.length
        self.asked, self.flags = known.asked, 0 if head.version == "1.1" else OLD_HTTP
        self.environ: dict[str, Any] = memo["environ"]
        self.keys = [key_of(known.headers[place][0]) if place in memo["blanks"] else None for place in known.places]
        self.chain, self.name = known.chain, known.name
        self.said: tuple[Any, ...] = ()
        self.head: Head

    def framed(self, status: Any, headers: tuple[Any, ...], length: int) -> Head:
        """The head of an answer. Raises TypeError and ValueError where there is none."""
        said = status, headers, length
        if said != self.said:
            self.head = frame(status, headers, length, self.method, self.version, self.keep)
            self.said = said
        return self.head


class End:
    """Both ends of a connection: its loan, the client's address, and an environ for the head that has come on it last."""

    __slots__ = ("client", "environ", "loan", "of_both", "ready")

    def __init__(self, loan: Loan) -> None:
        self.loan = loan
        self.client = loan.peer[0].encode()
        self.of_both = {
            "SERVER_NAME": loan.local[0],
            "SERVER_PORT": str(loan.local[1]),
            "REMOTE_ADDR": loan.peer[0],
            "REMOTE_PORT": str(loan.peer[1]),
        }
        self.ready: Ready | None = None
        self.environ: dict[str, Any] = {}

    def environ_for(self, ready: Ready) -> dict[str, Any]:
        """A new one, with all that is the same each time."""
        if ready is not self.ready:
            self.environ = {**ready.environ, **self.of_both}
            self.ready = ready
        return self.environ.copy()


def ready_for(loan: Loan, first: bytes) -> tuple[Ready | None, list[bytes]]:
    """What is made of a head, and what its blanks are filled in with; None where it goes the long way: for good, or the next time,
    which makes its environ.
    """
    values: list[bytes] = []
    known = loan.heads.kept.get(first)  # it is its own form where it has no blanks
    if known is None and len(first) <= LONGEST_KNOWN:
        form, values = form_of(first)
        known = loan.heads.kept.get(form)
    if known is None:
        return None, values
    ready: Ready | None = known.memo.get("shortcut")
    if ready is None and "environ" in known.memo and known.head.method != "HEAD":
        ready = known.memo["shortcut"] = Ready(known)
    return ready, values
