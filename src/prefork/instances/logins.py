"""Who is logged in: a secret in a cookie, of which only the hash is kept, and a token that each change has to bring along."""

from __future__ import annotations

import hashlib
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from prefork.instances import users
from prefork.instances.database import Unusable

if TYPE_CHECKING:
    from prefork.instances.database import Database
    from prefork.instances.roles import Visitor

LIFETIME = 12 * 3600.0  # seconds of a login
IDLE = 2 * 3600.0  # seconds without a request that end it
STEP = 60.0  # seconds between two notes of when it was last used


class Login(NamedTuple):
    """What the browser gets: the cookie's secret and the token for changes."""

    secret: str
    csrf: str


def begin(db: Database, user: int, now: float | None = None) -> Login:
    """Log somebody in, always with a new secret: one that an attacker has planted becomes nobody's."""
    now = time.time() if now is None else now
    login = Login(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    row = (digest(login.secret), user, login.csrf, now, now)
    db.change("INSERT INTO sessions (hash, user_id, csrf, created_at, seen_at) VALUES (?, ?, ?, ?, ?)", *row)
    return login


def recognise(db: Database, secret: str, now: float | None = None) -> Visitor | None:
    """Who this is, while the login lasts."""
    now = time.time() if now is None else now
    hashed = digest(secret)
    row = db.row("SELECT user_id, csrf, created_at, seen_at FROM sessions WHERE hash = ?", hashed)
    # One of a time to come was begun while the clock was ahead: it would last until then.
    if row is None or abs(now - row["created_at"]) > LIFETIME or abs(now - row["seen_at"]) > IDLE:
        return None
    if abs(now - row["seen_at"]) > STEP:
        with suppress(Unusable):  # a full disk keeps nobody from looking
            db.change("UPDATE sessions SET seen_at = ? WHERE hash = ?", now, hashed)
    user = users.find(db, row["user_id"])
    return user.visitor(csrf=row["csrf"]) if user else None


def end(db: Database, secret: str) -> None:
    """Log out."""
    db.change("DELETE FROM sessions WHERE hash = ?", digest(secret))


def forget(db: Database, now: float) -> None:
    """Forget those that have ended."""
    db.change("DELETE FROM sessions WHERE abs(? - created_at) > ? OR abs(? - seen_at) > ?", now, LIFETIME, now, IDLE)


def digest(secret: str) -> str:
    """What is kept of a secret that nobody guesses: so whoever reads the file cannot come with it."""
    return hashlib.sha256(secret.encode()).hexdigest()
