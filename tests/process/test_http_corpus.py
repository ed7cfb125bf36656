"""The corpus against a real server: what reaches the application, and that nothing behind a refused request ever does."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.corpus import CASES, NEXT, Seen
from tests.corpus.case import CHUNKED

from prefork.testing import Server

from .conftest import Echo
from .wire import Wire

ASIDE = 4096  # bytes: of longer cases only the beginning arrives byte by byte


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    yield from mirroring(echo, "mirror:app")


@pytest.fixture(scope="module")
def reading(echo: Echo) -> Iterator[Server]:
    """One whose application reads bodies as they come."""
    yield from mirroring(echo, "mirror:asgi_app")


def mirroring(echo: Echo, app: str) -> Iterator[Server]:
    with echo(app, workers=2) as server:
        yield server
        assert not server.events("access", target="/smuggled")
        assert not server.events("fault_contained")


def byte_by_byte(sent: bytes) -> list[bytes]:
    """As many pieces as there are bytes, for as long as that takes no time."""
    return [*(sent[place : place + 1] for place in range(min(len(sent), ASIDE))), sent[ASIDE:]]


def converse(wire: Wire, sent: list[bytes], served: tuple[Seen, ...]) -> list[Seen]:
    """What the application saw of it, up to the last of `served`."""
    with suppress(ConnectionError):  # closed behind an answer that was the last: not all could be sent
        wire.send(*sent)
    seen = []
    for request in served:
        answer = wire.answer(request.method)
        while answer.status == 100:
            answer = wire.answer(request.method)
        assert answer.status == 200
        seen.append(Seen(*json.loads(answer.headers["x-seen"])))
    return [Seen(one.method, one.target, one.body.encode("latin-1")) for one in seen]


@pytest.mark.parametrize("form", ["in one piece", "byte by byte"])
@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_it(server: Server, name: str, form: str) -> None:
    assert_of(server, name, form)


@pytest.mark.parametrize("form", ["in one piece", "byte by byte"])
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if CHUNKED in case.sent])
def test_the_same_becomes_of_chunks_that_an_application_reads(reading: Server, name: str, form: str) -> None:
    assert_of(reading, name, form)


def assert_of(server: Server, name: str, form: str) -> None:
    case = CASES[name]
    served = case.served if case.closes else (*case.served, Seen("GET", "/next"))
    sent = case.sent + NEXT
    with Wire(server) as wire:
        assert tuple(converse(wire, byte_by_byte(sent) if form == "byte by byte" else [sent], served)) == served, case.why
        if case.refused:
            answer = wire.answer()
            assert (answer.status, answer.headers["connection"]) == (case.refused, "close"), case.why
            assert wire.rest() == b"", "what follows a refused request was answered"
        elif case.closes:
            with suppress(ConnectionResetError):  # the server has closed while more was sent
                assert wire.rest() == b"", "what follows the last request was answered"
        else:
            assert wire.silent()
