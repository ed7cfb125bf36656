"""A server behind a console elsewhere: the same answers as those of one on this machine, from the REST API."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from prefork.cli.api import Api
from prefork.cli.asking import RELOAD_LIMIT, understood
from prefork.cli.near import LAST
from prefork.incidents import Incident

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.cli.settings import Meant

    Row = dict[str, Any]

TIMES = {"due_at", "claimed_at", "lease_until", "ended_at", "first_failed_at"}


class Far:
    """One of a console's servers."""

    def __init__(self, url: str, instance: str, meant: Meant) -> None:
        self.api = Api(url, meant)
        self.instance = instance
        self.place = f"/instances/{quote(instance, safe='')}"

    def where(self) -> str:
        """Its console."""
        return f"of {self.instance} at {self.api.url}"

    def name(self) -> str:
        """By its id and its console."""
        return f"{self.instance} at {self.api.url}"

    def status(self) -> Row:
        """Asked of the console."""
        found: Row = self.api.get(f"{self.place}/status")
        return found

    def usage(self) -> Row:
        """Measured there."""
        found = self.api.get(f"{self.place}/worker-usage", range="1h")
        del found["history"]
        return {**found, "health": self.health()["machine"]}

    def past(self, span: str) -> Row:
        """What the console has recorded."""
        found: Row = self.api.get(f"{self.place}/worker-usage", range=span)["history"]
        return found

    def health(self) -> Row:
        """In a word, and its machine."""
        found: Row = self.api.get(f"{self.place}/health")
        return found

    def stacks(self) -> list[Row]:
        """Those of all workers."""
        found: list[Row] = understood("stacks", self.api.post(f"{self.place}/workers/stacks"), self.name())["workers"]
        return found

    def retire(self, pid: int) -> None:
        """Have a worker replaced."""
        self.api.post(f"{self.place}/workers/{pid}/retire")

    def routes(self) -> Row:
        """Judged there."""
        found = {"uptime": self.status().get("uptime"), "routes": list(self.api.every(f"{self.place}/routes"))}
        return understood("routes", found, self.name())

    def incidents(self, name: str | None) -> list[Incident]:
        """A list leaves out what is long; each by its id has everything."""
        found = list(self.api.every(f"{self.place}/incidents", name=name))[::-1]
        if name is not None:
            found = [self.api.get(f"{self.place}/incidents/{quote(each['id'], safe='')}") for each in found]
        return [Incident.of({part: value for part, value in each.items() if value is not None}) for each in found]

    def reload(self) -> Row:
        """Waits for its end."""
        return understood("reload", self.api.post(f"{self.place}/reload", RELOAD_LIMIT), self.name())

    def jobs(self, name: str | None) -> list[Row]:
        """All jobs, or those that a name means."""
        found = timed(self.api.every(f"{self.place}/jobs"))
        return [job for job in found if name is None or job["name"] == name or job["name"].endswith(f".{name}")]

    def job(self, name: str) -> tuple[list[Row], list[Row]]:
        """A job's runs under way, and its last ended ones."""
        found = self.api.get(self._job(name), limit=LAST)
        return timed(found["running"]), timed(found["history"])

    def history(self, job: str | None, limit: int) -> list[Row]:
        """What was done, the latest first."""
        return timed(islice(self.api.every(f"{self.place}/runs", job=job), limit))

    def edit(self, job: Row, changes: Row) -> None:
        """Judged there."""
        self.api.patch(self._job(job["name"]), changes)

    def run(self, job: str) -> int:
        """Have a job run now; the run's number."""
        return int(self.api.post(f"{self._job(job)}/run")["run"])

    def pause(self, job: str) -> None:
        """Let a job rest."""
        self.api.post(f"{self._job(job)}/pause")

    def resume(self, job: str) -> None:
        """Let it go on."""
        self.api.post(f"{self._job(job)}/resume")

    def _job(self, name: str) -> str:
        return f"{self.place}/jobs/{quote(name, safe='')}"


def timed(rows: Iterable[Row]) -> list[Row]:
    """Rows of the store, whose times have become text on their way."""
    return [
        {name: datetime.fromisoformat(value) if name in TIMES and value else value for name, value in row.items()} for row in rows
    ]
