"""Each statement of the store with what it is asked in earnest, on tables that `filling.sql` has filled. Pure."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from prefork.bus.hub import PAGE
from prefork.jobs.source import KEPT
from prefork.store import board, bus, jobs
from prefork.store.statements import statements

ROWS = 10_000_000
ROOMS = ("jobs", "board", "bus", "sessions")
NAMES = [f"shop.job{number}" for number in range(200)]
JOB, RUN = NAMES[7], {"id": 100_001, "attempt": 1}
ARGUMENTS = json.dumps({"args": [], "kwargs": {}})
COST = {"seconds": 1.5, "cpu": 0.5, "memory": 50_000_000}
HOLDER = {"node": "cron1", "worker": "cron.1", "pid": 1, "lease": jobs.LEASE}
NOW = datetime.now(UTC)
PLAN = {"schedule": "every 20 minutes", "tz": "UTC", "misfire": "once", "priority": 5, "retries": 3}
CHANNEL, MEMBER = {"channel": "room:7"}, {"member": "member 7"}
PATIENCE = {"patience": bus.PATIENCE}
PAYLOAD, SECONDS = b"\xab" * 500, 3600.0


class Question(NamedTuple):
    """A statement and its values. `case` tells apart those that are asked in several ways."""

    room: str
    name: str
    values: Any = None
    case: str = ""

    @property
    def text(self) -> bytes:
        """The statement itself."""
        return statements(f"{self.room}.sql")[self.name]

    @property
    def title(self) -> str:
        """As a table has it."""
        return f"{self.room} `{self.name}`{f', {self.case}' if self.case else ''}"


def since(position: int) -> dict[str, Any]:
    """What a page is asked by for somebody who has heard up to there."""
    return {"after": position, "heard": [position]}


QUESTIONS = (
    Question("jobs", "declare", {"name": JOB, **PLAN, "declared": "{}", "due_at": NOW}),
    Question("jobs", "clock"),
    Question("jobs", "recall", {"lease": jobs.LEASE}),
    Question("jobs", "attend", {"node": "cron1", "names": NAMES}),
    Question("jobs", "dismiss", {"age": jobs.ABSENT}),
    Question("jobs", "defer", {"job": JOB, "at": None, "priority": None, "default": 5, "arguments": ARGUMENTS}),
    Question("jobs", "ring"),
    Question("jobs", "listen"),
    Question("jobs", "due", {"names": NAMES}),
    Question("jobs", "planned", {"name": JOB}),
    Question("jobs", "occur", {"job": JOB, "due_at": NOW, "priority": 5, "arguments": ARGUMENTS}),
    Question("jobs", "postpone", {"job": JOB, "due_at": NOW}),
    Question("jobs", "deactivate", {"job": JOB, "remark": "failed"}),
    Question("jobs", "claim", {**HOLDER, "names": NAMES}, "of 1,000 that are due"),
    Question("jobs", "claim", {**HOLDER, "names": NAMES[:1]}, "of five that are due of this name"),
    Question("jobs", "claim", {**HOLDER, "names": ["shop.idle"]}, "where nothing is due of this name"),
    Question("jobs", "next", {"names": NAMES}),
    Question("jobs", "renew", {**RUN, "lease": jobs.LEASE}),
    Question("jobs", "progress", {**RUN, "done": 1, "remaining": 9, "lease": jobs.LEASE}),
    Question("jobs", "complete", {**RUN, **COST}),
    Question("jobs", "advance", {**RUN, **COST, **HOLDER, "names": NAMES}),
    Question("jobs", "retry", {**RUN, **COST, "due_at": NOW, "error": "failed", "delay": 60.0}),
    Question("jobs", "fail", {**RUN, **COST, "error": "failed", "next_at": NOW, "remark": None}),
    Question("jobs", "held", {"node": "elsewhere"}),
    Question("jobs", "expired", {"lease": jobs.LEASE}),
    Question("jobs", "lose", {"ids": [RUN["id"]], "error": "its worker died"}),
    Question("jobs", "give_back", RUN),
    Question("jobs", "forget", {"age": KEPT, "at_once": jobs.AT_ONCE}),
    Question("board", "list", {"name": None, "most": board.COUNTED}, "200 jobs"),
    Question("board", "list", {"name": JOB, "most": None}, "of one job"),
    Question("board", "running", {"job": JOB}),
    Question("board", "history", {"job": None, "limit": 50, "offset": 0}, "all"),
    Question("board", "history", {"job": JOB, "limit": 50, "offset": 0}, "of one job"),
    Question("board", "run", {"job": JOB}),
    Question("board", "pause", {"job": JOB}),
    Question("board", "resume", {"job": JOB}),
    Question("board", "edit", {**PLAN, "arguments": ARGUMENTS, "due_at": NOW, "job": JOB}),
    Question("bus", "publish", {**CHANNEL, "payload": "{}"}),
    Question("bus", "enter", {**CHANNEL, "member": "a new one"}),
    Question("bus", "leave", CHANNEL | MEMBER),
    Question("bus", "present", CHANNEL | PATIENCE),
    Question("bus", "sweep", PATIENCE),
    Question("bus", "listen"),
    Question("bus", "head"),
    Question("bus", "read", {**since(ROWS - 10), "channels": ["room:7"], "most": PAGE}, "the last ten"),
    Question("bus", "read", {**since(ROWS // 2), "channels": ["room:7"], "most": PAGE}, "a page, for who comes back"),
    Question("bus", "beat", {"reader": "another", "position": ROWS}),
    Question("bus", "retire", {"reader": "another"}),
    Question("bus", "forget", {**PATIENCE, "at_once": bus.AT_ONCE, "age": 86_400.0, "most": ROWS}),
    Question("bus", "bury", PATIENCE),
    Question("sessions", "load", ["session 5000"]),
    Question("sessions", "hold", ["session 5000"]),
    Question("sessions", "create", ["a new one", PAYLOAD, SECONDS]),
    Question("sessions", "update", [PAYLOAD, SECONDS, "session 5000"]),
    Question("sessions", "end", [PAYLOAD, SECONDS, "session 5000"]),
    Question("sessions", "delete", ["session 5000"]),
    Question("sessions", "collect", [100]),
)
