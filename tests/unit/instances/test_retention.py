"""What is over is forgotten when it is old, piece by piece, and what is not over stays however old it is."""

import json

import pytest

from prefork.instances import audit, changes, logins, provisions, retention, tokens, users
from prefork.instances.database import Database
from prefork.instances.history import SUMMARIES_FOR as KEPT
from prefork.instances.retention import OVER, tidy

NOW = 1_790_035_200.0
OLD, YOUNG = NOW - KEPT - 1, NOW - KEPT + 1


@pytest.fixture
def user(db: Database) -> int:
    return users.add(db, "kim", "correct horse battery", "operator")


def change(db: Database, ended: float | None, undoes: int | None = None) -> int:
    state = changes.RUNNING if ended is None else changes.DONE
    row = ("default", OLD, "kim", json.dumps({}), state, ended, undoes)
    columns = "instance_id, at, who, options, state, ended_at, undoes"
    made = db.change(f"INSERT INTO changes ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", *row)
    assert made.lastrowid
    return made.lastrowid


def ids(db: Database, table: str) -> list[int]:
    return [row["id"] for row in db.rows(f"SELECT id FROM {table} ORDER BY id")]


def test_the_audit_log_is_kept_for_as_long_as_the_past(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    for at in (*[OLD] * 5, YOUNG):
        audit.note(db, "kim", "::1", "reload")
        db.change("UPDATE audit SET at = ? WHERE id = (SELECT max(id) FROM audit)", at)
    tidy(db, NOW)
    assert ids(db, "audit") == [6]


def test_changes_go_once_they_have_ended_and_none_before_what_undoes_it(db: Database) -> None:
    undone, other, running = change(db, OLD), change(db, OLD), change(db, None)
    undoing = change(db, YOUNG, undone)
    tidy(db, NOW)
    assert ids(db, "changes") == [undone, running, undoing]
    assert other not in ids(db, "changes")
    for _ in range(2):
        tidy(db, NOW + 2)
    assert ids(db, "changes") == [running]


def test_works_go_once_they_have_ended(db: Database) -> None:
    provisions.add(db, "default", {}, {})
    for ended in (OLD, YOUNG, None):
        work = provisions.begin(db, "default", "kim", "restart")
        if ended is not None:
            db.change("UPDATE works SET state = 'done', ended_at = ? WHERE id = ?", ended, work.id)
    tidy(db, NOW)
    assert ids(db, "works") == [2, 3]


def test_tokens_are_shown_for_a_while_after_their_end(db: Database, user: int) -> None:
    numbers = [tokens.make(db, user, "t", "viewer", lifetime, now=0.0)[0] for lifetime in (OLD, YOUNG, NOW + 60, None)]
    tidy(db, NOW)
    assert [each.id for each in tokens.listed(db)] == numbers[1:]


def test_logins_go_when_they_have_ended(db: Database, user: int) -> None:
    idle, late, valid = (logins.begin(db, user, now) for now in (NOW - logins.IDLE - 1, NOW - logins.LIFETIME - 1, NOW - 60))
    db.change("UPDATE sessions SET seen_at = ? WHERE hash = ?", NOW, logins.digest(late.secret))
    tidy(db, NOW)
    assert logins.recognise(db, valid.secret, NOW)
    assert db.rows("SELECT hash FROM sessions") != []
    kept = {row["hash"] for row in db.rows("SELECT hash FROM sessions")}
    assert kept == {logins.digest(valid.secret)}
    assert logins.digest(idle.secret) not in kept


@pytest.mark.parametrize("statement", OVER)
def test_nothing_is_read_that_is_not_old(db: Database, statement: str) -> None:
    plan = " ".join(row["detail"] for row in db.rows(f"EXPLAIN QUERY PLAN {statement}", OLD, 1))
    assert "SCAN" not in plan.replace("SCAN tokens", ""), "there are few tokens"
