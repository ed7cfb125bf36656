"""What workers leave receipts of is in all accounts, and in the access log as any other answer would be."""

from __future__ import annotations

import json
import os
import struct
from typing import TYPE_CHECKING, Any

import pytest
from tests.native import native

from prefork.dispatcher.loan import Loan
from prefork.dispatcher.loans import Loans
from prefork.events import Access
from prefork.journal import Journal, Sink
from prefork.lending import ASKS_REPLACEMENT, LASTS, LOANED, OLD_HTTP, WRITTEN, Asked, Receipt, pack_asked, pack_receipt
from prefork.lines import words_of
from prefork.scoreboard import ANSWERED, ARRIVED, CLASSES, LENT, SERVED, SERVICES, WAITED, WAITS
from prefork.trace import calls

from .conftest import SCOREBOARD, TRACE, Client, Desk, Hand

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)  # the first one compiles
ASKED = Asked(b"GET", b"", b'/a"?b', b"https://shop.example/", b"curl/8.5.0")
TRACED = ASKED._replace(trace=b"4bf92f3577b34da6a3ce929d0e0e4736")
EVENT = Access(
    client="192.0.2.7",
    method="GET",
    target='/a"?b',
    protocol="HTTP/1.1",
    status=200,
    bytes=168,
    wait=0.002,
    service=0.25,
    cpu=0.0049,
    worker="http.1",
    request_id="abc.0.1-5",
    referer="https://shop.example/",
    user_agent="curl/8.5.0",
)


def receipt(asked: Asked = ASKED, **said: Any) -> Receipt:
    """A receipt of what EVENT tells, and what is said otherwise."""
    one = Receipt(
        LASTS, 200, 0, 40, LOANED + 5, 2_000_000, 9_000_000_000, 250_000_000, 168, 4_900_000, 0, 0, b"192.0.2.7", b"", b"",
        pack_asked(asked),
    )  # fmt: skip
    return one._replace(**said)


class Till:
    """A worker with a connection on loan, which leaves receipts."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.hand: Hand = desk.hire()
        self.client: Client = desk.connect()
        self.loans = Loans(self.hand.slot, self.hand.worker.wire)
        self.loans.prefix = "abc.0.1"
        self.hand.worker.loans = self.loans
        connection = self.client.connection
        self.key = connection.descriptor
        connection.loan = Loan(connection, self.hand.worker)
        self.loans.lend(connection)

    def leave(self, *receipts: Receipt) -> None:
        """Leave these, and have the dispatcher look."""
        for each in receipts:
            assert self.loans.till.put(pack_receipt(*each._replace(key=self.key)))
        self.desk.traffic.lender.receipts.drain(self.hand.worker)

    def lines(self, path: Path, access: str, *receipts: Receipt) -> list[str]:
        """The access log that comes of receipts."""
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
        journal = Journal(Sink(descriptor), level="info", as_json=False, logger="test", access=access)
        os.close(descriptor)
        self.desk.traffic.journal = self.desk.traffic.answers.journal = journal
        self.leave(*receipts)
        journal.flush()
        os.close(journal.sink.descriptor)
        return path.read_text().splitlines()


@pytest.fixture(params=["source", "native"])
def till(desk: Desk, request: pytest.FixtureRequest) -> Till:
    receipts = desk.traffic.lender.receipts
    receipts.entries = None
    if request.param == "native":
        receipts.entries = native("dispatcher/entries").Entries(receipts)
    return Till(desk)


SAID: dict[str, tuple[Receipt, dict[str, Any]]] = {
    "nothing else": (receipt(), {}),
    "a trace": (receipt(TRACED), {"trace": TRACED.trace.decode()}),
    "queries and a tag": (receipt(queries=3, sql=2_000_000, tag=b"shop"), {"queries": 3, "sql": 0.002, "tag": "shop"}),
    "an id of its client's": (receipt(request_id=b"mine"), {"request_id": "mine"}),
    "an old client": (receipt(flags=LASTS | OLD_HTTP), {"protocol": "HTTP/1.0"}),
    "an error": (receipt(status=500), {"status": 500}),
}


@pytest.mark.parametrize(("left", "told"), SAID.values(), ids=SAID)
def test_the_access_log_has_the_same_line_as_of_any_other_answer(
    till: Till, tmp_path: Path, left: Receipt, told: dict[str, Any]
) -> None:
    event = Access(**{**EVENT.values(), **told})
    for number in range(2):  # the second one is known
        (line,) = till.lines(tmp_path / f"own{number}", "prefork", left)
        assert line.partition("prefork.access: ")[2] == words_of(event)
        said = json.loads(till.lines(tmp_path / f"json{number}", "json", left)[0])
        assert {name: pytest.approx(value) for name, value in event.values().items()} == {name: said[name] for name in event.fields}


def test_what_is_not_to_be_logged_is_counted_all_the_same(till: Till, tmp_path: Path) -> None:
    options = till.desk.traffic.options._replace(access_log_exclude=("/a*",))
    till.desk.traffic.answers.apply(options)
    assert till.lines(tmp_path / "log", "prefork", receipt(), receipt()) == []
    assert till.desk.counters[ANSWERED] == 2


def test_all_accounts_have_it(till: Till, tmp_path: Path) -> None:
    till.lines(tmp_path / "log", "prefork", receipt(), receipt(status=503, number=LOANED + 6), receipt(number=LOANED + 7))
    counters, lane = till.desk.counters, SCOREBOARD.lane(till.desk.traffic.lanes.rest)
    assert [counters[ANSWERED], counters[CLASSES], counters[CLASSES + 3]] == [3, 2, 1]
    assert [lane[ARRIVED], lane[LENT], lane[WAITED], lane[SERVED]] == [3, 3, 6_000_000, 750_000_000]
    assert sum(lane.span(WAITS, SERVICES - WAITS)) == 3
    (call, *others) = calls(TRACE.read())
    assert (call.arrived, call.wait, call.service, call.cpu) == (8_998_000, 2000, 250_000, 4900)
    assert len(others) == 2
    assert till.loans.read[till.key] == 120
    assert till.loans.number == LOANED + 7
    assert till.client.connection.tally.written == 3 * 168


def test_a_worker_that_asks_to_be_replaced_is_heard_once(till: Till, tmp_path: Path) -> None:
    till.lines(tmp_path / "log", "prefork", *[receipt(flags=LASTS | ASKS_REPLACEMENT)] * 2)
    assert till.desk.loop.told == [("worn", "http.1")]


def test_nonsense_is_a_fault_of_its_worker(till: Till) -> None:
    at = till.loans.till.at
    till.loans.memory[at : at + 8] = struct.pack("<Q", 8)
    till.loans.till.words[WRITTEN] = 8
    till.leave()
    assert till.desk.loop.told == [("faulty", "http.1")]
