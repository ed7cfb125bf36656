"""Odoo's sessions in Redis or PostgreSQL, where `session_store` names one. Otherwise they are files, as Odoo has them.

How a key is made, when a session gets another one and what is in it stays Odoo's: of its own store only that is replaced which
touches a file. Where sessions cannot be reached, a request is answered 503: an empty one would look like a logout.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
import json
import os
import pickle
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Protocol

from prefork import given, sessions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prefork.sessions import Store

    Application = Callable[..., Any]

OWN = {"file", "memory"}  # with these Odoo keeps its own
# The first characters of a key, from 18 on of 84: by them Odoo ends a session, and other people may see them. In 19 several keys
# that begin alike are the same session for a while, so each has a field in one record.
IDENTIFIER = 42
KEY = "key:"
MARK = "odoo"  # a field that stays when the last session of a record goes: one without any would never be written again
SWEPT = 0.001  # of the requests up to 15, as Odoo does
DIGEST = hashlib.sha256
SORRY = "Sessions cannot be used at the moment. Nothing is lost; please try again soon.\n"
AGAIN = {"Retry-After": "5", "Cache-Control": "no-store"}


class Form(Protocol):
    """How the content of a session is written as text."""

    def write(self, content: dict[str, Any]) -> str:
        """The text."""

    def read(self, text: str) -> dict[str, Any] | None:
        """The content; None for what is none."""


class Words:
    """As JSON, like Odoo from 16 on."""

    def write(self, content: dict[str, Any]) -> str:
        """See `Form`."""
        return json.dumps(content)

    def read(self, text: str) -> dict[str, Any] | None:
        """See `Form`."""
        found: dict[str, Any] = json.loads(text)
        return found


class Pickles:
    """As Odoo up to 15, whose add-ons put anything into a session. To read one runs what it says, so each bears our signature."""

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        self.secrets = secrets

    def write(self, content: dict[str, Any]) -> str:
        """See `Form`."""
        made = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
        return base64.b64encode(self._signature(self.secrets[0], made) + made).decode()

    def read(self, text: str) -> dict[str, Any] | None:
        """See `Form`."""
        data = base64.b64decode(text)
        signature, made = data[: DIGEST().digest_size], data[DIGEST().digest_size :]
        if not any(hmac.compare_digest(self._signature(secret, made), signature) for secret in self.secrets):
            return None
        found: dict[str, Any] = pickle.loads(made)  # noqa: S301 - one of us has written it
        return found

    def _signature(self, secret: bytes, made: bytes) -> bytes:
        return hmac.new(secret, b"prefork.odoo.session:" + made, DIGEST).digest()


class Elsewhere:
    """Goes before Odoo's own store of sessions, whose methods use these. `place` keeps a session for `seconds` after a save."""

    place: Store
    seconds: float
    form: Form
    # Odoo's:
    is_valid_key: Callable[[str], bool]
    new: Callable[[], Any]
    session_class: Callable[..., Any]

    def get(self, sid: str) -> Any:
        """The session of a key; a new one, of another key, where there is none."""
        content = self._load(sid) if self.is_valid_key(sid) else None
        return self.new() if content is None else self.session_class(content, sid, False)

    def _load(self, sid: str) -> dict[str, Any] | None:
        with answered():
            text = (self.place.load(sid[:IDENTIFIER]) or {}).get(field(sid))
        return None if text is None else self.form.read(text)

    def save(self, session: Any) -> None:
        """Keep it."""
        record, fields = session.sid[:IDENTIFIER], {field(session.sid): self.form.write(dict(session))}
        with answered():
            if not self.place.update(record, fields, (), self.seconds):
                self.place.create(record, {MARK: "", **fields}, self.seconds)

    def delete(self, session: Any) -> None:
        """Forget it, and none that begins alike."""
        with answered():
            self.place.update(session.sid[:IDENTIFIER], {}, (field(session.sid),), self.seconds)

    def delete_from_identifiers(self, identifiers: Iterable[str]) -> None:
        """Forget all whose keys begin so: somebody has logged out on another device. What is shorter is none, as Odoo has it."""
        with answered():
            for identifier in identifiers:
                if len(identifier) >= IDENTIFIER:
                    self.place.delete(identifier[:IDENTIFIER])

    def get_missing_session_identifiers(self, identifiers: Iterable[str]) -> set[str]:
        """Those of which there is no session any more."""
        with answered():
            return {each for each in identifiers if not set(self.place.load(each[:IDENTIFIER]) or ()) - {MARK}}

    def vacuum(self, max_lifetime: float = 0.0) -> None:  # noqa: ARG002 - each was told how long it lasts
        """Remove what is over."""
        with answered():
            self.place.collect()


def keep_elsewhere(application: Application) -> Application:
    """Have Odoo keep its sessions where `session_store` says; returns the application that does.

    Raises what a store raises whose driver is missing.
    """
    settings = given.to("sessions", "serve Odoo with `prefork serve`")
    if settings["store"] in OWN:
        return application
    import odoo.http

    own = odoo.http.root.session_store
    pickled = hasattr(importlib.import_module("odoo.tools._vendor.sessions"), "HIGHEST_PROTOCOL")
    form = Pickles(tuple(settings["secrets"])) if pickled else Words()
    odoo.http.root.session_store = moved(own, sessions.store(), settings["idle"], form)
    if hasattr(odoo.http, "session_gc") and not os.getenv("ODOO_DISABLE_SESSION_GC"):
        odoo.http.session_gc = sweep
    return answering(application)


def answering(application: Application) -> Application:
    """Odoo up to 15 looks at the session once more while it begins its answer, where nobody catches what that raises."""
    unserved = importlib.import_module("werkzeug.exceptions").ServiceUnavailable

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        try:
            return application(environ, start_response)
        except unserved as refused:
            return refused.get_response()(environ, start_response)

    return answer


def moved(own: Any, place: Store, seconds: float, form: Form) -> Any:
    """Odoo's store as it is, with another place."""
    made: Any = type("Elsewhere", (Elsewhere, type(own)), {"place": place, "seconds": seconds, "form": form})
    store = made.__new__(made)
    vars(store).update(vars(own))
    return store


def sweep(store: Any) -> None:
    """What Odoo up to 15 does now and then with a request."""
    if random.random() < SWEPT:  # noqa: S311 - not a secret
        store.vacuum()


def field(sid: str) -> str:
    """The name of a session's field in its record."""
    return KEY + sid[IDENTIFIER:]


@contextmanager
def answered() -> Iterator[None]:
    """Have a request answered 503 that needs a session which cannot be reached."""
    try:
        yield
    except sessions.Unavailable as error:
        exceptions, wrappers = (importlib.import_module(f"werkzeug.{name}") for name in ("exceptions", "wrappers"))
        answer = wrappers.Response(SORRY, status=503, headers=AGAIN, mimetype="text/plain")
        raise exceptions.ServiceUnavailable(str(error), response=answer) from error
