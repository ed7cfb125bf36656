"""The pages' source: the functions of the API's routes, called for one visitor after what a route would have checked.

What the API tells in parts is put together here; nothing is decided here that the API does not decide.
"""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response

from prefork import usage
from prefork.console import models
from prefork.console.access import require
from prefork.console.api import alerts, instances, jobs, people, routes, settings, workers
from prefork.console.api.live import MOST_STREAMS
from prefork.console.pages.made import made
from prefork.console.pages.provisions import OwnProvisions
from prefork.console.pages.users import OwnUsers
from prefork.console.problems import ProblemError
from prefork.instances import registry, rules
from prefork.instances.local import Denied, Unreachable
from prefork.instances.logs import tail
from prefork.instances.roles import OPERATOR, VIEWER, Visitor
from prefork.usage.sampler import Sampler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from prefork.console.desk import Desk
    from prefork.incidents import Incident
    from prefork.instances.local import Local
    from prefork.instances.logs import Line

Row = dict[str, Any]
DAY = 86_400.0
TURNS = 300  # of one stream: the browser asks for the next one, and is asked in turn whether it still may
MOST = 10_000  # of a list: pages show all of it
LINES = 500  # of a log
CHANGES = 10  # that are shown
PAST = 20  # alerts of an instance
STEERED = {"run": jobs.run_job, "pause": jobs.pause_job, "resume": jobs.resume_job}


class Own:
    """The console's own."""

    def __init__(self, request: Request, desk: Desk, visitor: Visitor) -> None:
        self.request, self.desk, self.visitor = request, desk, visitor
        self.provisions = OwnProvisions(request, desk, visitor)
        self.users = OwnUsers(request, desk, visitor)

    def _server(self, identity: str, role: str = VIEWER) -> Local:
        require(self.visitor, role, identity)
        return self.desk.server(identity)

    # How it is

    def instances(self) -> Sequence[Row]:
        """All that the visitor may see."""
        return [self._with_usage(each) for each in instances.list_instances(self.desk, self.visitor, MOST).items]

    def instance(self, identity: str) -> Row:
        """One of them."""
        require(self.visitor, VIEWER, identity)
        return self._with_usage(instances.get_instance(self.desk, self.visitor, identity))

    def _with_usage(self, found: models.Instance) -> Row:
        share = next((sample.in_flight for sample in self.desk.monitor.live(found.id)[-1:]), None)
        return {**found.model_dump(), "usage": share, "level": None if share is None else usage.level(share).name}

    def status(self, identity: str) -> Row:
        """The master's own answer."""
        return self._server(identity).status()

    def usage(self, identity: str) -> Row:
        """Both measures."""
        server = self._server(identity)
        lately, watch = self.desk.monitor.live(identity), self.desk.monitor.watches.get(identity)
        share = lately[-1].in_flight if lately else None
        if share is None or watch is None or watch.sampler.reading is None:
            return usage.of_server(server.status).told()
        sample, reading = lately[-1], watch.sampler.reading
        busy = reading.status["occupied"]["workers"]
        flight = usage.Share(busy, sample.configured, share, round(sample.seconds, 3)).told()
        told = {name: flight[name] for name in ("configured", "level", "recommendation")}
        handing = watch.sampler.handing
        return {**told, "in_flight": flight, "cpu": reading.processor.told(), "handing": handing.told() if handing else None}

    def health(self, identity: str) -> Row:
        """The server in a word, and its machine."""
        require(self.visitor, VIEWER, identity)
        return instances.get_health(self.desk, self.visitor, identity).model_dump()

    def series(self, identity: str, span: str) -> Row:
        """What charts show of a span."""
        limits = self.limits(identity)
        samples, marks, step = self.desk.monitor.chart(identity, span)
        told = {"samples": [sample.told() for sample in samples], "marks": [mark._asdict() for mark in marks]}
        return {**told, "limits": limits, "step": step}

    def live(self, identity: str) -> AsyncIterator[tuple[str, Row]]:
        """What happens while somebody watches, measured once for all who do."""
        server = self._server(identity)
        if self.desk.streams >= MOST_STREAMS:
            raise ProblemError(429, f"{MOST_STREAMS} people watch already; close a page", "rate-limit", {"Retry-After": "10"})
        return self._followed(server)

    async def _followed(self, server: Local) -> AsyncIterator[tuple[str, Row]]:
        self.desk.streams += 1
        try:
            sampler = Sampler(server.status, server.directory)
            async with aclosing(self.desk.feeds.follow(server.directory, sampler, TURNS)) as happening:
                async for event in happening:
                    yield event
        finally:
            self.desk.streams -= 1

    def stacks(self, identity: str, worker: str) -> Row:
        """Those of one worker."""
        require(self.visitor, OPERATOR, identity)
        read = workers.read_stacks(self.request, self.desk, self.visitor, identity)
        found: Row | None = next((each for each in read.workers if each["worker"] == worker), None)
        if found is None:
            raise ProblemError(404, f"there is no worker {worker} any more")
        return found

    def retire(self, identity: str, pid: int) -> None:
        """Have one replaced."""
        require(self.visitor, OPERATOR, identity)
        workers.retire_worker(self.request, self.desk, self.visitor, identity, pid)

    def routes(self, identity: str) -> Sequence[Row]:
        """Where the time goes."""
        require(self.visitor, VIEWER, identity)
        return [each.model_dump() for each in routes.list_routes(self.desk, self.visitor, identity, MOST).items]

    def limits(self, identity: str) -> Mapping[str, int]:
        """Of a worker's memory."""
        try:
            found = self._server(identity).settings()
        except (Unreachable, Denied):
            return {}
        return {"soft limit": found.limit_memory_soft, "hard limit": found.limit_memory_hard}

    def log(self, identity: str, level: str, text: str) -> Sequence[Line]:
        """The latest lines."""
        file = self._server(identity).settings().logfile
        if file is None:
            raise Denied("this server logs to standard error; read its journal there, or set the option logfile")
        try:
            return tail(file, level, text, LINES)
        except OSError as error:
            raise Denied(f"{file} cannot be read: {(error.strerror or str(error)).lower()}") from None

    # What happened

    def incidents(self, identity: str) -> Sequence[Incident]:
        """Those that are kept."""
        return self._server(identity).incidents()

    def incident(self, identity: str, name: str) -> Incident:
        """One of them."""
        found = next((each for each in self.incidents(identity) if name in each.names()), None)
        if found is None:
            raise ProblemError(404, f"there is no incident {name}; the oldest ones have made room for new ones")
        return found

    def alerts(self) -> Row:
        """Those of all instances that the visitor may see."""
        now = alerts.list_alerts(self.desk, self.visitor, MOST).items
        # Of one that is on another machine the console there knows them.
        seen = [each.id for each in registry.listed(self.desk.db) if each.directory and self.visitor.may(VIEWER, each.id)]
        both = [each for known in seen for each in alerts.list_alerts_of_instance(self.desk, self.visitor, known, PAST).items]
        past = sorted((each for each in both if each.over is not None), key=lambda each: each.began, reverse=True)
        broken = {alert.rule for alert in now}
        return {
            "active": [alert_row(each) for each in now],
            "past": [alert_row(each) for each in past],
            "rules": [
                {"name": rule.title, "level": rule.level, "after": rule.after, "active": name in broken}
                for name, rule in rules.RULES.items()
            ],
        }

    # Jobs

    def jobs(self, identity: str) -> Sequence[Row]:
        """All."""
        require(self.visitor, VIEWER, identity)
        return [each.model_dump() for each in jobs.list_jobs(self.desk, self.visitor, identity, MOST).items]

    def job(self, identity: str, name: str) -> tuple[Row, Sequence[Row], Sequence[Row]]:
        """One."""
        require(self.visitor, VIEWER, identity)
        found = jobs.get_job(self.desk, self.visitor, identity, name)
        rows = [each.model_dump() for each in found.running], [each.model_dump() for each in found.history]
        return found.job.model_dump(), *rows

    def steer(self, identity: str, name: str, action: str) -> None:
        """Run, pause or resume one."""
        require(self.visitor, OPERATOR, identity)
        STEERED[action](self.request, self.desk, self.visitor, identity, name)

    def edit(self, identity: str, name: str, values: Mapping[str, str]) -> None:
        """Change its row."""
        require(self.visitor, OPERATOR, identity)
        patch = made(models.JobPatch, **{field: meant(field, text) for field, text in values.items()})
        jobs.change_job(self.request, self.desk, self.visitor, identity, name, patch)

    # Settings

    def settings(self, identity: str) -> tuple[Row, str, Sequence[Row]]:
        """Those that can be changed here."""
        require(self.visitor, VIEWER, identity)
        answer = Response()
        found = settings.get_settings(answer, self.desk, self.visitor, identity)
        made = settings.list_changes(self.desk, self.visitor, identity, CHANGES)
        return found.model_dump(), answer.headers["ETag"], [each.model_dump() for each in made.items]

    def consider(self, identity: str, values: Mapping[str, str]) -> Row:
        """What others would mean."""
        return self._change(identity, values, None, dry_run=True)

    def save(self, identity: str, values: Mapping[str, str], etag: str) -> int:
        """Write them."""
        return int(self._change(identity, values, etag)["id"])

    def _change(self, identity: str, values: Mapping[str, str], etag: str | None, *, dry_run: bool = False) -> Row:
        require(self.visitor, OPERATOR, identity)
        patch = made(models.SettingsPatch, settings={name: text or None for name, text in values.items()})
        return told(settings.change_settings(self.request, self.desk, self.visitor, identity, patch, etag, dry_run))

    def change(self, identity: str, number: int) -> Row:
        """How far one is."""
        require(self.visitor, VIEWER, identity)
        return settings.get_change(self.desk, self.visitor, identity, number).model_dump()

    def undo(self, identity: str, number: int) -> int:
        """Take one back."""
        require(self.visitor, OPERATOR, identity)
        return int(told(settings.undo_change(self.request, self.desk, self.visitor, identity, number))["id"])

    # The visitor

    def tokens(self) -> Sequence[Row]:
        """Theirs."""
        return [each.model_dump() for each in people.list_tokens(self.desk, self.visitor, MOST).items]

    def make_token(self, name: str, scope: str, days: int | None) -> str:
        """One more."""
        new = made(models.NewToken, name=name, scope=scope, lifetime=days * DAY if days else None)
        return people.make_token(self.request, self.desk, self.visitor, new).token

    def revoke_token(self, number: int) -> None:
        """One less."""
        people.remove_token(self.request, self.desk, self.visitor, number)

    def change_password(self, old: str, new: str) -> None:
        """Another one."""
        people.change_password(self.request, self.desk, self.visitor, made(models.PasswordChange, old=old, new=new))


def meant(field: str, text: str) -> Any:
    """What somebody has typed into the form of a job. Raises ProblemError."""
    if field == "schedule":
        return text or None
    if field != "arguments":
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        said = f'write JSON, such as {{"args": [], "kwargs": {{}}}}: {error}'
        raise ProblemError(422, f"arguments: {said}", errors={"arguments": said}) from None


def told(answer: Response) -> Row:
    """What a route has answered."""
    found: Row = json.loads(bytes(answer.body))
    return found


def alert_row(alert: models.Alert) -> Row:
    """One as the page shows it."""
    return {**alert.model_dump(), "seconds": None if alert.over is None else alert.over - alert.began}
