"""What people do with Odoo, behind Prefork, from an odoo.conf that nobody has changed for it."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from facts import await_fact

from prefork.testing import Connection, Request

from .conftest import Serve
from .installation import Estate, Installation, OdooServer
from .person import Person

REPORT = "base.report_irmodeloverview/1"

pytestmark = pytest.mark.timeout(300)


def test_records_are_read_and_made_over_json_rpc(serve: Serve):
    with serve() as server:
        anna = Person(server.port)
        assert anna.log_in()["username"] == "admin"
        made = anna.call("res.partner", "create", {"name": "Azure Interior"})
        (found,) = anna.call("res.partner", "search_read", [["id", "=", made]], ["name"])
        assert found == {"id": made, "name": "Azure Interior"}
        assert "error" in Person(server.port).rpc("/web/session/authenticate", db="shop", login="admin", password="wrong")
        assert not server.events("worker_died")


@pytest.mark.parametrize("x_sendfile", [False, True])
def test_an_attachment_goes_up_and_comes_down_whole(serve: Serve, installation: Installation, x_sendfile: bool):
    content = os.urandom(3 << 20)
    with serve(workers=1, x_sendfile=x_sendfile) as server:
        anna = Person(server.port)
        anna.log_in()
        anna.upload("plan.bin", content)
        (found,) = anna.call("ir.attachment", "search_read", [["name", "=", "plan.bin"]], ["file_size"])
        assert found["file_size"] == len(content)
        before = bytes_read(server)
        answer = anna.ask(f"/web/content/{found['id']}?download=true")
        assert answer.body == content
        assert {"x-sendfile", "x-accel-redirect"}.isdisjoint(answer.headers)
        if x_sendfile and installation.version > 15:  # where the option is
            assert bytes_read(server) - before < len(content), "the worker has read the file that the dispatcher should send"
        part = anna.ask(f"/web/content/{found['id']}", headers={"Range": "bytes=1000-1999"})
        assert part.body in (content[1000:2000], content)
        assert Person(server.port).ask(f"/web/content/{found['id']}").body != content, "a stranger got it"


def bytes_read(server: OdooServer) -> int:
    """How much the only worker has read from files, which does not count sockets."""
    (worker,) = server.status()["workers"]
    return int(Path(f"/proc/{worker['pid']}/io").read_text().split()[1])


def test_reports_are_made_by_as_many_at_once_as_there_are_workers(serve: Serve):
    with serve(workers=2) as server:
        anna = Person(server.port)
        anna.log_in()
        assert b"<table" in anna.get(f"/report/html/{REPORT}")
        with ThreadPoolExecutor(3) as pool:
            for pdf in pool.map(anna.get, [f"/report/pdf/{REPORT}"] * 3):
                assert pdf.startswith(b"%PDF-")
        assert not server.events("worker_died")


def test_a_module_that_is_installed_through_the_web_answers_in_every_worker(serve: Serve):
    with serve(workers=2) as server:
        anna = Person(server.port)
        anna.log_in()
        assert anna.ask("/later").status == 404
        anna.call("ir.module.module", "update_list")
        (module,) = anna.call("ir.module.module", "search", [["name", "=", "prefork_later"]])
        anna.call("ir.module.module", "button_immediate_install", [module])
        answered = [anna.get("/later") for _ in range(20)]
        assert answered == [b"here"] * 20
        assert not server.events("worker_died")


def test_what_is_asked_on_the_command_line_is_installed_and_the_server_ends(serve: Serve, estate: Estate):
    server = serve(arguments=["--", "-i", "prefork_later", "--stop-after-init"])
    try:
        assert server.launch().exit_status(120) == 0
    finally:
        server.close()
    assert estate.postgres.query("shop", "SELECT state FROM ir_module_module WHERE name = 'prefork_later'") == [("installed",)]


def test_what_is_asked_on_the_command_line_is_installed_before_it_serves(serve: Serve):
    with serve(arguments=["--", "-i", "prefork_later", "-u", "prefork_probe"]) as server:
        assert Person(server.port).get("/later?db=shop") == b"here"
        server.reload()
        assert Person(server.port).get("/later?db=shop") == b"here"


def test_several_databases_are_served_and_the_name_asked_for_chooses(serve: Serve):
    with serve(databases=("one", "two"), db_name=None, dbfilter="^%d$") as server:
        for name in ("one", "two"):
            person = Person(server.port, name, host=f"{name}.example")
            person.log_in()
            assert json.loads(person.get("/probe/seen"))["database"] == name
            person.call("res.partner", "create", {"name": f"Partner of {name}"})
        found = person.call("res.partner", "search_read", [["name", "like", "Partner of"]], ["name"])
        assert [each["name"] for each in found] == ["Partner of two"]
        listed = Person(server.port, "one", host="one.example").rpc("/web/database/list")
        assert listed["result"] == ["one"]


@pytest.mark.parametrize("arguments", [["--load=base,web,prefork_probe"], ["--", "--load=base,web,prefork_probe"]])
def test_a_module_that_is_loaded_for_the_server_answers_without_a_database(serve: Serve, arguments: list[str]):
    with serve(db_name=None, arguments=arguments) as server:
        assert Person(server.port).get("/probe/text") == b"first"


@pytest.mark.parametrize("list_db", [True, False])
def test_databases_are_managed_where_that_is_allowed(serve: Serve, list_db: bool):
    with serve(list_db=list_db) as server:
        said = Person(server.port).rpc("/web/database/list")
        page = Person(server.port).get("/web/database/manager")
        if list_db:
            assert said["result"] == ["shop"]
            assert b"shop" in page
        else:
            assert "error" in said
            assert b"disabled by the administrator" in page


@pytest.mark.parametrize("proxy_mode", [True, False])
def test_a_proxy_is_believed_where_it_is_configured(serve: Serve, proxy_mode: bool):
    forwarded = {"X-Forwarded-Host": "shop.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    with serve(proxy_mode=proxy_mode) as server:
        seen = json.loads(Person(server.port).ask("/probe/seen", headers=forwarded).body)
        if proxy_mode:
            assert (seen["url"], seen["client"]) == ("https://shop.example/", "203.0.113.9")
        else:
            assert (seen["url"], seen["client"]) == (f"{server.url}/", "127.0.0.1")


def test_health_and_static_files_are_answered_while_every_worker_is_busy(serve: Serve, installation: Installation):
    favicon = installation.tree / "addons" / "web" / "static" / "img" / "favicon.ico"
    with serve(workers=2) as server, ThreadPoolExecutor(2) as pool:
        anna = Person(server.port)
        anna.log_in()
        held = [pool.submit(anna.get, "/probe/sleep?seconds=4") for _ in range(2)]
        await_fact(lambda: [worker["state"] for worker in server.status()["workers"]] == ["busy"] * 2, "two busy workers", server)
        with Connection("127.0.0.1", server.port, timeout=1) as stranger:
            assert b"pass" in stranger.exchange(Request("/web/health")).body
            assert stranger.exchange(Request("/prefork_probe/static/probe.txt")).body == b"the probe's static file\n"
            assert stranger.exchange(Request("/web/static/img/favicon.ico")).body == favicon.read_bytes()
        assert not any(each.done() for each in held)
        assert [each.result() for each in held] == [b"slept"] * 2
