"""What the pages ask of the console, on behalf of one visitor: a contract without HTTP, which `own.py` fulfils, and tests do.

Rows are plain mappings, those that the API answers with. Whoever fulfils it checks the visitor's role; a page only leaves out what
would be refused. Every method raises one of `problems.EXPECTED`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from prefork.incidents import Incident
    from prefork.instances.logs import Line

Row = Any  # a mapping with values of JSON's types and datetimes
RANGES = {"1h": "1 hour", "24h": "24 hours", "7d": "7 days", "180d": "180 days"}


class Provisions(Protocol):
    """The instances that the console runs itself. Words are those of `provisions`, the models of the API."""

    def means(self) -> Row | None:
        """`plans`, each with its `workers` and its `machine`, and whether there can be `sites`; None where it runs none."""

    def prospect(self, identity: str, name: str, run: Mapping[str, Any]) -> Row:
        """What a new one would get, as `Prospect`."""

    def make(self, identity: str, name: str, run: Mapping[str, Any]) -> None:
        """Make and start a new one."""

    def find(self, identity: str) -> Row | None:
        """One, as `Provision` with its latest `works`; None where the console does not run it."""

    def steer(self, identity: str, action: str) -> None:
        """`start`, `stop` or `restart` one."""

    def upgrade(self, identity: str, changes: Mapping[str, Any]) -> None:
        """Have one be something else; without changes its code is loaded anew."""

    def delete(self, identity: str, *, data: bool) -> None:
        """Remove one that is stopped, with what it keeps or without."""


class Users(Protocol):
    """The people who may use the console, for an administrator. Words are those of `people`, the models of the API."""

    def listed(self) -> Sequence[Row]:
        """Everybody, as `User`."""

    def find(self, number: int) -> Row:
        """One of them."""

    def add(self, name: str, role: str) -> str:
        """Somebody more; returns the first password."""

    def change(self, number: int, role: str, grants: Mapping[str, str]) -> None:
        """Another role for all instances, and roles for single ones, which are all that there are then."""

    def renew(self, number: int) -> str:
        """Another password, which is returned; every login of theirs ends."""

    def remove(self, number: int) -> None:
        """Let somebody use the console no more."""

    def audit(self, before: int | None) -> tuple[Sequence[Row], int | None]:
        """What was done, as `AuditEntry`, the latest first; and before which entry older ones are, if there are any."""


class Source(Protocol):
    """The console, for one visitor."""

    @property
    def users(self) -> Users:
        """The people who may use it."""

    @property
    def provisions(self) -> Provisions:
        """The instances that it runs itself."""

    def instances(self) -> Sequence[Row]:
        """All that the visitor may see, as `models.Instance`; and their `usage` and its `level`."""

    def instance(self, identity: str) -> Row:
        """One of them."""

    def status(self, identity: str) -> Row:
        """The master's own answer."""

    def usage(self, identity: str) -> Row:
        """Both measures, level and recommendation, as `models.WorkerUsage`."""

    def health(self, identity: str) -> Row:
        """As `models.Health`."""

    def series(self, identity: str, span: str) -> Row:
        """`samples` and `marks` of a span, the `limits`, `step` in seconds between two samples."""

    def live(self, identity: str) -> AsyncIterator[tuple[str, Row]]:
        """`sample` and `mark` as they happen, an empty name where nothing is known. Ends after a while."""

    def stacks(self, identity: str, worker: str) -> Row:
        """worker, pid, state and stacks of one worker, now."""

    def retire(self, identity: str, pid: int) -> None:
        """Have a worker replaced after its current work."""

    def routes(self, identity: str) -> Sequence[Row]:
        """Where the time goes, as `models.Route`, the dearest first."""

    def limits(self, identity: str) -> Mapping[str, int]:
        """`soft limit` and `hard limit` of a worker's memory in bytes; 0 or absent where there is none."""

    def incidents(self, identity: str) -> Sequence[Incident]:
        """Those that are kept, the latest first."""

    def incident(self, identity: str, name: str) -> Incident:
        """One, by its id or its request's."""

    def jobs(self, identity: str) -> Sequence[Row]:
        """As `prefork jobs` lists them."""

    def job(self, identity: str, name: str) -> tuple[Row, Sequence[Row], Sequence[Row]]:
        """One, its runs under way, its ended attempts."""

    def steer(self, identity: str, name: str, action: str) -> None:
        """`run`, `pause` or `resume` a job."""

    def edit(self, identity: str, name: str, values: Mapping[str, str]) -> None:
        """Give a job other values, as a form has them."""

    def log(self, identity: str, level: str, text: str) -> Sequence[Line]:
        """The latest lines at or above a level that contain a text, the latest last."""

    def settings(self, identity: str) -> tuple[Row, str, Sequence[Row]]:
        """As `models.Settings`, their ETag, and the latest changes, as `models.Change`."""

    def consider(self, identity: str, values: Mapping[str, str]) -> Row:
        """What other values would mean, as `models.Meaning`."""

    def save(self, identity: str, values: Mapping[str, str], etag: str) -> int:
        """Write and apply them; returns the number of the change."""

    def change(self, identity: str, number: int) -> Row:
        """How far it is, as `models.Change`."""

    def undo(self, identity: str, number: int) -> int:
        """Put the values before a change back; returns the number of that change."""

    def alerts(self) -> Row:
        """`active` and `past` alerts, the `rules`, and whether anybody is told of them."""

    def tokens(self) -> Sequence[Row]:
        """The visitor's API tokens, as `models.Token`."""

    def make_token(self, name: str, scope: str, days: int | None) -> str:
        """A new one: what is shown once."""

    def revoke_token(self, number: int) -> None:
        """Let one be valid no longer."""

    def change_password(self, old: str, new: str) -> None:
        """Another one; every login of the visitor ends."""
