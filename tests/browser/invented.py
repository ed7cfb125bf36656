"""A console with invented data: enough of everything for each page to be looked at, in good days and bad ones."""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from prefork.config import OPTIONS
from prefork.console import models
from prefork.console.app import create
from prefork.console.problems import ProblemError
from prefork.incidents import Incident
from prefork.instances import users
from prefork.instances.changes import PERFORMANCE
from prefork.instances.database import NAME, Database
from prefork.instances.logs import LEVELS, Line
from prefork.instances.rules import RULES
from prefork.sizing.plans import PLANS, RESOURCES

MIB = 1 << 20
STEPS = {"1h": (3600, 30), "24h": (86_400, 300), "7d": (7 * 86_400, 3600), "180d": (180 * 86_400, 6 * 3600)}
STACKS = """\
Current thread 0x00007f2b4c9ff740 (most recent call first):
  File "/usr/lib/python3.11/json/encoder.py", line 258 in iterencode
  File "/srv/shop/reports/totals.py", line 87 in order_totals
  File "/srv/shop/reports/views.py", line 31 in monthly
  File "/srv/shop/.venv/lib/python3.11/site-packages/flask/app.py", line 880 in dispatch_request
  File "/srv/shop/.venv/lib/python3.11/site-packages/flask/app.py", line 1484 in wsgi_app

Thread 0x00007f2b3bfff700 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 324 in wait
  File "/usr/lib/python3.11/queue.py", line 180 in get
"""
IDLE = """\
Current thread 0x00007f2b4c9ff740 (most recent call first):
  File "/opt/prefork/lib/python3.11/site-packages/prefork/worker/http.py", line 74 in wait
"""
SETTINGS = {
    "workers": "4",
    "max_cron_threads": "1",
    "websocket_workers": "1",
    "workers_min": "2",
    "wait_target": "50 ms",
    "limit_memory_soft": "256 MiB",
    "limit_memory_hard": "320 MiB",
    "limit_time_cpu": "1 min",
    "limit_time_real": "2 min",
    "limit_request": "65536",
    "queue_size": "1024",
    "queue_timeout": "30 s",
}

HANDING = {
    "on": True,
    "obstacles": [],
    "requests": 212.4,
    "lent": 0.031,
    "service": 0.0214,
    "dispatcher": 0.014,
    "workers": 1.61,
    "advice": {
        "recommendation": "do without lend_connections = True: it gives nothing here",
        "reason": "half of the 212 requests a second take 21 ms, and workers have read 3 % of them themselves; a worker has the "
        "sockets of several clients with it (docs/operate.md, Speed)",
    },
}


def instance(identity: str, name: str, **more: Any) -> dict[str, Any]:
    """A row of the list."""
    return {
        "id": identity,
        "name": name,
        "plan": "pro",
        "application": "shop.wsgi:app",
        "node": "web-1",
        "state": "running",
        "workers": {"ready": 4, "wanted": 4},
        "usage": 43.8,
        "level": "normal",
        "version": "0.1.0",
        "uptime": 1_034_000.0,
        "error": None,
        **more,
    }


TRACEBACK = """it has ended before it was ready: exit status 3
2026-11-21 20:08:25,143 2504 ERROR prefork.master: The application cannot be loaded: ModuleNotFoundError: No module named 'wiki'"""


class InventedProvisions:
    """The instances erp, which runs, and wiki, which does not start."""

    def __init__(self, now: float) -> None:
        self.now, self.asked = now, list[tuple[Any, ...]]()

    def means(self) -> Any:
        plans = [{"name": name, "workers": workers, "machine": RESOURCES[name]} for name, workers in PLANS.items()]
        return {"plans": plans, "sites": True}

    def given(self) -> dict[str, Any]:
        limits = {"workers": 9, "cron": 1, "soft": 640 * MIB, "hard": 800 * MIB, "time_cpu": 60, "time_real": 120}
        reasons = ["cpu: 9 (4 × 2 + 1 = 9)", "memory: 20 (8 GiB ÷ 375 MiB for each = 21, 1 for jobs)"]
        others = {"memory": 8000 * MIB, "connections": 44, "db_maxconn": 4, "reasons": reasons}
        return {"http_port": 8102, "websocket_port": 8103, **limits, **others}

    def prospect(self, identity: str, name: str, run: Mapping[str, Any]) -> Any:
        if run.get("plan") == "free" and run.get("workers") == "2":
            raise ProblemError(422, "the plan free allows 1 HTTP worker, not 2", "plan-limit", errors={"workers": "at most 1"})
        options = {"app": run.get("app", ""), "workers": "9", "http_port": "8102"}
        directory = f"/var/lib/prefork/instances/{identity}"
        return {"given": self.given(), "memory_free": 14 << 30, "directory": directory, "options": options, "warnings": []}

    def make(self, identity: str, name: str, run: Mapping[str, Any]) -> None:
        self.prospect(identity, name, run)
        self.asked.append(("make", identity, name, run))

    def find(self, identity: str) -> Any:
        if identity not in {"erp", "wiki"}:
            return None
        run = dict.fromkeys(
            ("app", "odoo", "app_dir", "python", "plan", "workers", "cpus", "memory", "domain", "certificate", "certificate_key")
        )
        run |= {"odoo": "/opt/odoo-18", "python": "/opt/odoo-18/.venv/bin/python", "plan": "agency", "memory": 8000 * MIB}
        if identity == "wiki":
            own = {"app": "wiki.wsgi:app", "app_dir": "/srv/wiki", "python": "/srv/wiki/.venv/bin/python"}
            run |= {"odoo": None, "plan": "free", "memory": None, **own}
        sound = identity == "erp"
        works = [
            self.work(3, "upgrade", "done", 4_000) if sound else self.work(3, "start", "failed", 60, TRACEBACK),
            self.work(2, "upgrade", "rolled back", 90_000, "RegistryError: module crm cannot be loaded\nTraceback …"),
            self.work(1, "create", "done", 900_000),
        ]
        return {
            "run": {**run, "options": {"db_name": "erp"}},
            "given": self.given() | ({} if sound else {"workers": 1, "memory": 1000 * MIB, "connections": 6, "db_maxconn": 2}),
            "wanted": "running" if sound else "stopped",
            "directory": f"/var/lib/prefork/instances/{identity}",
            "pid": 4000 if sound else None,
            "failures": 0,
            "ended_at": None,
            "ended_how": "",
            "work": works[0],
            "works": works,
        }

    def work(self, number: int, action: str, state: str, ago: float, message: str = "") -> dict[str, Any]:
        at = self.now - ago
        return {
            "id": number,
            "at": at,
            "who": "kim",
            "action": action,
            "state": state,
            "step": "",
            "message": message,
            "ended_at": at + 9,
        }

    def steer(self, identity: str, action: str) -> None:
        self.asked.append((action, identity))

    def upgrade(self, identity: str, changes: Mapping[str, Any]) -> None:
        self.asked.append(("upgrade", identity, dict(changes)))

    def delete(self, identity: str, *, data: bool) -> None:
        self.asked.append(("delete", identity, data))


class InventedUsers:
    """An administrator, an operator, and somebody with a grant."""

    def __init__(self, now: float) -> None:
        self.now, self.asked = now, list[tuple[Any, ...]]()

    def listed(self) -> Sequence[Any]:
        known = [("admin", "administrator", {}), ("kim", "operator", {}), ("vera", "none", {"erp": "operator", "wiki": "viewer"})]
        return [
            {"id": number, "name": name, "role": role, "grants": grants, "created_at": self.now - 9e6 / number}
            for number, (name, role, grants) in enumerate(known, 1)
        ]

    def find(self, number: int) -> Any:
        found = next((each for each in self.listed() if each["id"] == number), None)
        if found is None:
            raise ProblemError(404, f"there is no user {number}")
        return found

    def add(self, name: str, role: str) -> str:
        if any(each["name"] == name for each in self.listed()):
            raise ProblemError(409, f"there is a user {name} already; choose another name", "refused")
        self.asked.append(("add", name, role))
        return "u3xQ9sJ1kVbW2mTzR8aY"

    def change(self, number: int, role: str, grants: Mapping[str, str]) -> None:
        self.asked.append(("change", number, role, dict(grants)))

    def renew(self, number: int) -> str:
        self.asked.append(("renew", number))
        return "u3xQ9sJ1kVbW2mTzR8aY"

    def remove(self, number: int) -> None:
        self.asked.append(("remove", number))

    def audit(self, before: int | None) -> tuple[Sequence[Any], int | None]:
        done = [
            ("admin", "settings", "default", {"change": 3, "options": {"workers": ["3", "4"]}}),
            ("kim", "worker retired", "default", {"pid": 3977, "worker": "http.2"}),
            ("kim", "job paused", "default", {"job": "shop.tasks:clear_carts"}),
            ("vera", "stacks read", "erp", {}),
            ("admin", "user changed", None, {"user": "vera", "password": False, "grants": {"erp": "operator", "wiki": "viewer"}}),
            ("admin", "token made", None, {"token": 2, "scope": "metrics", "name": "prometheus"}),
            ("root", "login refused", None, {}),
            ("admin", "login", None, {}),
        ]
        entries = [
            {"id": 40 - place, "at": self.now - 700 * place**2, "who": who, "client": "203.0.113.19", "action": action}
            | {"instance": instance, "details": details}
            for place, (who, action, instance, details) in enumerate(done)
        ]
        return ([], None) if before else (entries, 33)


class Invented:
    """A source."""

    def __init__(self, now: float, empty: bool = False) -> None:
        self.now, self.empty = now, empty
        self.provisions = InventedProvisions(now)
        self.users = InventedUsers(now)
        self.revoked: set[int] = set()
        self.looks, self.retired = 0, list[int]()

    def rows(self) -> list[dict[str, Any]]:
        if self.empty:
            return [instance("default", "fresh")]
        return [
            instance("default", "Shop", plan="base", usage=71.3, level="moderate"),
            instance(
                "erp",
                "ERP",
                application="odoo",
                plan="agency",
                node="erp-1",
                workers={"ready": 9, "wanted": 9},
                usage=88.4,
                level="high pressure",
            ),
            instance(
                "chat",
                "Chat",
                application="chat.asgi:application",
                state="reloading",
                usage=12.0,
                workers={"ready": 3, "wanted": 4},
                uptime=86_420.0,
            ),
            instance(
                "wiki",
                "Wiki",
                application="wiki.wsgi:app",
                plan="free",
                state="stopped",
                workers=None,
                usage=None,
                level=None,
                version=None,
                uptime=None,
            ),
            instance(
                "docs",
                "Documentation",
                application=None,
                state="unreachable",
                workers=None,
                usage=None,
                level=None,
                version=None,
                uptime=None,
                plan=None,
                error="no server runs at /var/lib/docs/prefork.sock",
            ),
        ]

    def instances(self) -> Sequence[Any]:
        return self.rows()

    def instance(self, identity: str) -> Any:
        found = next((row for row in self.rows() if row["id"] == identity), None)
        if found is None:
            raise ProblemError(404, f"there is no instance {identity}, or it is not yours to see")
        return found

    def status(self, identity: str) -> Any:
        if self.instance(identity)["state"] == "unreachable":
            raise ProblemError(503, "no server runs at /var/lib/docs/prefork.sock", "unreachable")
        wave = random.Random(int(time.time() / 2))
        states = ["busy", "busy", "idle", "busy"]
        workers = [
            {
                "name": f"http.{place}",
                "pool": "http",
                "pid": 4100 + place,
                "generation": 3,
                "state": state,
                "requests": 12_000 + 311 * place,
                "age": 5400.0 + 60 * place,
                "busy_for": 0.02 * place if state == "busy" else None,
                "job": None,
                "memory": (88 + 9 * place) * MIB + wave.randrange(MIB),
            }
            for place, state in enumerate(states, 1)
        ]
        workers.append(
            {
                "name": "cron.1",
                "pool": "cron",
                "pid": 4120,
                "generation": 3,
                "state": "busy",
                "requests": 214,
                "age": 5400.0,
                "busy_for": 31.5,
                "job": "shop.tasks:reindex",
                "memory": 121 * MIB,
            }
        )
        workers.append(
            {
                "name": "websocket.1",
                "pool": "websocket",
                "pid": 4130,
                "generation": 3,
                "state": "idle",
                "requests": 88,
                "age": 5400.0,
                "busy_for": None,
                "job": None,
                "memory": 64 * MIB,
            }
        )
        loop = {"failures": 5, "next_try": 16.0, "traceback": "ModuleNotFoundError: No module named 'chat.rooms'"}
        return {
            "version": "0.1.0",
            "pid": 4000,
            "state": "running",
            "uptime": 1_034_000.0,
            "generation": 3,
            "app": "shop.wsgi:app",
            "addresses": ["http://127.0.0.1:8069"],
            "threads": None,
            "concurrency": 0,
            "wanted": 4,
            "ready": 4,
            "cron": {"wanted": 1, "ready": 1},
            "websocket": {"wanted": 1, "ready": 1, "connections": 318},
            "queue": {"length": 0 if self.empty else 2, "size": 1024, "oldest": 0.01},
            "wait": {"p50": 0.0004, "p95": 0.031, "p99": 0.2},
            "service": {"p50": 0.024, "p95": 0.181, "p99": 0.9},
            "dispatcher": {
                "pid": 4001,
                "cpu": None,
                "connections": 412,
                "requests": 1_284_310,
                "retried": 9,
                "failed": 0,
                "refused": 3,
                "abandoned": 51,
            },
            "workers": workers,
            "incidents": 7,
            "crash_loop": loop if identity == "chat" else None,
        }

    def usage(self, identity: str) -> Any:
        row = self.instance(identity)
        share = {"busy": 3, "configured": 4, "percent": row["usage"] or 0.0, "seconds": 10.0}
        words = {"normal": "no action needed", "moderate": "monitor during peak hours", "high pressure": "consider adding workers"}
        return {
            "configured": 4,
            "in_flight": share,
            "cpu": {**share, "busy": 2, "percent": 50.0},
            "level": row["level"],
            "recommendation": words[row["level"]],
            "handing": HANDING if identity == "erp" else None,
        }

    def health(self, identity: str) -> Any:
        unreachable = self.instance(identity)["state"] == "unreachable"
        reasons = ["workers failed at their start 5 times in a row"] if identity == "chat" else []
        gib = 1 << 30
        machine = {
            "cpu": {"percent": 38.0, "cpus": 4, "load": [1.9, 1.7, 1.2]},
            "memory": {"total": 15.6 * gib, "available": 6 * gib, "percent": 61.0},
            "swap": {"total": 4 * gib, "used": 0.1 * gib, "percent": 2.0},
            "disk": {"path": "/var/lib", "total": 98 * gib, "free": 16 * gib, "percent": 83.0, "kind": "ssd"},
            "pressure": {"cpu": 3.1, "memory": 0.0, "io": 1.2},
            "cgroup": None,
        }
        return {"status": "unreachable" if unreachable else "ok", "reasons": reasons, "machine": machine}

    def sample(self, at: float, step: float) -> dict[str, Any]:
        dice = random.Random(int(at))
        day = 0.5 + 0.5 * math.sin((at % 86_400) / 86_400 * 2 * math.pi - 1.9)
        load = min(1.0, max(0.02, 0.35 + 0.4 * day + 0.12 * math.sin(at / 410) + dice.gauss(0, 0.05)))
        wait = 0.0005 + max(0.0, load - 0.62) ** 2 * 0.9 * dice.uniform(0.7, 1.3)
        served = int(step * 55 * load)
        memory = {f"http.{place}": int((84 + 10 * place + (at / 60 + 31 * place) % 90) * MIB) for place in range(1, 5)}
        return {
            "at": at,
            "seconds": step,
            "in_flight": round(100 * load, 1),
            "cpu": round(72 * load * dice.uniform(0.85, 1.1), 1),
            "wait": {"p50": wait / 9, "p95": wait, "p99": wait * 3},
            "service": {"p50": 0.02, "p95": 0.06 + 0.2 * load, "p99": 0.2 + 0.7 * load},
            "requests": {
                "2xx": served,
                "3xx": served // 9,
                "4xx": int(served * dice.uniform(0.01, 0.04)),
                "5xx": int(step / 30) * (dice.random() < 0.04),
            },
            "memory": {"mean": 130 * MIB, "most": 210 * MIB, "workers": memory if step < 3600 else {}},
            "connections": int(420 * load),
            "websockets": int(260 + 60 * day),
            "jobs": dice.choice([0, 0, 1, 2]),
        }

    def series(self, identity: str, span: str) -> Any:
        length, step = STEPS[span]
        samples = [] if self.empty else [self.sample(self.now - length + step * number, step) for number in range(length // step)]
        marks = [
            {"at": self.now - 0.72 * length, "kind": "reload", "text": "generation 3 by admin"},
            {"at": self.now - 0.41 * length, "kind": "scaling", "text": "3 to 4 workers"},
            {"at": self.now - 0.2 * length, "kind": "incident", "text": "limit_memory_hard in GET /reports/monthly"},
        ]
        return {"samples": samples, "marks": [] if self.empty else marks, "limits": self.limits(identity), "step": step}

    async def live(self, identity: str) -> AsyncIterator[tuple[str, Any]]:
        while not self.empty:
            yield "sample", self.sample(time.time(), 30)
            await asyncio.sleep(1)

    def routes(self, identity: str) -> Sequence[Any]:
        known = [
            (
                "GET",
                "/reports/monthly",
                0.41,
                812,
                1.9,
                4,
                ["81 % of its time is in the database: look at the 212 queries that each request makes"],
            ),
            ("GET", "/catalogue", 0.27, 92_410, 0.024, 0, []),
            ("POST", "/checkout", 0.18, 6312, 0.19, 31, ["its slowest requests take 2 min: do what takes long in a job"]),
            ("GET", "/basket", 0.09, 40_122, 0.018, 0, []),
            ("", "static", 0.003, 310_200, 0.0006, 0, []),
        ]
        return (
            []
            if self.empty
            else [
                {
                    "method": method,
                    "path": path,
                    "share": share,
                    "requests": requests,
                    "tips": tips,
                    "errors": errors,
                    "seconds": 100.0,
                    "cpu": 35.0,
                    "service": {"p50": median, "p95": 3 * median, "p99": 5 * median},
                    "wait": {"p50": 0.0003, "p95": 0.004, "p99": 0.05},
                }
                for method, path, share, requests, median, errors, tips in known
            ]
        )

    def limits(self, identity: str) -> Mapping[str, int]:
        return {"soft limit": 256 * MIB, "hard limit": 320 * MIB}

    def stacks(self, identity: str, worker: str) -> Any:
        return {"worker": worker, "pid": 4101, "state": "busy", "stacks": STACKS if worker != "http.3" else IDLE}

    def retire(self, identity: str, pid: int) -> None:
        self.retired.append(pid)

    def incidents(self, identity: str) -> Sequence[Incident]:
        if self.empty:
            return []
        curve = [(-float(second), int((96 + 224 * ((20 - second) / 20) ** 2.2) * MIB)) for second in range(20, -1, -1)]
        request = {
            "method": "GET",
            "target": "/reports/monthly?year=2026&month=10",
            "client": "203.0.113.19",
            "id": "5f0c3a1e9d",
            "attempt": 1,
            "tag": "",
        }
        base: dict[str, Any] = {
            "node": "web-1",
            "worker": "http.2",
            "pool": "http",
            "pid": 3977,
            "generation": 3,
            "request": request,
        }
        return [
            Incident(
                id="9ac1f07e",
                time=self.now - 720,
                cause="limit_memory_hard",
                status=503,
                elapsed=4.81,
                cpu=4.2,
                memory=331 * MIB,
                curve=curve,
                reason="it had 331 MiB of its own, more than limit_memory_hard (320 MiB)",
                stacks=STACKS,
                advice="Have the report read its rows in pieces, or raise limit_memory_hard if it needs them all at once.",
                children=[{"pid": 3990, "name": "wkhtmltopdf", "memory": 61 * MIB}],
                **base,
            ),
            Incident(
                id="51d2bb08",
                time=self.now - 9400,
                cause="limit_memory_hard",
                status=503,
                elapsed=5.02,
                cpu=4.6,
                memory=324 * MIB,
                curve=curve,
                reason="it had 324 MiB",
                advice="",
                stacks=STACKS,
                **base,
            ),
            Incident(
                id="e80cc614",
                time=self.now - 31_000,
                cause="limit_time_real",
                status=504,
                elapsed=120.1,
                cpu=0.3,
                memory=101 * MIB,
                reason="its request had run for 120.1 s, limit_time_real is 2 min",
                advice="See which query the line waits for.",
                stacks=STACKS.replace('totals.py", line 87 in order_totals', 'stock.py", line 112 in lock_rows'),
                **{**base, "request": {**request, "target": "/checkout", "method": "POST"}},
            ),
            Incident(
                id="07b5e1d9",
                time=self.now - 200_000,
                cause="crash",
                elapsed=0.4,
                cpu=0.1,
                memory=90 * MIB,
                reason="it died of SIGSEGV",
                advice="Look for a native extension in the stack.",
                requests=[
                    {**request, "status": None},
                    {**request, "id": "88d1a0c2f4", "target": "/basket", "status": 200},
                    {**request, "id": "0be72c91aa", "method": "POST", "target": "/checkout", "status": None},
                ],
                stacks=STACKS.replace("reports/totals.py", "images/thumbs.py"),
                **base,
            ),
        ]

    def incident(self, identity: str, name: str) -> Incident:
        found = next((each for each in self.incidents(identity) if name in each.names()), None)
        if found is None:
            raise ProblemError(404, f"there is no incident {name}; the oldest ones have made room for new ones")
        return found

    def jobs(self, identity: str) -> Sequence[Any]:
        if self.empty:
            return []
        now = datetime.fromtimestamp(self.now, UTC)
        base = {
            "tz": "UTC",
            "misfire": "once",
            "priority": 10,
            "retries": 3,
            "active": True,
            "present": True,
            "remark": None,
            "running": 0,
            "failures": 0,
            "waiting": 0,
            "first_failed_at": None,
            "arguments": {"args": [], "kwargs": {}},
            "outcome": "done",
        }
        return [
            {
                **base,
                "name": "shop.tasks:reindex",
                "schedule": "*/15 * * * *",
                "due_at": now + timedelta(minutes=9),
                "running": 1,
                "ended_at": now - timedelta(minutes=21),
            },
            {
                **base,
                "name": "shop.tasks:send_newsletter",
                "schedule": "30 7 * * MON",
                "due_at": now + timedelta(days=2),
                "ended_at": now - timedelta(days=5),
            },
            {
                **base,
                "name": "shop.stock:sync_warehouse",
                "schedule": "every 5 min",
                "due_at": now + timedelta(minutes=4),
                "failures": 3,
                "outcome": "failed",
                "ended_at": now - timedelta(minutes=1),
                "first_failed_at": now - timedelta(minutes=12),
            },
            {
                **base,
                "name": "shop.tasks:clear_carts",
                "schedule": "0 3 * * *",
                "due_at": now + timedelta(hours=11),
                "active": False,
                "remark": "paused",
                "ended_at": now - timedelta(hours=13),
            },
            {
                **base,
                "name": "shop.mail:send",
                "schedule": None,
                "due_at": None,
                "waiting": 4,
                "ended_at": now - timedelta(seconds=40),
            },
        ]

    def job(self, identity: str, name: str) -> tuple[Any, Sequence[Any], Sequence[Any]]:
        job = next((each for each in self.jobs(identity) if each["name"] == name), None)
        if job is None:
            raise ProblemError(404, f"there is no job {name}")
        now = datetime.fromtimestamp(self.now, UTC)
        running = [
            {"run": 9412, "worker": "cron.1", "pid": 4120, "claimed_at": now - timedelta(seconds=31), "done": 812, "remaining": 240}
        ]
        error = 'Traceback (most recent call last):\n  File "/srv/shop/stock.py", line 41, in sync_warehouse\nHTTPError: 502'
        history = [
            {
                "run": 9300 - number,
                "attempt": 1 + (number == 3),
                "job": name,
                "ended_at": now - timedelta(minutes=15 * number + 6),
                "outcome": "failed" if number in {1, 3} else "done",
                "seconds": 42.0 + number,
                "cpu": 12.5,
                "memory": 131 * MIB,
                "worker": "cron.1",
                "error": error if number in {1, 3} else None,
            }
            for number in range(8)
        ]
        return job, running if job["running"] else [], history

    def steer(self, identity: str, name: str, action: str) -> None:
        self.job(identity, name)

    def edit(self, identity: str, name: str, values: Mapping[str, str]) -> None:
        self.job(identity, name)

    def log(self, identity: str, level: str, text: str) -> Sequence[Any]:
        if self.empty:
            return []
        lines = [
            ("info", "the server is ready: 4 workers at http://127.0.0.1:8069"),
            ("info", "generation 3 serves; it took 2.1 s, and no request waited for it"),
            ("info", '203.0.113.4 "GET /catalogue?page=7" 200 18231 in 24 ms, waited 0 ms, http.1'),
            ("warning", "http.2 (pid 3977) has 261 MiB, more than limit_memory_soft (256 MiB); it is replaced"),
            ("error", "http.2 (pid 3977) was killed: 331 MiB, more than limit_memory_hard (320 MiB); incident 9ac1f07e"),
            ("info", "http.2 (pid 4102) is ready"),
            ("info", "shop.tasks:reindex, run 9411, done in 42 s"),
            ("warning", "the queue is full: 3 requests were refused in the last second"),
        ]
        times = [datetime.fromtimestamp(self.now - 60 * (40 - place), UTC).strftime("%Y-%m-%d %H:%M:%S") for place in range(40)]
        shown = [Line(at, lines[place % 8][0], lines[place % 8][1]) for place, at in enumerate(times)]
        return [line for line in shown if LEVELS.index(line.level) >= LEVELS.index(level) and text in line.text]

    def settings(self, identity: str) -> tuple[Any, str, Sequence[Any]]:
        plan = self.instance(identity)["plan"]
        known = {
            name: {
                "value": SETTINGS.get(name, "not set"),
                "text": None,
                "source": "its default",
                "help": OPTIONS[name].help.replace("`", ""),
                "fixed": False,
            }
            for name in PERFORMANCE
        }
        known["queue_size"] |= {"source": "the flag --queue-size", "fixed": True}
        said = "The worker did not get ready: it had 61 MiB after the import. Raise limit_memory_hard."
        changes = [
            {"id": 3, "at": self.now - 5000, "who": "admin", "state": "done", "options": {"workers": ("3", "4")}, "message": ""},
            {
                "id": 2,
                "at": self.now - 86_000,
                "who": "vera",
                "state": "rolled back",
                "options": {"limit_memory_hard": ("320 MiB", "40 MiB")},
                "message": said,
            },
            {
                "id": 1,
                "at": self.now - 400_000,
                "who": "admin",
                "state": "done",
                "options": {"limit_time_real": (None, "2 min"), "queue_timeout": ("10 s", "30 s")},
                "message": "",
            },
        ]
        shown = {"settings": known, "plan": plan, "most_workers": {"base": 4}.get(plan), "obstacle": ""}
        return shown, '"a1"', [] if self.empty else changes

    def consider(self, identity: str, values: Mapping[str, str]) -> Any:
        number = int(values.get("workers", "4"))
        if self.instance(identity)["plan"] == "base" and number > 4:
            said = f"the plan base allows 4 HTTP workers, not {number}"
            raise ProblemError(422, said, "plan-limit", errors={"workers": said})
        now = models.Waiting(workers=4, p50=0.0004, p95=0.031, p99=0.2, busy=71.3, lost=0)
        then = models.Waiting(workers=number, p50=0.0, p95=0.124 / number**2, p99=0.2, busy=285.2 / number, lost=0)
        return models.Meaning(
            changes={name: (SETTINGS.get(name, "not set"), text) for name, text in values.items()},
            processes=number + 2,
            memory_needed=(number + 2) * 256 * MIB,
            memory_likely=(number + 1) * 121 * MIB,
            memory_total=16 << 30,
            connections_each=4,
            connections_needed=4 * (number + 2),
            connections_allowed=97,
            connections_of="max_connections of the database",
            wait=models.Prediction(requests=10_000, seconds=1260.0, now=now, then=then),
            wait_unknown="",
            warnings=[],
        ).model_dump()

    def save(self, identity: str, values: Mapping[str, str], etag: str) -> int:
        self.consider(identity, values)
        return 4

    def change(self, identity: str, number: int) -> Any:
        self.looks += 1
        progress = models.Progress(state="reloading", generation=4, ready=self.looks % 4, wanted=4).model_dump()
        return {"id": number, "state": "running" if self.looks % 4 else "done", "message": "", "progress": progress}

    def undo(self, identity: str, number: int) -> int:
        return 5

    def alerts(self) -> Any:
        known = [
            (
                "crash_loop",
                "chat",
                "starts have failed 5 times in a row, the first for rooms (/srv/chat/rooms.py, line 3): No module named 'redis'",
                340,
            ),
            (
                "usage",
                "erp",
                "88 % of 9 workers were busy in the last minute; 95 % of requests waited for no longer than 210 ms",
                840,
            ),
            (
                "incidents",
                "default",
                "5 incidents in 10 minutes, the last one 9ac1f07e: totals (/srv/shop/reports/totals.py, line 87) in 4 of 5",
                90_000,
            ),
        ]
        rows = [
            {
                "instance": where,
                "title": RULES[rule].title,
                "level": RULES[rule].level,
                "subject": "",
                "text": text,
                "began": self.now - began,
                "seconds": 1260.0 if began > 9000 else None,
            }
            for rule, where, text, began in known
        ]
        rules = [
            {"name": rule.title, "level": rule.level, "after": rule.after, "active": name in {"usage", "crash_loop"}}
            for name, rule in RULES.items()
        ]
        return {"active": [] if self.empty else rows[:2], "past": [] if self.empty else rows[2:], "rules": rules}

    def tokens(self) -> Sequence[Any]:
        if self.empty:
            return []
        return [
            {
                "id": 1,
                "name": "deploy from CI",
                "scope": "operator",
                "created_at": self.now - 9e6,
                "expires_at": self.now + 4.7e6,
                "used_at": self.now - 12,
                "made_by": None,
            },
            {
                "id": 2,
                "name": "prometheus",
                "scope": "metrics",
                "created_at": self.now - 3e6,
                "expires_at": self.now + 4.7e6,
                "used_at": None,
                "made_by": 1,
            },
        ]

    def make_token(self, name: str, scope: str, days: int | None) -> str:
        if not name:
            raise ProblemError(422, "a token needs a name")
        return "prefork_9Zr0nT2cW1mV7aXbQk4LhY8uGdJ3sE6o"

    def revoke_token(self, number: int) -> None:
        self.revoked.add(number)

    def change_password(self, old: str, new: str) -> None:
        raise ProblemError(403, "the old password is wrong", "wrong-password")


def console(directory: Path, source: Invented) -> tuple[FastAPI, str]:
    """The console with this source for its pages, and the password of its `admin`."""
    db = Database(directory / NAME)
    password = users.make_first(db)
    assert password is not None
    app = create(db)
    app.state.source = lambda request, visitor: source
    return app, password
