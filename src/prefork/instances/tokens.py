"""Tokens for programs: a scope, an end, and only a hash of what they come with. What a token has made is removed with it."""

from __future__ import annotations

import hmac
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from prefork.instances import users
from prefork.instances.database import Unusable
from prefork.instances.logins import digest
from prefork.instances.users import Declined

if TYPE_CHECKING:
    from prefork.instances.database import Database
    from prefork.instances.roles import Visitor

PREFIX = "prefork_"  # by which scanners of source code know it
MADE = """
WITH RECURSIVE made (id) AS (
    SELECT id FROM tokens WHERE id = ? AND (? IS NULL OR user_id = ?)
    UNION SELECT tokens.id FROM tokens JOIN made ON tokens.made_by = made.id
) SELECT id FROM made ORDER BY id
"""  # a token and all that come of it
STEP = 60.0  # seconds between two notes of when it was last used


class Token(NamedTuple):
    """One of somebody's tokens, `made_by` another one or by a person; times in seconds since 1970."""

    id: int
    name: str
    scope: str
    user_id: int
    created_at: float
    expires_at: float | None
    used_at: float | None
    made_by: int | None


def make(
    db: Database,
    user: int,
    name: str,
    scope: str,
    lifetime: float | None,
    now: float | None = None,
    made_by: str | None = None,
) -> tuple[int, str]:
    """A new one for somebody, valid for so many seconds: its number, and what to come with, which is told once.

    `made_by` is the hash of the token that makes it. Raises Declined where that has just been removed.
    """
    now = time.time() if now is None else now
    secret = PREFIX + secrets.token_urlsafe(32)
    row = (name, digest(secret), scope, user, now, now + lifetime if lifetime is not None else None)
    with db.transaction():
        maker = db.row("SELECT id FROM tokens WHERE hash = ?", made_by)  # numbers are given again
        if made_by and not maker:
            raise Declined("the token that makes this one has just been removed")
        made = db.change(
            "INSERT INTO tokens (name, hash, scope, user_id, created_at, expires_at, made_by) VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(*row, maker["id"] if maker else None),
        )
    assert made.lastrowid is not None
    return made.lastrowid, secret


def recognise(db: Database, secret: str, now: float | None = None) -> Visitor | None:
    """Whose token this is, while it is valid: they, with no more rights than its scope."""
    now = time.time() if now is None else now
    hashed = digest(secret)
    row = db.row("SELECT id, hash, scope, user_id, expires_at, used_at FROM tokens WHERE hash = ?", hashed)
    if row is None or not hmac.compare_digest(row["hash"], hashed) or (row["expires_at"] is not None and now >= row["expires_at"]):
        return None
    if row["used_at"] is None or now - row["used_at"] > STEP:
        with suppress(Unusable):  # a full disk keeps nobody from looking
            db.change("UPDATE tokens SET used_at = ? WHERE id = ?", now, row["id"])
    user = users.find(db, row["user_id"])
    return user.visitor(ceiling=row["scope"], until=row["expires_at"], token=hashed) if user else None


def listed(db: Database, user: int | None = None) -> list[Token]:
    """Somebody's, or all."""
    columns = "id, name, scope, user_id, created_at, expires_at, used_at, made_by"
    return [Token(*row) for row in db.rows(f"SELECT {columns} FROM tokens WHERE ? IS NULL OR user_id = ? ORDER BY id", user, user)]  # noqa: S608 - the columns above


def remove(db: Database, token: int, user: int | None = None) -> list[int]:
    """Have it count no more, with `user` only one of theirs, nor what was made with it: all their numbers."""
    with db.transaction():
        found = [row["id"] for row in db.rows(MADE, token, user, user)]
        db.change("DELETE FROM tokens WHERE id = ? AND (? IS NULL OR user_id = ?)", token, user, user)
    return found
