"""What the pages ask of the console, on behalf of one visitor: a contract without HTTP, which tests and previews fulfil, too.

Rows are plain mappings, those that the API answers with. Whoever fulfils it checks the visitor's role; a page only leaves out what
would be refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from prefork.incidents import Incident

Row = Any  # a mapping with values of JSON's types and datetimes
RANGES = {"1h": "1 hour", "24h": "24 hours", "7d": "7 days", "180d": "180 days"}


class Refused(Exception):
    """The console does not do it; `status` is HTTP's, `title` a few words, the message a sentence for people."""

    def __init__(self, status: int, title: str, message: str, problems: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.title = title
        self.problems = dict(problems or {})  # what is wrong with a field, by its name


class Visitor(Protocol):
    """Who looks at a page. `csrf` is in every form."""

    @property
    def name(self) -> str:
        """By which they log in."""

    @property
    def role(self) -> str:
        """For all instances."""

    @property
    def csrf(self) -> str | None:
        """What each form has to bring along."""

    def may(self, role: str, instance: str | None = None) -> bool:
        """Whether they have at least this role, for an instance or for the console itself."""


class Source(Protocol):
    """Every method raises Refused, with 404 for what is not there or not the visitor's to see, 503 for a server that does not answer."""

    def instances(self) -> Sequence[Row]:
        """All that the visitor may see: id, name, plan, app, node, state, ready, wanted, usage, level, version, uptime, problem."""

    def instance(self, identity: str) -> Row:
        """One of them."""

    def status(self, identity: str) -> Row:
        """The master's own answer."""

    def usage(self, identity: str) -> Row:
        """Both measures, level and recommendation, and `advice` with its numbers where there are enough data."""

    def health(self, identity: str) -> Sequence[Row]:
        """name, value, level and detail of each thing that was looked at."""

    def series(self, identity: str, span: str) -> Row:
        """`samples` and `marks` of a span, the `limits`, `step` in seconds between two samples."""

    def live(self, identity: str) -> AsyncIterator[tuple[str, Row]]:
        """`sample` and `mark` as they happen; an empty name from time to time, so that one who has left is noticed."""

    def stacks(self, identity: str, worker: str) -> Row:
        """worker, pid, state and stacks of one worker, now."""

    def retire(self, identity: str, worker: str) -> None:
        """Have a worker replaced after its current work."""

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

    def log(self, identity: str, level: str, text: str) -> Sequence[Row]:
        """time, level, event and text of the latest lines at or above a level that contain a text, the latest last."""

    def settings(self, identity: str) -> Row:
        """`values` as people write them, `etag`, `plan`, `most` workers or None, `machine` in words, `changes` (the latest first)."""

    def consider(self, identity: str, values: Mapping[str, str]) -> Row:
        """What other values would mean: `changed` (name, old, new), `meaning` (name, before, after, level), `manner`."""

    def save(self, identity: str, values: Mapping[str, str], etag: str) -> int:
        """Write and apply them; returns the number of the change, which `change` tells the progress of."""

    def change(self, identity: str, number: int) -> Row:
        """state, message, manner, who, at, options, and `ready` of `wanted` workers of the new generation while it runs."""

    def undo(self, identity: str, number: int) -> int:
        """Put the values before a change back; returns the number of that change."""

    def alerts(self) -> Row:
        """`active` and `past` alerts, the `rules`, and the `channels` that tell of them."""

    def tokens(self) -> Sequence[Row]:
        """The visitor's API tokens: id, name, scope, created_at, expires_at, used_at."""

    def make_token(self, name: str, scope: str, days: int | None) -> str:
        """A new one: what is shown once."""

    def revoke_token(self, number: int) -> None:
        """Let one be valid no longer."""

    def change_password(self, old: str, new: str) -> None:
        """Another one; every other session of the visitor ends."""
