"""The people who may use the console, their passwords (Argon2id) and what they may do with which instance."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from prefork.instances.roles import ADMINISTRATOR, Visitor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from argon2 import PasswordHasher

    from prefork.instances.database import Database

FIRST = "admin"
SHORTEST = 12  # characters of a password
LONGEST = 1024
MEMORY = 19_456  # KiB for a password: what OWASP advises for Argon2id with two passes, and one is checked at a time


class Declined(Exception):
    """This cannot be done; the sentence says why."""


class User(NamedTuple):
    """Somebody, without the password."""

    id: int
    name: str
    role: str
    created_at: float
    grants: Mapping[str, str]

    def visitor(
        self, ceiling: str = ADMINISTRATOR, csrf: str | None = None, until: float | None = None, token: str | None = None
    ) -> Visitor:
        """Them at work."""
        return Visitor(self.id, self.name, self.role, self.grants, ceiling, csrf, until, token)


class Passwords:
    """Makes and checks hashes, one at a time: each takes its memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hasher: PasswordHasher | None = None
        self._decoy = ""

    def hash(self, password: str) -> str:
        """What is kept of a password."""
        with self._lock:
            return self._made().hash(password)

    def fits(self, kept: str | None, password: str) -> bool:
        """Whether a password is the one that was kept. Without one it takes as long, so that nobody learns which names exist."""
        from argon2.exceptions import InvalidHashError, VerificationError

        with self._lock:
            hasher = self._made()
            try:
                return hasher.verify(kept or self._decoy, password) and kept is not None
            except (VerificationError, InvalidHashError):
                return False

    def _made(self) -> PasswordHasher:
        if self._hasher is None:
            from argon2 import PasswordHasher

            self._hasher = PasswordHasher(time_cost=2, memory_cost=MEMORY, parallelism=1)
            self._decoy = self._hasher.hash(secrets.token_hex())
        return self._hasher


passwords = Passwords()


def generated() -> str:
    """A password that nobody guesses and one can type."""
    return secrets.token_urlsafe(15)


def make_first(db: Database) -> str | None:
    """The first account's password, if there was none yet."""
    if db.row("SELECT 1 FROM users"):
        return None
    password = generated()
    add(db, FIRST, password, ADMINISTRATOR)
    return password


def add(db: Database, name: str, password: str, role: str) -> int:
    """Let somebody use the console. Raises Declined."""
    check(password)
    hashed = passwords.hash(password)
    try:
        made = db.change(
            "INSERT INTO users (name, password, role, created_at) VALUES (?, ?, ?, ?)", name, hashed, role, time.time()
        )
    except sqlite3.IntegrityError:
        raise Declined(f"there is a user {name} already; choose another name") from None
    assert made.lastrowid is not None
    return made.lastrowid


def check(password: str) -> None:
    """Raises Declined for one that is too short to keep anybody out."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Declined(f"a password has {SHORTEST} to {LONGEST} characters; choose a longer one")


def find(db: Database, user: int) -> User | None:
    """Somebody by number."""
    row = db.row("SELECT id, name, role, created_at FROM users WHERE id = ?", user)
    return User._make([*row, grants_of(db, row["id"])]) if row else None


def named(db: Database, name: str) -> User | None:
    """Somebody by name."""
    row = db.row("SELECT id FROM users WHERE name = ?", name)
    return find(db, row["id"]) if row else None


def listed(db: Database) -> list[User]:
    """Everybody."""
    rows = db.rows("SELECT id, name, role, created_at FROM users ORDER BY name")
    return [User._make([*row, grants_of(db, row["id"])]) for row in rows]


def grants_of(db: Database, user: int) -> dict[str, str]:
    """Which instances somebody has a role for, beside the one for all."""
    return {row["instance_id"]: row["role"] for row in db.rows("SELECT instance_id, role FROM grants WHERE user_id = ?", user)}


def recognise(db: Database, name: str, password: str) -> User | None:
    """Who this is, if name and password fit."""
    row = db.row("SELECT id, password FROM users WHERE name = ?", name)
    if not passwords.fits(row["password"] if row else None, password[: LONGEST + 1]) or row is None:
        return None
    return find(db, row["id"])


def set_password(db: Database, user: int, password: str) -> None:
    """Give somebody another password; whoever is logged in as them is not any more. Raises Declined."""
    check(password)
    hashed = passwords.hash(password)
    with db.transaction():
        db.change("UPDATE users SET password = ? WHERE id = ?", hashed, user)
        db.change("DELETE FROM sessions WHERE user_id = ?", user)


def set_role(db: Database, user: int, role: str) -> None:
    """Give somebody another role for all instances. Raises Declined where nobody would be left who may do that."""
    with db.transaction():
        db.change("UPDATE users SET role = ? WHERE id = ?", role, user)
        keep_one(db)


def set_grants(db: Database, user: int, grants: Mapping[str, str]) -> None:
    """Say which instances somebody has a role for, and no other ones. Raises Declined."""
    with db.transaction():
        db.change("DELETE FROM grants WHERE user_id = ?", user)
        for instance, role in grants.items():
            if not db.row("SELECT 1 FROM instances WHERE id = ?", instance):
                raise Declined(f"there is no instance {instance}")
            db.change("INSERT INTO grants (user_id, instance_id, role) VALUES (?, ?, ?)", user, instance, role)


def remove(db: Database, user: int) -> None:
    """Let somebody use the console no more. Raises Declined where nobody would be left who may do that."""
    with db.transaction():
        db.change("DELETE FROM users WHERE id = ?", user)
        keep_one(db)


def keep_one(db: Database) -> None:
    """Raises Declined where no administrator is left."""
    if not db.row("SELECT 1 FROM users WHERE role = ?", ADMINISTRATOR):
        raise Declined("this is the last administrator; make another one first")
