"""The Odoo host, on a stand-in for Odoo; `make test-odoo` runs on the real one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from facts import await_fact

from prefork.testing import Server
from prefork.testing.client import Answer, Connection, Request

TREE = Path(__file__).parent.parent / "stand_in"


def odoo(**options: Any) -> Server:
    return Server(None, odoo=TREE, **{"db_name": "shop", "http_interface": "127.0.0.1", **options})


def ask(server: Server, target: str) -> Answer:
    with Connection("127.0.0.1", server.port) as connection:
        return connection.exchange(Request(target), close=True)


def said(server: Server, target: str) -> Any:
    return json.loads(ask(server, target).body)


def test_odoo_reads_its_own_file_and_is_told_the_rest() -> None:
    with odoo(proxy_mode=True, server_wide_modules="base,web,queue") as server:
        assert said(server, "/index") == {
            "workers": 2,
            "db_name": "shop",
            "http_port": server.port,
            "proxy_mode": "True",
            "server_wide_modules": "base,web,queue",
        }
        assert server.status()["app"] == "odoo"


def test_what_the_file_does_not_say_comes_by_flag() -> None:
    with odoo(db_name="shop", odoo_args="--load=base,rpc", server_wide_modules="base,web") as server:
        assert said(server, "/index")["server_wide_modules"] == "base,rpc"


def test_health_needs_no_worker_and_no_trust() -> None:
    with odoo() as server:
        answer = ask(server, "/web/health")
        assert (answer.status, json.loads(answer.body)) == (200, {"status": "pass"})
        assert ask(server, "/web/health?db_server_status=1").status == 404, "a query is for the application"
        assert ask(server, "/web/healthy").status == 404


def test_a_request_is_accounted_with_its_controller_and_queries() -> None:
    with odoo() as server:
        ask(server, "/index")
        entry = server.wait_for("access", target="/index")
        assert (entry["queries"], entry["sql"], entry["tag"]) == (3, 0.25, "shop user=7 odoo.http.Home.index")
        assert ask(server, "/stop").status == 502
        for worker in ("http.1", "http.2"):
            server.wait_for("incident_recorded", worker=worker)
        kept = Path(server.data_dir, "incidents.jsonl").read_text().splitlines()
        assert [json.loads(incident)["request"]["tag"] for incident in kept] == ["shop user=7 odoo.http.Home.stop"] * 2


def test_x_sendfile_is_sent_by_the_dispatcher() -> None:
    server = odoo(x_sendfile=True)
    store = Path(server.data_dir, "filestore")
    store.mkdir()
    (store / "a").write_bytes(b"attached")
    with server:
        assert ask(server, "/file").body == b"attached"


def test_without_x_sendfile_nothing_is_sent_for_odoo() -> None:
    server = odoo()
    store = Path(server.data_dir, "filestore")
    store.mkdir()
    (store / "a").write_bytes(b"attached")
    with server:
        answer = ask(server, "/file")
        assert (answer.body, answer.headers["x-sendfile"]) == (b"", str(store / "a"))


def test_a_module_that_restarts_odoo_reloads_the_server() -> None:
    with odoo() as server:
        before = said(server, "/pid")
        assert before["master"] == server.pid
        assert ask(server, "/restart").status == 200
        server.wait_for("reload_done")
        assert said(server, "/pid")["pid"] != before["pid"]


def test_a_database_that_cannot_be_reached_is_left_to_the_requests() -> None:
    with odoo(db_name="away,shop") as server:
        assert any("Database away cannot be reached" in line for line in server.log.text().splitlines())
        assert ask(server, "/index").status == 200


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"db_name": "broken"}, "database broken could not be loaded: SyntaxError: invalid syntax in an add-on"),
        ({"odoo_args": "--databse=shop"}, "Odoo refuses its configuration: no such option: --databse"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_a_sentence(options: dict[str, str], sentence: str) -> None:
    server = odoo(**options)
    try:
        server.launch()
        assert server.exit_status() == 3
        assert sentence in server.wait_for("template_failed")["reason"]
    finally:
        server.close()


def test_a_rehearsal_loads_and_serves_nobody(tmp_path: Path) -> None:
    (tmp_path / "odoo.conf").write_text("[options]\ndb_name = shop\nhttp_port = 1\nlogfile = log\n")
    command = [sys.executable, "-m", "prefork", "serve", "-c", "odoo.conf", "--odoo", str(TREE), "--data-dir", "d"]
    done = subprocess.run([*command, "--", "-u", "sale", "--stop-after-init"], cwd=tmp_path, check=False, timeout=50)
    assert done.returncode == 0
    assert not (tmp_path / "d").exists()
    assert "Template of generation 1 is ready" in (tmp_path / "log").read_text()
    done = subprocess.run([*command, "--", "-d", "broken", "--stop-after-init"], cwd=tmp_path, check=False, timeout=50)
    assert done.returncode == 3
    assert "database broken could not be loaded" in (tmp_path / "log").read_text()


def test_files_of_add_ons_need_no_worker() -> None:
    with odoo() as server:
        style = ask(server, "/web/static/src/a.css")
        assert (style.status, style.body, style.headers["cache-control"]) == (200, b"body {}\n", "public, max-age=604800")
        assert "content-security-policy" not in style.headers
        assert ask(server, "/base/static/img/b.svg").headers["content-security-policy"] == "default-src 'none'"
        assert ask(server, "/shop/static/s.txt").body == b"shop\n", "add-ons beside the tree's own"
        server.wait_for("access", target="/shop/static/s.txt")
        assert [entry["worker"] for entry in server.events("access")] == ["-"] * 3


def test_what_no_add_on_has_is_asked_of_odoo() -> None:
    with odoo() as server:
        for target in ("/web/static/src/none.css", "/web/static/../../x", "/none/static/a.css"):
            answer = ask(server, target)
            assert (answer.status, answer.body) == (404, b"{}"), target
        server.wait_for("access", target="/none/static/a.css")
        assert all(entry["worker"] != "-" for entry in server.events("access"))


def test_for_its_developers_no_file_is_kept() -> None:
    with odoo(dev_mode="xml") as server:
        assert "cache-control" not in ask(server, "/web/static/src/a.css").headers


def test_reports_have_their_lane_unless_the_option_is_empty() -> None:
    for options, names in (({}, ["reports", "default"]), ({"lanes": ""}, ["default"])):
        with odoo(**options) as server:
            assert [lane["name"] for lane in server.status()["lanes"]] == names


def done(server: Server) -> list[str]:
    file = Path(server.data_dir, "done")
    return file.read_text().split() if file.exists() else []


def test_databases_take_turns_with_their_scheduled_actions_and_one_of_another_version_has_none() -> None:
    server = odoo(db_name="shop,depot,archive")
    Path(server.data_dir, "shop.due").write_text("elsewhere mail vacuum")
    Path(server.data_dir, "depot.due").write_text("invoices")
    Path(server.data_dir, "archive.due").write_text("mail")
    Path(server.data_dir, "archive.foreign").touch()
    with server:
        await_fact(lambda: len(done(server)) == 3, "all actions are run", server)
        assert done(server) == ["depot:invoices", "shop:mail", "shop:vacuum"]
        said = "database archive are left alone: Odoo's check of its version says BadVersion"
        await_fact(lambda: said in server.log.text(), "why the third has none", server)
        assert server.log.text().count(said) == 1
        assert server.status()["cron"]["ready"] == 1


def test_an_action_over_its_limit_is_named_and_an_idle_worker_lives() -> None:
    server = odoo(limit_time_real_cron=1)
    Path(server.data_dir, "shop.due").write_text("hang")
    with server:
        server.wait_for("incident_recorded")
        (kept,) = (json.loads(line) for line in Path(server.data_dir, "incidents.jsonl").read_text().splitlines()[:1])
        assert (kept["cause"], kept["job"]["name"]) == ("limit_time_real_cron", "shop: hang")
        assert "in _process_job" in kept["stacks"]
        mark = server.mark()
        Path(server.data_dir, "shop.due").write_text("")
        server.wait_for("worker_ready", worker="cron.1", after=mark, timeout=20)
        Path(server.data_dir, "shop.due").write_text("mail")
        await_fact(lambda: done(server) == ["shop:mail"], "the action is run", server)


def test_an_action_that_workers_die_in_keeps_no_other_one_waiting() -> None:
    server = odoo(db_name="depot,shop", limit_time_real_cron=1)
    Path(server.data_dir, "depot.due").write_text("hang invoices")
    Path(server.data_dir, "shop.due").write_text("mail vacuum")
    with server:
        await_fact(lambda: len(done(server)) == 3, "all others are run", server)
        assert set(done(server)) == {"depot:invoices", "shop:mail", "shop:vacuum"}
        assert server.events("incident_recorded")
        Path(server.data_dir, "depot.due").write_text("")


def test_without_cron_threads_no_action_is_run() -> None:
    server = odoo(max_cron_threads=0)
    Path(server.data_dir, "shop.due").write_text("mail")
    with server:
        assert ask(server, "/index").status == 200
        assert "cron.1" not in server.workers()
    assert done(server) == []


def test_the_number_of_workers_for_scheduled_actions_can_be_changed() -> None:
    with odoo() as server:
        assert server.ask({"command": "scale", "pool": "cron", "workers": 2})["ok"]
        server.wait_for("worker_ready", worker="cron.2")


def test_odoo_may_be_named_as_the_application() -> None:
    with Server(f"odoo:{TREE}", db_name="shop", http_interface="127.0.0.1") as server:
        assert said(server, "/index")["db_name"] == "shop"


def test_processes_and_log_have_the_words_that_guides_look_for() -> None:
    wide = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with odoo(workers=2, max_cron_threads=1, websocket_workers=1) as server:
        listed = subprocess.run(["sh", "-c", 'ps aux | grep "[o]doo"'], env=wide, capture_output=True, text=True, check=True).stdout
        assert {server.pid, *server.workers().values()} <= {int(line.split()[1]) for line in listed.splitlines()}
        log = server.log.text().splitlines()
        for name in server.workers():
            assert any(f"Worker {name} " in line for line in log), "grep -i worker"
        assert any(f"Listening on http://127.0.0.1:{server.websocket_port}" in line for line in log), "the live port"
