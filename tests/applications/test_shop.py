"""The example shop on a real server: whatever is killed, an order is kept, and asking for it again places no second one."""

import http.cookiejar
import json
import re
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from facts import await_fact
from tests.conftest import ROOT

from prefork.testing import Server

SHOP = ROOT / "examples" / "shop"
PERSON = {"name": "Ada Byron", "email": "ada@example.org", "address": "12 St James's Square"}
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
BOUNDARY = "fork"
LOOKS = 50


class Visitor:
    """A browser without windows."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def see(self, target: str) -> str:
        with self.opener.open(self.server.url + target, timeout=30) as answer:
            return answer.read().decode()

    def send(self, target: str, body: bytes, kind: str) -> str:
        request = urllib.request.Request(self.server.url + target, body, {"Content-Type": kind, "Accept": "text/html"})
        with self.opener.open(request, timeout=30) as answer:
            return answer.read().decode()

    def fill(self, target: str, **fields: str) -> str:
        """Send a form with its token."""
        body = urlencode({"token": self.token(), **fields}).encode()
        return self.send(target, body, "application/x-www-form-urlencoded")

    def attach(self, target: str, name: str, content: bytes) -> str:
        """Send a form with a file."""
        parts = [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="token"\r\n\r\n{self.token()}\r\n'.encode(),
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'.encode(),
            b"Content-Type: image/svg+xml\r\n\r\n" + content + f"\r\n--{BOUNDARY}--\r\n".encode(),
        ]
        return self.send(target, b"".join(parts), f"multipart/form-data; boundary={BOUNDARY}")

    def token(self) -> str:
        return found(r'name="token" value="([^"]+)"', self.see("/products/dinner-fork"))


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


class Till:
    """A program that orders, and asks again under the same reference while it gets no answer."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.orders: dict[str, int] = {}

    def order(self) -> None:
        reference = f"till.{len(self.orders)}"
        body = json.dumps({"items": {"dinner-fork": 2}, "reference": reference}).encode()
        self.orders[reference] = patiently(lambda: self._answer("/api/orders", body)["order"])

    def listed(self) -> dict[str, int]:
        orders = patiently(lambda: self._answer("/api/orders?limit=1000"))["orders"]
        return {order["reference"]: order["id"] for order in orders if order["reference"] in self.orders}

    def _answer(self, target: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(self.server.url + target, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())


def patiently(ask: Callable[[], Any], attempts: int = 50) -> Any:
    """Ask until there is an answer: a worker may have been killed with the question."""
    for _ in range(attempts - 1):
        with suppress(urllib.error.URLError, ConnectionError):
            return ask()
    return ask()


@pytest.fixture
def server() -> Server:
    python = SHOP / ".venv" / "bin" / "python"
    assert python.exists(), "the shop has no environment: `make run` and `make test` make it"
    return Server(
        "shop:create_app()",
        app_dir=SHOP,
        python=python,
        jobs="shop.jobs",
        access_log=False,
        graceful_timeout_cron=0,  # nobody waits for the synchronisation, which goes on at the next start
    )


@pytest.mark.story
@pytest.mark.timeout(180)
def test_orders_carts_and_drawings_survive_kills_a_reload_and_a_restart(
    server: Server, record_property: Callable[[str, object], None]
) -> None:
    with server:
        opened(server)
        ada, till = Visitor(server), Till(server)
        ada.fill("/cart/add", product="cake-fork", quantity="2")
        reference = found(r'name="reference" value="([^"]+)"', ada.see("/checkout"))
        assert "Thank you, Ada Byron" in ada.fill("/checkout", reference=reference, **PERSON)
        ada.attach("/orders/1/engraving", "crest.svg", DRAWING)
        ada.fill("/cart/add", product="pitchfork", quantity="3")

        def all_is_kept() -> None:
            for _ in range(5):
                till.order()
            assert till.listed() == till.orders
            assert "Thank you, Ada Byron" in ada.see("/orders/1")
            assert 'value="3"' in ada.see("/cart"), "the cart"
            key = found(r"/orders/1/engraving/([0-9a-f]{64})", ada.see("/orders/1"))
            assert ada.see(f"/orders/1/engraving/{key}").encode() == DRAWING

        all_is_kept()
        for worker in ("http.1", "http.2"):
            server.kill(worker)
            till.order()
        all_is_kept()
        server.reload()
        all_is_kept()
        record_property("median ms during a synchronisation", f"{synchronise(ada):.1f}")
        server.crash()
        opened(server.start())
        all_is_kept()


def opened(server: Server) -> None:
    """Wait until orders can be placed: the database is started beside the workers."""
    await_fact(lambda: answers(server), "the shop takes orders", server)


def answers(server: Server) -> bool:
    try:
        with urllib.request.urlopen(server.url + "/api/orders", timeout=30) as answer:
            return answer.status == 200
    except OSError:
        return False  # nobody listens yet, or there is no database yet


def synchronise(visitor: Visitor) -> float:
    """Have 10,000 products synchronised, and look at pages meanwhile; returns what one took, the median in milliseconds."""
    visitor.fill("/sync")
    await_fact(lambda: json.loads(visitor.see("/sync"))["done"] > 0, "the job is being done", visitor.server, 30)
    assert json.loads(visitor.see("/sync"))["running"], "and goes on"
    assert "shop.jobs.synchronise" in [worker["job"] for worker in visitor.server.status()["workers"] if worker["pool"] == "cron"]
    took = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        assert "Tine" in visitor.see("/products/pitchfork")
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
