"""The bus: what is published in a transaction is heard once, in the order of commits, whatever happens to hub and database."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.applications.postgres import Postgres
from tests.store.listening import Ear, fact, running
from tests.store.pgbouncer import PgBouncer
from tests.store.relay import Relay

from prefork import bus
from prefork.bus.hub import Hub
from prefork.store import bus as store
from prefork.store.address import Address, address
from prefork.store.connection import Unavailable, connect


@pytest.fixture
def writer(database: psycopg.Connection, dsn: str) -> Iterator[psycopg.Connection]:
    """A connection of an application, with transactions."""
    with psycopg.connect(dsn) as connection:
        yield connection


def in_loop(test: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    asyncio.run(test(*arguments))


def test_what_is_published_is_heard_when_its_transaction_commits(writer: psycopg.Connection) -> None:
    async def tell() -> None:
        hub, ear, other = Hub(address()), Ear(), Ear()
        async with running(hub):
            start = hub.attach(ear, frozenset({"orders"}), None)
            hub.attach(other, frozenset({"stock"}), None)
            bus.publish(writer, "orders", {"id": 7})
            bus.publish(writer, "orders", "ö\0")
            bus.publish(writer, "stock", None)
            assert ear.heard == []
            writer.commit()
            await ear.hears(2)
            await other.hears(1)
            assert [json.loads(payload) for payload in ear.payloads] == [{"id": 7}, "ö\0"]
            assert [message.position for message in (*ear.heard, *other.heard)] == [start + 1, start + 2, start + 3]

    in_loop(tell)


def test_who_began_first_and_commits_last_is_heard_too(dsn: str, database: psycopg.Connection) -> None:
    async def tell() -> None:
        hub, ear = Hub(address()), Ear()
        with psycopg.connect(dsn) as first, psycopg.connect(dsn) as second:
            async with running(hub):
                hub.attach(ear, frozenset({"a"}), None)
                bus.publish(first, "a", "began first")
                bus.publish(second, "a", "committed first")
                second.commit()
                await ear.hears(1)
                first.commit()
                await ear.hears(2)
                bus.publish(second, "a", "the end")
                second.commit()
                await ear.hears(3)
        assert ear.payloads == ['"committed first"', '"began first"', '"the end"']

    in_loop(tell)


def test_a_rollback_publishes_nothing(writer: psycopg.Connection) -> None:
    async def tell() -> None:
        hub, ear = Hub(address()), Ear()
        async with running(hub):
            hub.attach(ear, frozenset({"a"}), None)
            bus.publish(writer, "a", "never")
            writer.rollback()
            with writer.transaction():
                with writer.transaction():
                    bus.publish(writer, "a", "neither")
                    raise psycopg.Rollback
                bus.publish(writer, "a", "kept")
            await ear.hears(1)
            assert ear.payloads == ['"kept"']

    in_loop(tell)


def test_a_message_that_cannot_be_given_its_place_says_why(dsn: str, database: psycopg.Connection) -> None:
    with psycopg.connect(dsn) as slow, psycopg.connect(dsn) as hasty:
        bus.publish(slow, "a", 1)
        slow.execute("SET CONSTRAINTS ALL IMMEDIATE")  # it has its position, and does not commit
        hasty.execute("SET lock_timeout = '50ms'")
        bus.publish(hasty, "stock", 2)
        said = r"a message on channel stock is not published, and its transaction undone: canceling statement due to lock timeout"
        with pytest.raises(psycopg.errors.LockNotAvailable, match=said):
            hasty.commit()
        slow.commit()
    assert database.execute("SELECT channel FROM prefork.messages").fetchall() == [("a",)]


def test_repeatable_reads_and_roles_that_may_only_publish(dsn: str, database: psycopg.Connection) -> None:
    database.execute(
        "DROP ROLE IF EXISTS clerk; CREATE ROLE clerk; GRANT USAGE ON SCHEMA prefork TO clerk;"
        "GRANT INSERT ON prefork.messages TO clerk"
    )
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as other:
        for connection in (one, other):
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("SET ROLE clerk")
            connection.execute("SELECT count(*) FROM pg_class")  # its snapshot is older than what the other one commits
        for connection in (one, other):
            bus.publish(connection, "a", 1)
            connection.commit()
    assert database.execute("SELECT count(position), count(DISTINCT position) FROM prefork.messages").fetchone() == (2, 2)
    database.execute("DROP OWNED BY clerk; DROP ROLE clerk")


def test_a_message_finds_its_place_without_a_look_at_all_others(writer: psycopg.Connection, database: psycopg.Connection) -> None:
    def scans() -> int:
        for connection in (writer, database):
            connection.execute("SELECT pg_stat_force_next_flush()")
            connection.commit()
        (count,) = database.execute("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'messages'").fetchone() or ()
        return count

    database.execute("VACUUM (ANALYZE) prefork.messages")  # it is known to be empty: a session that plans now finds looking cheap
    before = scans()
    for _ in range(10):
        bus.publish(writer, "a", 1)
        writer.commit()
    assert scans() == before


def test_it_publishes_on_a_connection_of_its_own(database: psycopg.Connection) -> None:
    bus.publish(None, "a", [1])
    assert database.execute("SELECT channel, payload FROM prefork.messages").fetchall() == [("a", [1])]


@pytest.mark.parametrize(
    ("channel", "payload", "kind", "sentence"),
    [
        ("", 1, ValueError, "'' is no name of a channel; use 1 to 200 characters"),
        ("x" * 201, 1, ValueError, "is no name of a channel"),
        ("a", float("nan"), ValueError, "not JSON compliant"),
        ("a", object(), TypeError, "not JSON serializable"),
        ("a", "x" * 65_536, ValueError, "a message of 65538 bytes is too large; keep it elsewhere and publish where"),
    ],
)
def test_what_cannot_be_published_is_refused(channel: str, payload: object, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        bus.publish(None, channel, payload)


def test_a_connection_of_an_event_loop_is_refused(dsn: str, database: psycopg.Connection) -> None:
    async def tell() -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            with pytest.raises(TypeError, match="AsyncConnection belongs to an event loop; use a connection that is not"):
                bus.publish(connection, "a", 1)

    in_loop(tell)


def test_who_comes_back_hears_what_it_has_missed_and_then_what_is_new(writer: psycopg.Connection) -> None:
    async def tell() -> None:
        first, second, ear = Hub(address()), Hub(address()), Ear()
        async with running(first):
            start = first.attach(ear, frozenset({"a"}), None)
            bus.publish(writer, "a", 1)
            writer.commit()
            await ear.hears(1)
        for number in (2, 3):
            bus.publish(writer, "a", number)
        writer.commit()
        async with running(second):
            assert second.attach(ear, frozenset({"a"}), ear.heard[-1].position) == start + 1
            await ear.hears(3)
            bus.publish(writer, "a", 4)
            writer.commit()
            await ear.hears(4)
        assert ear.payloads == ["1", "2", "3", "4"]

    in_loop(tell)


def test_a_lost_bell_is_covered_by_a_look(writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell() -> None:
        hub, ear = Hub(address()), Ear()
        async with running(hub):
            hub.attach(ear, frozenset({"a"}), None)
            bus.publish(writer, "a", 1)
            writer.commit()
            await ear.hears(1)

    monkeypatch.setattr("prefork.bus.hub.POLL", 0.2)
    monkeypatch.setattr("prefork.store.bus.SQL", {**store.SQL, "listen": b"LISTEN nothing_at_all"})
    in_loop(tell)


def test_who_fails_to_listen_is_let_go_and_nobody_else(writer: psycopg.Connection) -> None:
    async def tell() -> None:
        said: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))
        hub, ear, broken = Hub(address()), Ear(), Ear()
        broken.deliver = lambda messages: messages[-1].failure
        async with running(hub):
            for each in (broken, ear):
                hub.attach(each, frozenset({"a"}), None)
            bus.publish(writer, "a", 1)
            writer.commit()
            await ear.hears(1)
            assert list(hub.audience.seats) == [ear]
        assert len(said) == 1
        assert "failed to take messages and is detached from the bus" in said[0]

    in_loop(tell)


def test_a_cut_connection_is_told_once_and_loses_nothing(writer: psycopg.Connection, database: psycopg.Connection) -> None:
    async def tell() -> None:
        told: list[str] = []
        hub, ear = Hub(address(), tell=lambda event, **_: told.append(event)), Ear()
        async with running(hub):
            hub.attach(ear, frozenset({"a"}), None)
            bus.publish(writer, "a", 1)
            writer.commit()
            await ear.hears(1)
            # The youngest: of an earlier test's hub PostgreSQL may still be on its way to close it.
            youngest = "FROM pg_stat_activity WHERE application_name = 'prefork bus' ORDER BY backend_start DESC LIMIT 1"
            cut = f"SELECT pg_terminate_backend(pid) FROM (SELECT pid {youngest}) AS found"
            assert database.execute(cut).fetchall() == [(True,)]
            bus.publish(writer, "a", 2)
            writer.commit()
            await ear.hears(2)
            await fact(lambda: told == ["bus_unreachable", "bus_reachable"])
        assert ear.payloads == ["1", "2"]

    in_loop(tell)


def test_an_answer_that_is_cut_anywhere_is_asked_for_again(
    dsn: str, postgres: Postgres, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell() -> None:
        async with Relay(postgres.port) as relay:
            hub, ear = Hub(Address(dsn.replace(str(postgres.port), str(relay.port)))), Ear()
            async with running(hub):
                hub.attach(ear, frozenset({"a"}), None)
                for number, step in enumerate(range(0, 1_500, 50)):
                    relay.cuts = iter([10_000, step])  # its schema is looked at, then it reads
                    relay.cut()
                    for each in (2 * number, 2 * number + 1):
                        bus.publish(writer, "a", each)
                        writer.commit()
                    await ear.hears(2 * number + 2)
        assert ear.payloads == [str(number) for number in range(60)]

    for name in ("FIRST", "CAP"):
        monkeypatch.setattr(f"prefork.bus.hub.{name}", 0.002)
    in_loop(tell)


def test_what_a_failover_has_lost_is_told_and_all_that_is_published_after_it_is_heard(
    dsn: str, postgres: Postgres, database: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell(standby: Postgres) -> None:
        async with Relay(postgres.port) as relay:
            hub, ear, late = Hub(Address(dsn.replace(str(postgres.port), str(relay.port)))), Ear(), Ear()
            async with running(hub):
                hub.attach(ear, frozenset({"a"}), None)
                publish_many(database, 3)
                await fact(lambda: followed(database))
                standby.query("postgres", "ALTER SYSTEM SET primary_conninfo = ''")
                standby.query("postgres", "SELECT pg_reload_conf()")
                await fact(lambda: not standby.query("postgres", "SELECT FROM pg_stat_wal_receiver"))
                publish_many(database, 50)
                await ear.hears(53)
                relay.open = False
                relay.cut()
                assert standby.query("postgres", "SELECT pg_promote()") == [("t",)]
                relay.upstream = standby.port
                with psycopg.connect(dsn.replace(str(postgres.port), str(standby.port)), autocommit=True) as after:
                    publish_many(after, 40)  # as many as reach beyond what was heard
                    relay.open = True
                    hub.attach(late, frozenset({"a"}), 30)
                    await ear.hears(53 + 1 + 40)
                    await late.hears(1 + 40)
                    publish_many(after, 1)
                    await ear.hears(53 + 1 + 40 + 1)
        for heard in (ear.heard[53:], late.heard[:41]):
            assert heard[0] == (3, "", b'{"lost": true}')
            assert [message.payload.decode() for message in heard[1:41]] == [str(number) for number in range(40)]
        assert ear.payloads[-1] == "0"

    monkeypatch.setattr("prefork.bus.hub.CAP", 0.1)
    with postgres.standby(tmp_path / "standby") as standby:
        in_loop(tell, standby)


def followed(database: psycopg.Connection) -> bool:
    """Whether a standby has everything."""
    return database.execute("SELECT replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication").fetchall() == [(True,)]


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_it_works_through_a_pooler(
    dsn: str, postgres: Postgres, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell(where: Address) -> None:
        hub, ear = Hub(where), Ear()
        async with running(hub):
            hub.attach(ear, frozenset({"a"}), None)
            await fact(lambda: not hub.audience.behind)
            for number in range(20):
                with connect(where, "writer") as writer:
                    bus.publish(writer, "a", number)
                await ear.hears(number + 1)

    monkeypatch.setattr("prefork.bus.hub.POLL", 120.0)  # no look helps
    with PgBouncer.before(postgres, tmp_path, mode) as pgbouncer:
        pooled = dsn.replace(postgres.uri, pgbouncer.uri)
        shared = mode == "transaction"
        in_loop(tell, Address(pooled, listen=dsn if shared else None, prepare=None if shared else 5, patience=10.0))


def test_before_the_database_is_there_who_knows_a_position_may_wait() -> None:
    async def tell() -> None:
        hub, ear = Hub(None), Ear()
        with pytest.raises(Unavailable, match="the bus is not there yet, as its database has not been reached; try again"):
            hub.attach(ear, frozenset({"a"}), None)
        assert hub.attach(ear, frozenset({"a"}), 5) == 5

    in_loop(tell)


# What is kept.


def publish_many(database: psycopg.Connection, count: int) -> None:
    with database.transaction():
        for number in range(count):
            bus.publish(database, "a", number)


def kept(database: psycopg.Connection) -> tuple[int, int, int]:
    """The first and the last message that there is, and the floor."""
    row = database.execute("SELECT min(position), max(position), (SELECT floor FROM prefork.bus) FROM prefork.messages").fetchone()
    assert row
    return row


async def forget(dsn: str, age: float, most: int) -> int:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        return await store.forget(connection, store.Kept(age, most))


def test_what_is_too_old_or_too_many_is_forgotten(database: psycopg.Connection, dsn: str) -> None:
    publish_many(database, 10)
    assert asyncio.run(forget(dsn, 3600, 1000)) == 0
    assert (asyncio.run(forget(dsn, 3600, 6)), kept(database)) == (4, (5, 10, 4))
    database.execute("UPDATE prefork.messages SET at = at - interval '2 hours' WHERE position <= 8")
    assert (asyncio.run(forget(dsn, 3600, 6)), kept(database)) == (4, (9, 10, 8))
    assert (asyncio.run(forget(dsn, 0, 6)), kept(database)) == (2, (None, None, 10))
    publish_many(database, 1)
    assert kept(database) == (11, 11, 10)


def test_what_a_reader_has_not_had_is_kept_while_it_is_there(
    database: psycopg.Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_many(database, 10)
    database.execute("INSERT INTO prefork.readers VALUES ('slow', 3), ('quick', 9)")
    assert (asyncio.run(forget(dsn, 0, 1000)), kept(database)) == (3, (4, 10, 3))
    monkeypatch.setattr(store, "PATIENCE", 0.0)
    assert (asyncio.run(forget(dsn, 0, 1000)), kept(database)) == (7, (None, None, 10))


def test_messages_are_counted_whatever_their_positions_are(database: psycopg.Connection, dsn: str) -> None:
    publish_many(database, 5)
    database.execute("SELECT setval('prefork.starts', 1)")  # as if the server had been started since
    publish_many(database, 5)
    assert kept(database)[1] > 1_000_000_000
    assert (asyncio.run(forget(dsn, 3600, 6)), kept(database)[0]) == (4, 5)


def test_who_committed_late_takes_nobody_along(database: psycopg.Connection, dsn: str) -> None:
    with psycopg.connect(dsn) as slow:
        bus.publish(slow, "a", "began first")
        publish_many(database, 3)
        slow.commit()
    publish_many(database, 6)
    assert (asyncio.run(forget(dsn, 3600, 9)), kept(database)[0]) == (0, 1)


def test_two_at_once_forget_once(database: psycopg.Connection, dsn: str) -> None:
    publish_many(database, 10)
    with psycopg.connect(dsn) as other:
        other.execute("SELECT FROM prefork.bus FOR UPDATE")
        assert asyncio.run(forget(dsn, 0, 1000)) == 0


def test_who_comes_back_too_late_is_told_so(database: psycopg.Connection, dsn: str) -> None:
    async def tell() -> None:
        hub, ear = Hub(address()), Ear()
        async with running(hub):
            hub.attach(ear, frozenset({"a"}), 2)
            await ear.hears(3)
        assert [message[:2] for message in ear.heard] == [(8, ""), (9, "a"), (10, "a")]
        assert ear.payloads == ['{"lost": true}', "8", "9"]

    publish_many(database, 10)
    asyncio.run(forget(dsn, 3600, 2))
    in_loop(tell)


def test_a_hub_says_that_it_is_there_and_when_it_leaves(database: psycopg.Connection) -> None:
    def readers() -> list[tuple[int]]:
        return database.execute("SELECT position FROM prefork.readers").fetchall()

    async def tell() -> None:
        hub, late = Hub(address()), Ear()
        async with running(hub):
            await fact(lambda: readers() == [(3,)])
            assert hub.attach(late, frozenset({"a"}), None) == 3
        assert readers() == []

    publish_many(database, 3)
    in_loop(tell)


def test_who_begins_where_a_page_was_made_hears_all_that_came_since(writer: psycopg.Connection) -> None:
    async def tell() -> None:
        made = bus.position(writer)
        writer.commit()
        bus.publish(writer, "a", {"n": 3})
        assert bus.position(None) == made == 2, "what has not committed is not there yet"
        writer.commit()
        hub, ear = Hub(address()), Ear()
        hub.attach(ear, frozenset({"a"}), made)
        async with running(hub):
            await ear.hears(1)
        assert list(map(json.loads, ear.payloads)) == [{"n": 3}]
        assert bus.position(writer) == 3

    publish_many(writer, 2)
    in_loop(tell)


# Who is there.


def test_who_enters_and_leaves_is_known_and_told_once(writer: psycopg.Connection) -> None:
    async def tell() -> None:
        hub, ear = Hub(address()), Ear()
        async with running(hub):
            hub.attach(ear, frozenset({"presence:room"}), None)
            for member in ("ben", "ana", "ben"):
                bus.enter(writer, "room", member)
                writer.commit()
            assert (bus.present(writer, "room"), bus.present(writer, "other")) == (["ana", "ben"], [])
            for member in ("ben", "ben"):
                bus.leave(writer, "room", member)
                writer.commit()
            await ear.hears(3)
            assert bus.present(writer, "room") == ["ana"]
        assert list(map(json.loads, ear.payloads)) == [{"joined": "ben"}, {"joined": "ana"}, {"left": "ben"}]

    in_loop(tell)


def test_who_is_not_seen_for_long_has_left(database: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell() -> None:
        hub, ear = Hub(address()), Ear()
        hub.attach(ear, frozenset({"presence:room"}), 0)
        async with running(hub):
            await ear.hears(2)
        assert list(map(json.loads, ear.payloads)) == [{"joined": "ana"}, {"left": "ana"}]

    bus.enter(None, "room", "ana")
    monkeypatch.setattr(store, "PATIENCE", 0.0)
    assert bus.present(None, "room") == []
    in_loop(tell)
    assert database.execute("SELECT count(*) FROM prefork.presence").fetchone() == (0,)


class Wrapped:
    """A connection as SQLAlchemy has it: that of the driver is inside, and it has no cursor itself."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection


def test_it_publishes_through_what_wraps_a_connection(writer: psycopg.Connection, database: psycopg.Connection) -> None:
    bus.publish(Wrapped(writer), "a", 1)
    writer.commit()
    assert database.execute("SELECT channel FROM prefork.messages").fetchall() == [("a",)]
