"""Two nodes and one database, each told by its file what it is for: as the guides for Odoo print it, comments included."""

import json
import os
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from facts import await_fact
from tests.applications.postgres import Postgres

from prefork.testing import Server

APPS = Path(__file__).parent / "apps"
STAND_IN = Path(__file__).parent.parent / "stand_in"
APP_NODE = {"workers": 8, "max_cron_threads": "0 # CRITICAL: 0 Crons", "http_enable": True, "proxy_mode": True}
CRON_NODE = {"workers": 2, "max_cron_threads": 4, "http_enable": "False # CRITICAL: Rejects HTTP", "proxy_mode": True}
FRONTEND = {"workers": 9, "max_cron_threads": 0}
BACKEND = {"workers": 2, "max_cron_threads": 1}


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    made = Postgres(Path(sys.prefix), tmp_path / "postgres")
    made.create()
    with made:
        yield made


def get(server: Server, target: str) -> bytes:
    with urllib.request.urlopen(server.url + target, timeout=30) as answer:
        return answer.read()


def pools(server: Server) -> set[str]:
    return {worker["pool"] for worker in server.status()["workers"]}


def rejects_http(server: Server) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", server.port)) != 0


@pytest.mark.story
@pytest.mark.parametrize(("first", "second"), [(APP_NODE, CRON_NODE), (FRONTEND, BACKEND)], ids=["app-and-cron", "front-and-back"])
def test_of_two_nodes_of_odoo_only_the_second_one_runs_scheduled_actions(
    tmp_path: Path, first: dict[str, object], second: dict[str, object]
) -> None:
    shared = {"odoo": STAND_IN, "db_name": "shop", "db_host": tmp_path, "access_log": False}
    (tmp_path / "shop.due").write_text("mail vacuum")
    with Server(**shared, **first) as odoo1:
        assert json.loads(get(odoo1, "/index"))["workers"] == first["workers"]
        assert pools(odoo1) == {"http"}
        with Server(**shared, **second) as odoo2:
            done = tmp_path / "done"
            both = {"shop:mail", "shop:vacuum"}
            await_fact(lambda: done.exists() and set(done.read_text().split()) == both, "both actions done", odoo2)
            assert not (tmp_path / "shop.due").read_text()
            wanted = {"wanted": second["max_cron_threads"], "ready": second["max_cron_threads"]}
            await_fact(lambda: odoo2.status()["cron"] == wanted, "all its workers for jobs", odoo2)
            assert rejects_http(odoo2) == ("http_enable" in second)
            assert pools(odoo1) == {"http"}


@pytest.mark.story
def test_a_job_that_is_deferred_on_the_app_node_runs_on_the_cron_node(tmp_path: Path, postgres: Postgres) -> None:
    done = tmp_path / "done"
    database = {"db_host": "127.0.0.1", "db_port": postgres.port, "db_user": "postgres", "db_name": "shop"}
    postgres.make_database("shop")
    jobs = {"jobs": "clerk", "after_fork": "eager:after_fork"}
    shared = {"app_dir": APPS, "env": {"CLERK": os.fspath(done)}, "access_log": False, **jobs, **database}
    with Server("clerk:app", **shared, **CRON_NODE) as odoo2, Server("clerk:app", **shared, **APP_NODE) as odoo1:
        assert get(odoo1, "/?3") == b"deferred"
        await_fact(lambda: done.exists() and {"0", "1", "2"} <= set(done.read_text().split()), "three jobs are done", odoo2)
        await_fact(lambda: len(ran(postgres)) >= 3, "three are known to be done", odoo2)
        assert pools(odoo1) == {"http"}
        assert pools(odoo2) == {"cron"}
        assert rejects_http(odoo2)
        assert {node.partition(":")[2].rpartition("#")[0] for (node,) in ran(postgres)} == {odoo2.data_dir}


def ran(postgres: Postgres) -> list[tuple[str, ...]]:
    return postgres.query("shop", "SELECT node FROM prefork.history WHERE job = 'clerk.write' AND outcome = 'done'")
