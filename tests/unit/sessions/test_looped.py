"""Sessions of an ASGI application: what it and its visitor notice."""

import asyncio
import threading
from typing import Any

import pytest

from prefork.sessions import FileStore, LoopedSessionMiddleware, MemoryStore, Unavailable

from .conftest import SECRET

Event = dict[str, Any]


class Slow(MemoryStore):
    """Notes in which threads it is asked; `out`: it cannot be used."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()
        self.out = False

    def load(self, *arguments: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        if self.out:
            raise Unavailable("it is gone")
        return super().load(*arguments)


class Visitor:
    """Keeps its cookie; `events` are those of the last answer."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.cookie = b""
        self.events: list[Event] = []

    def visit(self, view: Any, kind: str = "http", after: Any = None) -> None:
        async def app(scope: Event, receive: Any, send: Any) -> None:
            assert scope["session"] is scope["prefork.session"]
            view(scope["session"])
            if kind == "http":
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
            if after:
                after(scope["session"])
            await send({"type": f"{kind}.response.body", "body": b"fine"})

        self.call(app, kind)

    def call(self, app: Any, kind: str = "http") -> None:
        self.events = []

        async def send(event: Event) -> None:
            self.events.append(event)

        scope = {"type": kind, "scheme": "http", "headers": [(b"cookie", self.cookie)]}
        asyncio.run(LoopedSessionMiddleware(app, self.store, SECRET)(scope, None, send))  # type: ignore[arg-type]
        for name, value in self.headers():
            if name == b"Set-Cookie":
                self.cookie = value.partition(b";")[0]

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [header for event in self.events for header in event.get("headers", ())]

    @property
    def status(self) -> int:
        return int(self.events[0]["status"])


@pytest.fixture
def visitor() -> Visitor:
    return Visitor(Slow())


def test_what_is_kept_is_there_at_the_next_request(visitor: Visitor) -> None:
    visitor.visit(lambda session: session.update(cart=["fork"]))
    assert visitor.cookie
    assert (b"Cache-Control", b"private") in visitor.headers()
    seen: list[Any] = []
    visitor.visit(lambda session: seen.append(dict(session)))
    assert seen == [{"cart": ["fork"]}]


def test_a_store_is_never_asked_in_the_loop(visitor: Visitor) -> None:
    visitor.visit(lambda session: session.update(a=1))
    visitor.visit(lambda session: session.update(b=2))
    assert visitor.store.threads
    assert "MainThread" not in visitor.store.threads


def test_nor_is_one_that_is_out(visitor: Visitor) -> None:
    visitor.visit(lambda session: session.update(a=1))
    visitor.store.out = True
    visitor.visit(lambda session: session.get("a"))
    assert visitor.status == 503
    assert "MainThread" not in visitor.store.threads


def test_who_does_not_look_at_the_session_has_an_answer_as_it_is(visitor: Visitor) -> None:
    visitor.visit(lambda session: session.update(a=1))
    visitor.visit(lambda session: None)
    assert visitor.headers() == [(b"content-type", b"text/plain")]


def test_a_store_that_is_out_refuses_who_needs_it_only(visitor: Visitor) -> None:
    visitor.visit(lambda session: session.update(a=1))
    visitor.store.out = True
    visitor.visit(lambda session: None)
    assert visitor.status == 200
    visitor.visit(lambda session: session.get("a"))
    assert visitor.status == 503
    assert (b"retry-after", b"5") in visitor.headers()
    assert len(visitor.events) == 2


def test_a_failure_that_the_application_catches_is_refused_all_the_same(visitor: Visitor) -> None:
    visitor.visit(lambda session: session.update(a=1))
    visitor.store.out = True

    def hopeful(session: Any) -> None:
        with pytest.raises(Unavailable):
            session.get("a")

    visitor.visit(hopeful)
    assert visitor.status == 503
    assert [event["type"] for event in visitor.events] == ["http.response.start", "http.response.body"]


def test_a_late_change_is_kept_if_there_is_a_cookie(visitor: Visitor) -> None:
    visitor.visit(lambda session: session.update(a=1))
    visitor.visit(dict, after=lambda session: session.update(late=True))
    seen: list[Any] = []
    visitor.visit(lambda session: seen.append(dict(session)))
    assert seen == [{"a": 1, "late": True}]


def test_a_late_beginning_is_lost_and_told(visitor: Visitor, capsys: pytest.CaptureFixture[str]) -> None:
    visitor.visit(dict, after=lambda session: session.update(late=True))
    assert "after the answer's head had gone out" in capsys.readouterr().err


def test_a_websocket_sees_it(visitor: Visitor) -> None:
    visitor.visit(lambda session: session.update(user="ada"))
    seen: list[Any] = []
    visitor.visit(lambda session: seen.append(dict(session)), kind="websocket")
    assert seen == [{"user": "ada"}]


def test_a_lifespan_has_none(visitor: Visitor) -> None:
    seen: list[Any] = []

    async def app(scope: Event, receive: Any, send: Any) -> None:
        seen.append(scope)

    asyncio.run(LoopedSessionMiddleware(app, visitor.store, SECRET)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == [{"type": "lifespan"}]


def test_a_store_of_files(tmp_path: Any) -> None:
    visitor = Visitor(FileStore(tmp_path))
    visitor.visit(lambda session: session.update(a=1))
    seen: list[Any] = []
    visitor.visit(lambda session: seen.append(dict(session)))
    assert seen == [{"a": 1}]
