"""A session as the application sees it: a dictionary of JSON values that is read from the store at its first use.

What has changed is found by comparison, so a change inside a value counts too. It never writes to the store: `visit.py` does.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Callable

from prefork.sessions.record import Changes, compare, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator


class Session(MutableMapping[str, Any]):
    """`environ["prefork.session"]`. `fetch` gives the data that is kept, {} for a new session; it may raise Unavailable.

    Marks that frameworks set on their own sessions, such as `modified`, are borne and mean nothing.
    """

    def __init__(self, fetch: Callable[[], dict[str, Any]]) -> None:
        self._fetch = fetch
        self._before: dict[str, str] = {}
        self._data: dict[str, Any] | None = None
        self.rotated = False
        self.cleared = False

    @property
    def opened(self) -> bool:
        """Whether the application has looked at it."""
        return self._data is not None

    def rotate(self) -> None:
        """Go on under a new id, for a full lifetime: to be called when a visitor has logged in, so that nobody who knows the old id
        is logged in with him."""  # fmt: skip
        self._read()
        self.rotated = True

    def clear(self) -> None:
        """Take everything out and end this session; what is put in afterwards is in a new one. To be called at a logout."""
        self._read().clear()
        self.cleared = True

    def changes(self) -> Changes:
        """What has changed since it was read or kept. Raises TypeError with a sentence for what JSON has no word for."""
        data = self._read()
        return compare(self._before, snapshot(data), data)

    def data(self) -> dict[str, Any]:
        """Everything in it."""
        return self._read()

    def kept(self) -> None:
        """What is in it now is in the store."""
        self._before = snapshot(self._read())
        self.rotated = self.cleared = False

    def _read(self) -> dict[str, Any]:
        if self._data is None:
            found = self._fetch()
            self._before = snapshot(found)
            self._data = found
        return self._data

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"session[{key!r}] cannot be kept: a key must be text")
        self._read()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return f"<Session of {len(self._data)} keys>" if self._data is not None else "<Session, not read>"  # never what is in it
