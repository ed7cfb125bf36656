"""Odoo's own scheduled actions in workers for jobs: begun at once, each once, named where they break a limit."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from facts import await_fact

from prefork.testing import free_port

from .conftest import Serve
from .installation import Estate, Installation, OdooServer
from .person import Person

pytestmark = pytest.mark.timeout(300)

SOON = 2.0  # seconds from a trigger to the start, however busy the machine; without the bell somebody looks once a minute
NOTED = "env['res.partner'].create({'name': 'ran', 'ref': str(time.time())})"
FOR_EVER = "while True:\n    pass"
ROUNDS = 10


class Clerk(Person):
    """Somebody who makes actions and has them run."""

    def make(self, code: str, installation: Installation) -> int:
        """An action that is not due in the next years; returns its number."""
        (model,) = self.call("ir.model", "search", [["model", "=", "res.partner"]])
        often = {"numbercall": -1, "doall": False} if installation.version < 18 else {}
        values = {"name": "Probe", "model_id": model, "state": "code", "code": code, "nextcall": "2099-01-01 00:00:00"}
        action: int = self.call("ir.cron", "create", {**values, "interval_number": 1, "interval_type": "months", **often})
        return action

    def trigger(self, action: int) -> float:
        """Have it run; returns when that was asked for."""
        return float(self.get(f"/probe/trigger?action={action}"))

    def runs(self) -> list[float]:
        """When it began, each time."""
        return [float(each["ref"]) for each in self.call("res.partner", "search_read", [["name", "=", "ran"]], ["ref"], order="id")]


@pytest.fixture
def clerk() -> Callable[[OdooServer], Clerk]:
    def made(server: OdooServer) -> Clerk:
        found = Clerk(server.port)
        found.log_in()
        return found

    return made


def incidents(server: OdooServer) -> list[dict[str, Any]]:
    """Those of our action: on a busy machine Odoo's own ones may take too long as well."""
    file = Path(server.data_dir, "incidents.jsonl")
    found = map(json.loads, file.read_text(encoding="utf-8").splitlines() if file.exists() else ())
    return [each for each in found if each["job"]["name"].endswith("Probe")]


def test_an_action_begins_as_soon_as_it_is_triggered(
    serve: Serve, installation: Installation, clerk: Callable[[OdooServer], Clerk], record_property: Callable[[str, object], None]
):
    with serve(max_cron_threads=1) as server:
        anna = clerk(server)
        action = anna.make(NOTED, installation)
        delays = []
        for number in range(ROUNDS):
            asked = anna.trigger(action)
            await_fact(lambda wanted=number + 1: len(anna.runs()) == wanted, "runs of the action", server)
            delays.append(anna.runs()[-1] - asked)
        record_property("median", sorted(delays)[ROUNDS // 2])
        record_property("longest", max(delays))
        assert sorted(delays)[ROUNDS // 2] < SOON, delays


def test_an_action_over_its_limit_is_named_with_its_stack(
    serve: Serve, installation: Installation, clerk: Callable[[OdooServer], Clerk]
):
    with serve(max_cron_threads=1, limit_time_real_cron=3) as server:
        anna = clerk(server)
        anna.trigger(anna.make(FOR_EVER, installation))
        await_fact(lambda: bool(incidents(server)), "an incident", server, 60)
        found = incidents(server)[0]
        assert found["cause"] == "limit_time_real_cron"
        assert found["job"]["name"].startswith("shop: ")
        assert found["job"]["name"].endswith("Probe")
        assert "_process_job" in found["stacks"]


def test_an_idle_worker_outlives_the_limit(serve: Serve):
    """In Odoo's own server one that waits for longer than that is killed, for ever."""
    with serve(max_cron_threads=1, limit_time_real=12) as server:
        server.wait_for("worker_ready", worker="cron.1", timeout=60)
        pid, since = server.workers()["cron.1"], time.monotonic()
        await_fact(lambda: time.monotonic() - since > 15, "a limit and a quarter passed", server, 30)
        assert server.workers()["cron.1"] == pid
        assert not server.events("incident_recorded")


@contextmanager
def odoos_own(estate: Estate, server: OdooServer, log: Path) -> Iterator[None]:
    """Odoo's own server on the same database, with a cron worker of its own."""
    installation = estate.installation
    address = [f"--{name}={value}" for name, value in estate.address().items()]
    flags = ["-d", "shop", f"--addons-path={installation.addons_path(server.addons)}", f"--data-dir={server.data_dir}"]
    port = "--gevent-port" if installation.version > 15 else "--longpolling-port"
    ports = [f"--http-port={free_port()}", "--http-interface=127.0.0.1", f"{port}={free_port()}"]
    command = [installation.python, installation.tree / "odoo-bin", *address, *flags, *ports, "--workers=1", "--max-cron-threads=1"]
    with log.open("w") as output, subprocess.Popen(list(map(str, command)), stdout=output, stderr=output) as process:
        try:
            await_fact(lambda: "WorkerCron" in log.read_text(), "Odoo's own workers for actions", server, 60)
            yield
        finally:
            process.terminate()


def test_two_nodes_and_odoos_own_server_run_each_action_once(
    serve: Serve, estate: Estate, installation: Installation, clerk: Callable[[OdooServer], Clerk], tmp_path: Path
):
    with (
        serve(max_cron_threads=2) as first,
        serve(databases=(), db_name="shop", http_enable=False, max_cron_threads=2),
        odoos_own(estate, first, tmp_path / "log"),
    ):
        anna = clerk(first)
        action = anna.make(NOTED, installation)
        for number in range(ROUNDS):
            anna.trigger(action)
            await_fact(lambda wanted=number + 1: len(anna.runs()) >= wanted, "runs of the action", first)
        assert len(anna.runs()) == ROUNDS
