"""What enters receipts in C enters them as the source does: the same rings through both ways leave the same behind."""

from __future__ import annotations

import os
import select
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from tests.native import native

from prefork.dispatcher.ledger import Ledger
from prefork.dispatcher.loan import Loan
from prefork.dispatcher.loans import Loans
from prefork.dispatcher.loop_loans import LoopLoans
from prefork.dispatcher.loops import EventLoop
from prefork.histogram import INNER
from prefork.journal import Journal, Sink
from prefork.lending import (
    ASKS_REPLACEMENT,
    ENDS_BROKEN,
    ENTERED,
    FIXED,
    LASTS,
    OLD_HTTP,
    RING,
    WRITTEN,
    Asked,
    Receipt,
    number_for,
    pack_asked,
    pack_receipt,
)
from prefork.scoreboard import RESIDENT_AT, WRAP

from .conftest import SCOREBOARD, TRACE, Desk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)  # the first one compiles

# Nanoseconds: any, those near the middle of two tenths of a millisecond, and those near the edge of a bucket.
NEAR = st.integers(-1, 1)
MIDDLES = st.builds(lambda tenths, by: tenths * 100_000 + 50_000 + by, st.integers(0, 1 << 31), NEAR)
EDGES = st.builds(lambda edge, by: max(0, round(edge * 1e9) + by), st.sampled_from(INNER), NEAR)
TIME = st.one_of(st.integers(0, 1 << 48), MIDDLES, EDGES)
NUMBERS = [number_for(0, 7), number_for(1, 8), number_for(1, 1)]
PLACES = 4  # connections: the first two are on loan, the third is recalled, the fourth is not
USUAL = Receipt(
    LASTS, 200, 0, 40, NUMBERS[0], 2_050_000, 1 << 52, 250_000_000, 168, 4_900_000, 0, 0, b"192.0.2.7", b"", b"",
    pack_asked(Asked(b"GET", b"", b"/", b"", b"x")),
)  # fmt: skip
HEADS = [
    pack_asked(Asked(*texts))
    for texts in [
        (b"GET", b"", b"/", b"", b"x"),
        (b"GET", b"", b"/", b"", b"x"),
        (b"POST", b"", b"/orders/17", b"", b"x"),
        (b"POST", b"", b"/orders/18?x", b"", b"y"),
        (b"GET", b"0af7", b'/a"?b', b"", b"x"),
        (b"GET", b"", b"/caf\xe9", b"", b"x"),
        (b"GET", b"", b"/\x1b[2J", b"", b"x"),
        (b"GET", b"", b"/health", b"", b"x"),
        (b"GET", b"", b"/" + b"a" * 900, b"", b"x"),
    ]
]
SAID = st.fixed_dictionaries(
    {
        "key": st.integers(0, 1),
        "status": st.sampled_from([200] * 6 + [204, 304, 404, 499, 500, 599]),
        "size": st.integers(0, 1 << 20),
        "number": st.sampled_from(NUMBERS),
        "wait": TIME,
        "service": TIME,
        "sent": st.integers(0, 1 << 48),
        "cpu": TIME,
        "client": st.sampled_from([b"192.0.2.7", b"192.0.2.8", b"2001:db8::1", b""]),
        "request_id": st.sampled_from([b"", b"", b"mine", b"x" * 128]),
        "asked": st.sampled_from(HEADS),
    }
)
ODD: list[dict[str, Any]] = [
    {"flags": LASTS | OLD_HTTP}, {"flags": LASTS | ASKS_REPLACEMENT}, {"flags": 0}, {"flags": ENDS_BROKEN}, {"status": 600},
    {"status": 199}, {"status": 0}, {"key": 2}, {"key": 3}, {"number": 1}, {"number": 1 << 47}, {"number": number_for(5, 1)},
    {"wait": 1 << 49}, {"service": (1 << 48) + 1}, {"cpu": 1 << 50}, {"sent": 1 << 49}, {"began": 1 << 62}, {"began": 0},
    {"queries": 3, "sql": 1_250_000}, {"sql": 5}, {"client": b"caf\xe9"}, {"client": b"a b"}, {"client": b"\x7f" * 255},
    {"request_id": b"a\tb"}, {"request_id": b"\xff" * 255}, {"client": b"~" * 255, "request_id": b"!" * 255}, {"tag": b"shop"},
]  # fmt: skip
RECEIPT = st.builds(lambda said, odd: USUAL._replace(**{**said, **odd}), SAID, st.sampled_from([{}] * 5 * len(ODD) + ODD))
RINGS = st.lists(st.lists(RECEIPT, min_size=1, max_size=24), min_size=1, max_size=4)


class Setting(NamedTuple):
    """What the dispatcher has been told, and whether its worker has a request that became an exchange, or a loop."""

    access: str = "prefork"
    logs: bool = True
    excluded: tuple[str, ...] = ()
    full: bool = False  # of the log: nothing has room
    busy: bool = False
    loop: bool = False


SETTINGS = st.builds(
    Setting, st.sampled_from(["prefork"] * 5 + ["combined"]), st.sampled_from([True] * 5 + [False]),
    st.sampled_from([(), ("/health",)]), st.sampled_from([False] * 5 + [True]), st.booleans(), st.booleans(),
)  # fmt: skip


class Book:
    """A dispatcher whose worker leaves receipts, while time stands still; and all that is known afterwards."""

    def __init__(self, directory: Path, setting: Setting, entries: Callable[[Any], Any] | None) -> None:
        SCOREBOARD.memory[:] = bytes(len(SCOREBOARD.memory))
        Ledger(SCOREBOARD).arrange([])
        TRACE.memory[:] = bytes(len(TRACE.memory))
        self.desk = Desk(directory)
        options = self.desk.traffic.options._replace(access_log=setting.logs, access_log_exclude=setting.excluded)
        self.desk.traffic.answers.apply(options)
        self.log = os.memfd_create("log")
        self.journal = Journal(Sink(self.log), level="info", as_json=False, logger="test", access=setting.access)
        self.journal.sink.waiting_bytes = 1 << 30 if setting.full else 0
        self.desk.traffic.journal = self.desk.traffic.answers.journal = self.journal
        self.hand = self.desk.hire()
        self.worker = self.hand.worker
        self.clients = [self.desk.connect() for _ in range(PLACES)]
        self.keys = [client.connection.descriptor for client in self.clients]
        if setting.busy:
            self.clients[3].send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: mine\r\n\r\n")
            self.hand.begin()
            assert self.worker.exchange
            self.worker.exchange.number = NUMBERS[2]
        loans = self.loans = self.borrow(setting.loop)
        loans.prefix = "abc.0.1"
        loans.till.words[WRITTEN] = loans.till.words[ENTERED] = RING - 2048  # they come in two pieces before long
        for client in self.clients[:3]:
            client.connection.loan = Loan(client.connection, self.worker)
            loans.lend(client.connection)
        loans.stop(self.keys[2])
        receipts = self.desk.traffic.lender.receipts
        receipts.entries = entries(receipts) if entries else None

    def borrow(self, loop: bool) -> Loans:
        """What its worker has on loan, which is one of the places of a loop or is not."""
        if loop:
            self.worker.loop = EventLoop(0, 2, 1, self.hand.slot, -1, None)
            self.worker.loop.places.append(self.worker)
            self.worker.loans = self.worker.loop.loans = LoopLoans(self.worker.loop)
        else:
            self.worker.loans = Loans(self.hand.slot, self.worker.wire)
        return self.worker.loans

    def leave(self, receipts: list[Receipt], resident: int) -> None:
        """Have receipts entered, as a worker with so much memory leaves them; their keys are places."""
        self.hand.slot[RESIDENT_AT] = resident
        for each in receipts:
            assert self.loans.till.put(pack_receipt(*each._replace(key=self.keys[each.key])))
        self.drain()

    def record(self) -> bytes:
        """The usual receipt as it lies in the memory."""
        return pack_receipt(*USUAL._replace(key=self.keys[0]))

    def leave_bytes(self, data: bytes) -> None:
        """The same for what is anything, from where the memory begins."""
        self.loans.till.words[ENTERED] = 0
        self.loans.till.words[WRITTEN] = len(data)
        self.loans.memory[self.loans.till.at : self.loans.till.at + len(data)] = data
        self.drain()

    def drain(self) -> None:
        self.desk.traffic.lender.receipts.drain(self.worker)

    def place(self, key: int) -> int:
        return self.keys.index(key)

    def state(self) -> dict[str, Any]:
        """All that was entered, keys as places."""
        accounts, loans = self.desk.traffic.accounts, self.loans
        self.journal.sink.waiting_bytes = 0
        self.journal.flush()
        return {
            "words": bytes(SCOREBOARD.memory),
            "samples": bytes(TRACE.memory),
            "log": os.pread(self.log, 1 << 20, 0),
            "dropped": self.journal.sink.dropped,
            "told": self.desk.loop.told,
            "clients": [(each.state, each.connection.tally.written, each.connection.deadline) for each in self.clients],
            "loans": [sorted(map(self.place, keys)) for keys in (loans.lent, loans.coming)],
            "read": {self.place(key): size for key, size in loans.read.items()},
            "heard": loans.told if isinstance(loans, LoopLoans) else loans.number,
            "pace": (accounts.pace.count, accounts.pace.fetched),
            "spent": accounts.ledger.spent,
            "last": accounts.bills.last,
        }

    def close(self) -> None:
        if self.worker.loop:
            self.loans.wire.close()
            self.worker.loop = None  # closing a place leaves all to its loop
        self.desk.close()
        os.close(self.journal.sink.descriptor)
        os.close(self.log)


class Both:
    """Does the same in both ways."""

    def __init__(self, directory: Path, entries: Callable[[Any], Any]) -> None:
        self.directory = directory
        self.entries = entries

    def same(self, setting: Setting, leave: Callable[[Book], None]) -> dict[str, Any]:
        """What is known when receipts are left, which is the same in both ways."""
        states = []
        for entries in (None, self.entries):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(time, "time", lambda: 1_800_000_000.5)
                patch.setattr(time, "monotonic", lambda: 5_000.0)
                with closing(Book(self.directory, setting, entries)) as book:
                    leave(book)
                    states.append(book.state())
        source, native = states
        for name in source:  # one after the other: nobody can read the difference of all the memory
            assert native[name] == source[name], name
        return source


@pytest.fixture
def both(tmp_path: Path) -> Both:
    return Both(tmp_path, native("dispatcher/entries").Entries)


TRIED = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@TRIED
@given(rings=RINGS, setting=SETTINGS)
def test_the_same_receipts_leave_the_same_behind(both: Both, rings: list[list[Receipt]], setting: Setting) -> None:
    def leave(book: Book) -> None:
        book.leave([USUAL._replace(asked=head) for head in HEADS], 0)  # what nothing was told of is none of the usual
        for turn, receipts in enumerate(rings):
            book.leave(receipts, turn << 20)

    both.same(setting, leave)


def test_what_is_heard_of_last_is_not_the_last_that_was_heard_of(both: Both) -> None:
    """Nobody leaves them so, but whoever writes into the memory of a worker can."""

    def leave(book: Book) -> None:
        book.leave([USUAL], 0)
        book.leave([USUAL._replace(number=USUAL.number + more) for more in (9, 12, 5)], 0)

    assert both.same(Setting(), leave)["heard"] == USUAL.number + 12


@TRIED
@given(count=st.integers(1, 4), end=st.floats(0, 1), place=st.floats(0, 1), there=st.binary(max_size=40), gone=st.integers(0, 40))
def test_so_does_nonsense(both: Both, count: int, end: float, place: float, there: bytes, gone: int) -> None:
    def leave(book: Book) -> None:
        book.leave([USUAL], 1 << 20)
        records = book.record() * count
        cut = records[: round(len(records) * end)]
        at = round(len(cut) * place)
        book.leave_bytes(cut[:at] + there + cut[at + gone :])

    both.same(Setting(), leave)


@pytest.mark.parametrize("room", [1, FIXED.size - 1, FIXED.size, len(pack_receipt(*USUAL)) + 1, 1 << 31, (1 << 32) - 1])
def test_nothing_is_entered_of_what_ends_in_nonsense(both: Both, room: int) -> None:
    def leave(book: Book) -> None:
        book.leave([USUAL], 1 << 20)
        book.leave_bytes(book.record() + room.to_bytes(4, "little") + book.record()[4:])

    state = both.same(Setting(), leave)
    assert state["told"] == [("faulty", "http.1")]
    assert state["read"] == {0: 40, 1: 0, 2: 0}


@pytest.mark.parametrize("figure", ["wait", "service", "sent", "cpu", "sql"])
def test_no_figure_is_too_large_for_the_totals(both: Both, figure: str) -> None:
    def leave(book: Book) -> None:
        book.leave([USUAL._replace(queries=1, **{figure: WRAP})] * 2 + [USUAL], 1 << 20)
        book.desk.traffic.tick(5_000.0)

    state = both.same(Setting(), leave)
    assert state["told"] == []
    assert state["read"][0] == 120


@pytest.mark.parametrize("scanned", [False, True])
def test_routes_that_became_one_and_settings_that_changed_are_looked_for_again(both: Both, scanned: bool) -> None:
    heads = [pack_asked(Asked(b"GET", b"", b"/p%d" % number, b"", b"")) for number in range(40)]
    answers = [USUAL._replace(asked=head, service=number << 20) for number, head in enumerate(heads)]

    def leave(book: Book) -> None:
        if scanned:  # heads are known, and their routes are not
            book.leave([answer._replace(status=404) for answer in answers], 0)
        for known in (20, 20, 40, 40, 40):
            book.leave(answers[:known], 0)
        ours = book.desk.traffic.answers
        ours.apply(ours.options._replace(access_log_exclude=("/p1*",)))
        book.leave(answers, 0)

    log = both.same(Setting(), leave)["log"]
    assert (log.count(b'/p1"'), log.count(b'/p2"')) == (5 + scanned, 6 + scanned)


def test_lines_of_the_usual_ones_are_written_together_and_a_pipe_takes_each_piece_whole(tmp_path: Path) -> None:
    book = Book(tmp_path, Setting(), native("dispatcher/entries").Entries)
    with closing(book):
        book.leave([USUAL], 0)
        book.journal.flush()
        book.leave([USUAL._replace(client=b"192.0.2.%d" % number, request_id=b"%x" % number) for number in range(100)], 0)
        pieces = list(book.journal.sink.waiting)
    assert 2 < len(pieces) < 10
    assert all(len(piece) <= select.PIPE_BUF for piece in pieces)
    assert b"".join(pieces).count(b"\n") == 100
