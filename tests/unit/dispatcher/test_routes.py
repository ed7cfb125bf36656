"""Routes are learned from paths: data has a sign, names that are too many become one, and the table is never too small."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefork.dispatcher.bills import Bills
from prefork.dispatcher.patterns import segments, signed
from prefork.dispatcher.routes import KEPT_NAMES, MOST_NAMES, OTHER, Routes, name_of
from prefork.master.routes import routes
from prefork.scoreboard import ENDED, LONGEST_NAME, ROUTE_SERVED, ROUTES, Scoreboard

if TYPE_CHECKING:
    from collections.abc import Iterator

UUID = b"123e4567-e89b-12d3-a456-426614174000"


@pytest.fixture
def scoreboard() -> Iterator[Scoreboard]:
    scoreboard = Scoreboard.create()
    yield scoreboard
    os.close(scoreboard.descriptor)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/", "/"),
        (b"/orders", "/orders"),
        (b"/orders/", "/orders/"),
        (b"//orders///7", "/orders/{id}"),
        (b"/orders/7/lines/12", "/orders/{id}/lines/{id}"),
        (b"/api/v2/orders", "/api/v2/orders"),
        (b"/files/%b/raw" % UUID, "/files/{uuid}/raw"),
        (b"/commit/9fceb02d0ae598e95dc970b74767f19372d61af8", "/commit/{hash}"),
        (b"/t/Zm9vYmFyYmF6cXV4Cg0123-_", "/t/{hash}"),
        (b"/facade/deadbeef/added", "/facade/deadbeef/added"),
        (b"/report/2026-11-21", "/report/{date}"),
        (b"/report/2026-11", "/report/{date}"),
        (b"/shop/blue-shirt-12", "/shop/{slug}"),
        (b"/image/12.png", "/image/{id}.png"),
        (b"/web/dataset/call_kw/res.partner/web_search_read", "/web/dataset/call_kw/res.partner/web_search_read"),
        (b"/find/caf%C3%A9", "/find/{text}"),
        (b"/find/caf\xe9", "/find/{text}"),
        (b'/find/"><{any}', "/find/{text}"),
        (b"/" + b"x" * 41, "/{text}"),
        (b"*", "/*"),
    ],
)
def test_data_is_told_from_names(path: bytes, expected: str) -> None:
    assert "/" + "/".join(segments(signed(path))) == expected


@given(st.binary(max_size=400))
def test_whatever_a_client_sends_a_pattern_can_be_printed(path: bytes) -> None:
    name = name_of(("GET", *segments(signed(b"/" + path))))
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set('"\\[]\n')


def names(scoreboard: Scoreboard) -> set[str]:
    return {scoreboard.route(index).read()[0] for index in range(ROUTES)} - {""}


def test_a_route_is_a_method_and_a_pattern(scoreboard: Scoreboard) -> None:
    routes = Routes(scoreboard)
    first = routes.of("GET", b"/orders/7?page=2", learn=True)
    assert first == routes.of("GET", b"/orders/8", learn=False) != routes.of("POST", b"/orders/8", learn=True)
    assert names(scoreboard) == {OTHER, "GET /orders/{id}", "POST /orders/{id}"}


def test_what_no_application_has_answered_is_no_route(scoreboard: Scoreboard) -> None:
    routes = Routes(scoreboard)
    assert routes.of("GET", b"/wp-login.php", learn=False) == 0
    assert names(scoreboard) == {OTHER}
    assert routes.of("GET", b"/wp-login.php", learn=True) == 1, "it may still become one"


def spend(routes: Routes, index: int, seconds: int) -> None:
    routes.blocks[index].words[ENDED] += 1
    routes.blocks[index].words[ROUTE_SERVED] += seconds * 10**9


def test_too_many_names_become_one_and_the_busiest_keep_theirs(scoreboard: Scoreboard) -> None:
    routes = Routes(scoreboard)
    letters = [f"/country/{chr(97 + n // 26)}{chr(97 + n % 26)}/edit".encode() for n in range(MOST_NAMES + 20)]
    for number, path in enumerate(letters):
        spend(routes, routes.of("GET", path, learn=True), 100 if number in {3, 5} else 1)
    found = names(scoreboard)
    assert {"GET /country/ad/edit", "GET /country/af/edit", "GET /country/{any}/edit", OTHER} <= found
    assert len(found) == KEPT_NAMES + 2
    total = sum(routes.blocks[index].words[ROUTE_SERVED] for index in range(ROUTES))
    assert total == (200 + len(letters) - 2) * 10**9, "no second is lost"
    assert routes.of("GET", b"/country/zz/edit", learn=False) == routes.of("GET", letters[-1], learn=False) != 0


def test_a_full_table_makes_room_where_most_names_are(scoreboard: Scoreboard) -> None:
    routes = Routes(scoreboard)
    words = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(10, 40)]
    paths = [f"/call/{model}/{method}".encode() for model in words[:20] for method in words[:10]]
    for path in paths:
        assert routes.of("POST", path, learn=True) != 0
    assert len(names(scoreboard)) < ROUTES
    assert "POST /call/{any}/ba" in names(scoreboard)


def test_what_has_no_room_at_all_is_other(scoreboard: Scoreboard) -> None:
    routes = Routes(scoreboard)
    for word in ("a", "b", "c", "d", "e", "f", "g"):
        for depth in range(1, 30):
            routes.of("GET", b"/" + b"/".join([word.encode()] * depth), learn=True)
    assert len(names(scoreboard)) == ROUTES
    assert routes.of("GET", b"/late", learn=True) == 0


def test_another_dispatcher_goes_on_with_what_was_learned(scoreboard: Scoreboard) -> None:
    first = Routes(scoreboard)
    for number in range(MOST_NAMES + 1):
        spend(first, first.of("GET", b"/tag/" + b"x" * (number + 1), learn=True), 1)
    before = names(scoreboard)
    again = Routes(scoreboard)
    assert again.of("GET", b"/tag/new", learn=False) == first.of("GET", b"/tag/new", learn=False) != 0
    assert names(scoreboard) == before
    assert "GET /tag/{any}" in before


@settings(max_examples=30)
@given(st.lists(st.text("abcde/1", max_size=12), max_size=300))
def test_whatever_is_asked_for_every_request_is_counted_once(paths: list[str]) -> None:
    scoreboard = Scoreboard.create()
    routes = Routes(scoreboard)
    for path in paths:
        spend(routes, routes.of("GET", b"/" + path.encode(), learn=True), 1)
    os.close(scoreboard.descriptor)
    counted = [words[ENDED] for name, words in (scoreboard.route(index).read() for index in range(ROUTES)) if name]
    assert sum(counted) == len(paths)
    assert all(len(name) <= LONGEST_NAME for name in names(scoreboard))


# What requests have cost.


def asked(method: str, target: bytes, arrived: float = 1.0, assigned: float = 1.5) -> Any:
    return SimpleNamespace(head=SimpleNamespace(method=method, target=target), arrived=arrived, assigned=assigned)


def answered(status: int = 200, **more: int) -> Any:
    return SimpleNamespace(**{"status": status, "cpu": 0, "sent": 0, "queries": 0, "sql": 0, **more})


def worker(scoreboard: Scoreboard, number: int = 0, pid: int = 7) -> Any:
    return SimpleNamespace(number=number, pid=pid, slot=scoreboard.slot(number))


def test_what_the_master_says_of_a_route(scoreboard: Scoreboard) -> None:
    bills = Bills(scoreboard)
    bills.ended(asked("GET", b"/cart"), worker(scoreboard), answered(), 0.01, 0)
    for number in range(3):
        ending = answered(cpu=250_000_000, sent=1000, queries=4, sql=100_000_000)
        bills.ended(asked("POST", b"/orders/%d" % number), worker(scoreboard), ending, 1.0, 0)
    bills.ended(asked("POST", b"/orders/9"), worker(scoreboard), answered(500), 1.0, 0)
    bills.lost(asked("POST", b"/orders/9"), 2.0)
    bills.shed(asked("POST", b"/orders/9"), 0.5)
    orders, cart = routes(scoreboard)
    assert orders.pop("service")["p99"] == pytest.approx(2.0, rel=0.25)
    assert orders.pop("wait")["p50"] == pytest.approx(0.5, rel=0.25)
    assert orders == {
        "method": "POST",
        "path": "/orders/{id}",
        "requests": 6,
        "errors": 3,
        "seconds": 6.0,
        "cpu": 0.75,
        "bytes": 3000,
        "queries": 12,
        "sql": pytest.approx(0.3),
        "growth": 0,
    }
    assert (cart["path"], cart["requests"], cart["errors"]) == ("/cart", 1, 0)


def test_what_is_not_found_counts_for_no_route_of_its_own(scoreboard: Scoreboard) -> None:
    bills = Bills(scoreboard)
    bills.ended(asked("GET", b"/nothing"), worker(scoreboard), answered(404), 0.01, 0)
    (found,) = routes(scoreboard)
    assert (found["method"], found["path"], found["requests"], found["errors"]) == ("", OTHER, 1, 0)


def test_memory_that_a_request_leaves_is_seen_when_the_next_one_begins(scoreboard: Scoreboard) -> None:
    bills, one = Bills(scoreboard), worker(scoreboard)
    for target, resident in ((b"/a", 100), (b"/big", 100), (b"/a", 900), (b"/a", 700)):
        bills.ended(asked("GET", target), one, answered(), 0.01, resident)
    bills.ended(asked("GET", b"/a"), worker(scoreboard, pid=8), answered(), 0.01, 10)
    assert {row["path"]: row["growth"] for row in routes(scoreboard)} == {"/a": -200, "/big": 800}
