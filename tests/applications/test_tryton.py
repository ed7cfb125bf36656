"""Tryton, an ERP, behind Prefork: clerks enter parties and sales through its own client library while workers die and the code is
reloaded, and its REST interface is read."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from tests.conftest import ROOT
from tests.docs.script import script
from tests.process.wire import until

from prefork.config.reader import read_text
from prefork.testing import Load, Request, Server

from .conftest import KEY, PASSWORD, tryton_variables
from .environments import HERE
from .postgres import Postgres
from .story import assert_all_read, assert_books_agree, disturb

TARGETS = ["party.party", "product.product?f=name&f=default_uom.name", "party.party/1", "sale.sale?s=10"]
DUE = "DELETE FROM ir_cron_log; UPDATE ir_cron SET next_call = now() AT TIME ZONE 'UTC' - interval '1 hour'"
LATE = "SELECT id FROM ir_cron WHERE active AND next_call < now() AT TIME ZONE 'UTC'"
FAILING = "id = (SELECT min(id) FROM ir_cron WHERE active)"
FOUND = {"party": "SELECT name FROM party_party WHERE id > 1", "sale": "SELECT reference FROM sale_sale"}


class Patient(Server):
    """A server whose start may take its time: Tryton's modules are a long import where others compute."""

    def start(self, timeout: float = 120.0) -> Server:
        return super().start(timeout)


@pytest.mark.timeout(400)
def test_no_query_fails_and_no_record_is_lost_or_doubled(tryton: Path, company: Postgres, full: bool):
    variables = tryton_variables(company)
    with Patient("validated:app", app_dir=HERE / "tryton", python=tryton / "bin" / "python", env=variables) as server:
        with Load(server.url, query, threads=2) as reading, clerks(tryton, server, "anna", "bert") as ledger:

            def work_goes_on() -> None:
                reading.wait(10 if full else 4)
                ledger.wait(6 if full else 3)

            disturb(server, work_goes_on)
        assert_all_read(reading.stop())
        for kind, sql in FOUND.items():
            found = [name for (name,) in company.query("company", sql)]
            assert_books_agree(found, ledger.names(kind, "acknowledged"), ledger.names(kind, "unknown"))
        complaints = [line for line in server.log.output if "AssertionError" in line or "without being closed" in line]
        assert not complaints, f"the validator complained: {complaints}"


@pytest.mark.timeout(400)
def test_scheduled_actions_run_in_the_cron_pool(tryton: Path, company: Postgres):
    company.query("company", DUE)
    company.query("company", f"UPDATE ir_cron SET method = 'ir.queue|missing' WHERE {FAILING}")
    (broken,) = company.query("company", f"SELECT id FROM ir_cron WHERE {FAILING}")
    example = {
        each.key: each.text for each in read_text((ROOT / "examples/tryton/prefork.conf").read_text(), "prefork.conf").entries
    }
    options = {name: example[name] for name in ("app", "job_source")} | {"python": tryton / "bin" / "python", "workers": 1}
    with Patient(env=tryton_variables(company), max_cron_threads=2, **options) as server:
        until(lambda: not company.query("company", LATE), "no action to be due any more", 60)
        counts = company.query("company", "SELECT cron, count(*) FROM ir_cron_log GROUP BY cron")
        mark = server.mark()
        server.kill("cron.1")
        server.wait_for("worker_ready", after=mark, timeout=30)
        assert not server.events("jobs_unreachable")
    assert broken[0] not in dict(counts), "it failed, and is tried again at its next time"
    assert set(dict(counts).values()) == {"1"}, "each was done once"
    active = company.query("company", "SELECT id FROM ir_cron WHERE active")
    assert {number for (number,) in active} == {*dict(counts), *broken}
    assert any("job company: ir.queue|missing" in line for line in server.log.output)


@pytest.mark.timeout(400)
def test_its_page_is_as_it_is_told(tryton: Path, company: Postgres):
    asked = {"id": 0, "method": "common.db.login", "params": ["admin", {"password": PASSWORD}, "en"]}
    login = f"curl -H 'Content-Type: application/json' http://127.0.0.1:8069/company/rpc/ -d '{json.dumps(asked)}'"
    with script("docs/frameworks/tryton.md") as page:
        page.place("/opt/tryton").mkdir(parents=True)
        page.place("/opt/tryton/venv").symlink_to(tryton)
        page.write("prefork.conf", "job_source = ")
        page.put("/etc/tryton/trytond.conf", f"[database]\nuri = {company.uri}\n")
        page.start("TRYTOND_CONFIG=/etc/tryton/trytond.conf TRYTOND_DATABASE_NAMES=company prefork serve -c prefork.conf")
        page.right(login, r'"result": ?\[')
        page.stop()
        page.environment |= {"TRYTOND_CONFIG": page.meant("/etc/tryton/trytond.conf"), "TRYTOND_DATABASE_NAMES": "company"}
        assert "Watching" in page.start("prefork serve -c prefork.conf --dev --workers 0")
        page.right(login, r'"result": ?\[')
        page.stop()


def query(thread: int, number: int) -> Request:
    target = TARGETS[(thread + number) % len(TARGETS)]
    return Request(f"/company/rest/model/{target}", headers={"Authorization": f"bearer {KEY}"})


class Ledger:
    """What the clerks report about their records, one entry for each."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def follow(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self._entries.append(json.loads(line))
                self._changed.notify_all()

    def wait(self, entries: int, timeout: float = 60.0) -> None:
        """Wait for that many more entries."""
        with self._changed:
            goal = len(self._entries) + entries
            done = self._changed.wait_for(lambda: len(self._entries) >= goal, timeout)
            assert done, f"not {entries} more records within {timeout} s; the last ones: {self._entries[-5:]}"

    def names(self, kind: str, creation: str) -> set[str]:
        """The names of the records whose creation ended in this way."""
        return {entry["name"] for entry in self._entries if (entry["kind"], entry["creation"]) == (kind, creation)}


@contextmanager
def clerks(tryton: Path, server: Server, *names: str) -> Iterator[Ledger]:
    """Clerks at work; at the end each finishes its record and must leave with status 0."""
    ledger = Ledger()
    command = [tryton / "bin" / "python", HERE / "tryton" / "client.py", f"{server.url}/company/rpc/", PASSWORD]
    processes = [subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in names]
    readers = [threading.Thread(target=ledger.follow, args=(process.stdout,)) for process in processes]
    for reader in readers:
        reader.start()
    try:
        yield ledger
    finally:
        for process in processes:
            process.stdin.close()
        statuses = [process.wait(30) for process in processes]
        for process, reader in zip(processes, readers, strict=True):
            reader.join(10)
            process.stdout.close()
    assert statuses == [0] * len(names), "a clerk met a failure: its traceback is above"
