"""Odoo's sessions in a place of ours, with a stand-in for its own store: what Odoo 18 and 15 ask of one."""

from __future__ import annotations

import base64
import os
import pickle
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from prefork.sessions import MemoryStore, Unavailable
from prefork.worker.hosts.odoo import sessions
from prefork.worker.hosts.odoo.sessions import Pickles, Words, answering, moved

if TYPE_CHECKING:
    from collections.abc import Callable

LONG, SHORT = 84, 40  # characters of a key, from 18 on and up to 15
WEEK = 604_800.0


class Session(dict[str, Any]):
    def __init__(self, content: dict[str, Any], sid: str, new: bool = False) -> None:
        super().__init__(content)
        self.sid, self.is_new = sid, new


class Files:
    """Of Odoo's own store what ours leaves to it. What touches files fails."""

    def __init__(self, length: int) -> None:
        self.session_class = Session
        self.length = length

    def is_valid_key(self, key: str) -> bool:
        return len(key) == self.length

    def generate_key(self) -> str:
        return base64.urlsafe_b64encode(os.urandom(64)).decode()[: self.length]

    def new(self) -> Session:
        return Session({}, self.generate_key(), True)

    def rotate(self, session: Session) -> None:
        self.delete(session)
        session.sid = self.generate_key()
        self.save(session)

    def delete(self, session: Session) -> None:
        raise AssertionError("a file")

    save = get = vacuum = delete_from_identifiers = delete


@pytest.fixture
def place() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(params=[LONG, SHORT])
def store(request: pytest.FixtureRequest, place: MemoryStore) -> Any:
    form = Words() if request.param == LONG else Pickles((b"s" * 32,))
    return moved(Files(request.param), place, WEEK, form)


def kept(store: Any, **content: Any) -> Session:
    session: Session = store.new()
    session.update(content)
    store.save(session)
    return session


def test_what_is_saved_is_there_until_it_is_deleted(store: Any) -> None:
    session = kept(store, uid=2, context={"lang": "de_DE"})
    found = store.get(session.sid)
    assert (dict(found), found.sid, found.is_new) == ({"uid": 2, "context": {"lang": "de_DE"}}, session.sid, False)
    found["uid"] = 3
    store.save(found)
    assert store.get(session.sid)["uid"] == 3
    store.delete(found)
    again = store.get(session.sid)
    assert again.is_new, "what is not there is a new session"
    assert again.sid != session.sid


def test_a_key_that_is_none_is_not_looked_for(store: Any, place: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "load", lambda key: pytest.fail(key))
    assert store.get("no key").is_new


def test_a_session_that_was_deleted_can_be_saved_again_under_its_key(store: Any) -> None:
    """Odoo 18 goes on with the key of the cookie when nothing is kept for it."""
    session = kept(store, uid=2)
    store.delete(session)
    session["cart"] = 1
    store.save(session)
    assert store.get(session.sid)["cart"] == 1


def test_a_rotation_moves_it_to_another_key(store: Any) -> None:
    session = kept(store, uid=2)
    before = session.sid
    store.rotate(session)
    assert store.get(before).is_new
    assert store.get(session.sid)["uid"] == 2


def test_odoo_ends_sessions_by_what_their_keys_begin_with(place: MemoryStore) -> None:
    store = moved(Files(LONG), place, WEEK, Words())
    lost, other = kept(store, uid=2), kept(store, uid=3)
    assert store.get_missing_session_identifiers([lost.sid[:42], other.sid[:42], "x" * 42]) == {"x" * 42}
    store.delete_from_identifiers([lost.sid[:42], other.sid[:2]])
    assert store.get(lost.sid).is_new
    assert store.get(other.sid)["uid"] == 3, "what is too short ends nothing"
    assert store.get_missing_session_identifiers([lost.sid[:42], other.sid[:42]]) == {lost.sid[:42]}


def test_keys_that_begin_alike_are_sessions_of_their_own(place: MemoryStore) -> None:
    """So does Odoo 19 go over from one to the other; and who knows the beginning of a key knows nothing of its session."""
    store = moved(Files(LONG), place, WEEK, Words())
    first = kept(store, uid=2)
    second = Session({"uid": 2, "next": True}, first.sid[:42] + store.generate_key()[42:])
    store.save(second)
    assert not store.get(first.sid).get("next")
    store.delete(first)
    assert store.get(first.sid).is_new
    assert store.get(second.sid)["next"]
    assert store.get(first.sid[:42] + "A" * 42).is_new


def test_a_pickle_is_read_only_with_our_signature(place: MemoryStore) -> None:
    store = moved(Files(SHORT), place, WEEK, Pickles((b"n" * 32, b"o" * 32)))
    old = moved(Files(SHORT), place, WEEK, Pickles((b"o" * 32,)))
    content = {"saved": {1: ("a", None)}}
    assert dict(store.get(kept(old, **content).sid)) == content, "an old secret still counts, and values are what they were"
    session = kept(store, uid=2)
    forged = base64.b64encode(b"x" * 32 + pickle.dumps({"uid": 1})).decode()
    place.update(session.sid, {sessions.field(session.sid): forged}, (), WEEK)
    assert store.get(session.sid).is_new


def test_what_is_over_is_removed_when_odoo_says_so(place: MemoryStore) -> None:
    store = moved(Files(LONG), place, -1.0, Words())
    kept(store, uid=2)
    assert len(place.kept) == 1
    store.vacuum(max_lifetime=WEEK)
    assert place.kept == {}


def test_what_is_refused_while_an_answer_begins_is_answered_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusal(Exception):
        def get_response(self) -> Callable[..., Any]:
            return lambda environ, start_response: [start_response("503"), environ["PATH_INFO"]]

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        raise Refusal

    monkeypatch.setitem(sys.modules, "werkzeug.exceptions", SimpleNamespace(ServiceUnavailable=Refusal))
    assert answering(application)({"PATH_INFO": "/web"}, str) == ["503", "/web"]


@pytest.mark.parametrize("ask", [lambda store: store.get("k" * LONG), lambda store: store.save(store.new())])
def test_while_the_place_is_away_a_request_is_answered_503(
    place: MemoryStore, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Any], object]
) -> None:
    class Refusal(Exception):
        def __init__(self, description: str, response: Any) -> None:
            super().__init__(description)
            self.response = response

    answer: Callable[..., Any] = lambda text, **said: (text, said)  # noqa: E731
    monkeypatch.setitem(sys.modules, "werkzeug.exceptions", SimpleNamespace(ServiceUnavailable=Refusal))
    monkeypatch.setitem(sys.modules, "werkzeug.wrappers", SimpleNamespace(Response=answer))

    def away(*_: object) -> Any:
        raise Unavailable("it is away")

    monkeypatch.setattr(place, "load", away)
    monkeypatch.setattr(place, "update", away)
    with pytest.raises(Refusal, match="it is away") as raised:
        ask(moved(Files(LONG), place, WEEK, Words()))
    text, said = raised.value.response
    assert (said["status"], said["headers"]["Retry-After"]) == (503, "5")
    assert "Nothing is lost" in text
