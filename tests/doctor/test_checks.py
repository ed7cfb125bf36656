"""Each check by itself, on evidence that is written down here: what it passes, what it does not, and what it tells to paste."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from prefork.config.quantities import GIB, MIB
from prefork.doctor.checks import CHECKS
from prefork.doctor.evidence import Database, Evidence, Live, Log, Machine, Page, Server, Session, Site, Standby, Table, Unseen
from prefork.doctor.examine import examine
from prefork.doctor.probes import conf, nginx
from prefork.incidents import Incident

NOW = 1_800_000_000.0
MACHINE = Machine(4, 8 * GIB, 4 * GIB, disk="ssd", loop=9.0)
SERVER = Server(
    70, own=False, http=9, memory=(200 * MIB,) * 9, ports=frozenset({8069, 8072}), unit="odoo.service", enabled=True, busy=20.0
)
LOG = Log("odoo.log", hours=10.0)
SITE = Site("https://erp.example", Page(200), days=80.0, live="/websocket")
DATABASE = Database(
    {"autovacuum": "on", "track_counts": "on", "archive_mode": "on", "archive_command": "true", "log_destination": "jsonlog"},
    used=20,
    most=100,
    tables=(Table("sale", 90 * MIB, 100_000, 10),),
    sessions=(Session(9, "odoo", "active", 0.1),),
    standbys=(Standby("two", 10),),
    archived=True,
    backup=3600.0,
    statements=True,
)
STATUS = {
    "state": "running",
    "uptime": 900,
    "wanted": 2,
    "ready": 2,
    "cron": {"wanted": 1, "ready": 1},
    "websocket": {"wanted": 1, "ready": 1},
    "queue": {"length": 0, "oldest": 0},
    "crash_loop": None,
}
CONF = {
    "workers": "9",
    "max_cron_threads": "1",
    "limit_memory_soft": "640M",
    "limit_memory_hard": "800M",
    "proxy_mode": "True",
    "x_sendfile": "True",
    "db_maxconn": "8",
}
DOCUMENTS = {"Performance", "Quick answer", "Multi-processing", "Service", "Enterprise"}
HEADERS = " ".join(
    f"proxy_set_header X-Forwarded-{name} ${value};"
    for name, value in {"Host": "host", "For": "remote_addr", "Proto": "scheme"}.items()
)
UPGRADE = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
SITES = f"""
http {{
    upstream app {{ server 127.0.0.1:8069; }}
    server {{
        listen 443 ssl;
        ssl_protocols TLSv1.3;
        proxy_read_timeout 720s;
        proxy_next_upstream error timeout;
        location / {{ proxy_pass http://app; {HEADERS} }}
        location /websocket {{ proxy_pass http://127.0.0.1:8072; {UPGRADE} }}
        location ~ ^/\\w+/static/ {{ root /opt/odoo/addons; }}
        location /web/filestore {{ internal; alias /srv; }}
    }}
}}
"""
DAMAGE = Incident(
    "a1", NOW - 60, "here", "http.1", "http", 7, 1, "limit_time_real", "it took too long", "", request={"target": "/report?x=1"}
)


class Row(NamedTuple):
    """Evidence that a check must not pass: changes of what is healthy."""

    level: str
    seen: str
    fix: str
    conf: dict[str, str] | None = None
    machine: dict[str, Any] | None = None
    server: dict[str, Any] | None = None
    proxy: tuple[str, str] | None = None
    site: dict[str, Any] | None = None
    database: dict[str, Any] | None = None
    log: dict[str, Any] | None = None
    status: dict[str, Any] | None = None
    incidents: tuple[Incident, ...] = ()
    own: bool = False


ROWS = {
    "configuration-valid": Row("fail", "is not a", "prefork check -c", conf={"workers": "many"}),
    "keys-known": Row("warn", "did you mean limit_time_cpu", "sed -i", conf={"limit_time_cqu": "1"}),
    "threaded-mode": Row("fail", "3 of 4 CPUs idle", "workers = 9", conf={"workers": "0"}, server={"http": 0}),
    "guessed-workers": Row("fail", "workers = 100", "workers = 9", conf={"workers": "100"}),
    "one-worker-left": Row("warn", "one worker is left for all users beside 1 for jobs", "workers = 9", conf={"workers": "1"}),
    "memory-fits": Row("fail", "11 processes × 1 GiB (the largest here) = 11 GiB", "workers = 6", server={"memory": (GIB,)}),
    "workers-appear": Row("fail", "3 worker processes", "systemctl restart odoo.service", server={"http": 3}),
    "workers-busy": Row("warn", "may experience slow", "prefork usage --pid 70", server={"busy": 97.0}),
    "queue-short": Row("warn", "the oldest for 3.0 s", "prefork scale 3", status={"queue": {"length": 5, "oldest": 3.0}}),
    "modules-needed": Row("warn", "stock", "server_wide_modules = base,web", conf={"server_wide_modules": "base,web,stock"}),
    "limits-of-memory": Row("warn", "no limit", "limit_memory_hard = ", conf={"limit_memory_hard": "0"}),
    "hard-limit-fits": Row("fail", "above the 8 GiB", "limit_memory_hard = ", conf={"limit_memory_hard": "9G"}),
    "soft-limit-range": Row("warn", "100%", "limit_memory_soft = 671088640", conf={"limit_memory_soft": "799M"}),
    "soft-limit-room": Row("warn", "usually takes 300 MiB", "limit_memory_soft = ", conf={"limit_memory_soft": "200M"}),
    "limits-of-time": Row("warn", "no limit", "limit_time_cpu = 60", conf={"limit_time_cpu": "0"}),
    "time-limits-ordered": Row("warn", "is above", "limit_time_real = 1200", conf={"limit_time_cpu": "600"}),
    "cron-limit-beat": Row("warn", "silent for longer", "limit_time_real_cron = 120", conf={"limit_time_real": "60"}),
    "no-swap": Row("warn", "2 GiB are swapped out", "prefork size", machine={"swap": 2 * GIB}),
    "memory-left": Row("warn", "100 MiB of 8 GiB", "prefork size", machine={"available": 100 * MIB}),
    "no-oom-kills": Row("warn", "3 processes", "journalctl -k", machine={"ooms": 3}),
    "disk-solid": Row("warn", "rotating disk", "lsblk", machine={"disk": "rotating"}),
    "core-quick": Row("warn", "45 ms", "scaling_governor", machine={"loop": 45.0}),
    "unit-enabled": Row("fail", "not enabled", "systemctl enable odoo.service", server={"enabled": False}),
    "http-listening": Row("fail", "listens on 8069", "ss -tlnp", server={"ports": frozenset({8072})}),
    "live-listening": Row("fail", "listens on 8072", "gevent_port = 8072", server={"ports": frozenset({8069})}),
    "workers-ready": Row("fail", "die at their start", "prefork incidents", status={"crash_loop": {"failures": 3}}),
    "nginx-directives": Row(
        "fail", "proxy_pas is no directive", "proxy_pass http://app;", proxy=("proxy_pass http://app", "proxy_pas http://app")
    ),
    "tls-at-the-edge": Row("fail", "without TLS", "listen 443 ssl;", proxy=("listen 443 ssl;", "listen 80;")),
    "tls-versions": Row("warn", "TLSv1", "ssl_protocols TLSv1.2 TLSv1.3;", proxy=("TLSv1.3", "TLSv1 TLSv1.3")),
    "forwarded-headers": Row(
        "fail", "X-Forwarded-Proto", "proxy_set_header X-Forwarded-Proto $scheme;", proxy=("X-Forwarded-Proto $scheme", "X-Other 1")
    ),
    "proxy-mode": Row("fail", "proxy_mode = False", "proxy_mode = True", conf={"proxy_mode": "False"}),
    "upstream-right": Row("fail", "127.0.0.1:8060", "server 127.0.0.1:8069;", proxy=("127.0.0.1:8069", "127.0.0.1:8060")),
    "jobs-node-hidden": Row("fail", "http_enable = False", "# server 127.0.0.1:8069;", conf={"http_enable": "False"}),
    "timeouts-ordered": Row("warn", "waits 60 s", "proxy_read_timeout 720s;", proxy=("proxy_read_timeout 720s;", "")),
    "nothing-done-twice": Row(
        "fail", "non_idempotent", "proxy_next_upstream error timeout;", proxy=("error timeout;", "error timeout non_idempotent;")
    ),
    "statics-offloaded": Row("warn", "/web/static to http://app", "location ~ ^/[^/]+/static/", proxy=("/static/", "/other/")),
    "attachments-offloaded": Row("fail", "downloads are empty", "location /web/filestore", proxy=("/web/filestore", "/web/other")),
    "live-route-present": Row("fail", "no /websocket", "location /websocket {", proxy=("/websocket", "/other")),
    "live-route-port": Row("fail", "leads to 127.0.0.1:8069", "proxy_pass http://127.0.0.1:8072;", proxy=("127.0.0.1:8072", "app")),
    "live-route-headers": Row("fail", "Upgrade and Connection", "proxy_set_header Upgrade $http_upgrade;", proxy=(UPGRADE, "")),
    "live-route-patience": Row(
        "warn", "waits 20 s", "proxy_read_timeout 3600s;", proxy=(UPGRADE, UPGRADE + "proxy_read_timeout 20s;")
    ),
    "live-connects": Row("fail", "502 Bad Gateway", "location /websocket {", site={"upgrade": "502 Bad Gateway"}),
    "site-healthy": Row("fail", "answers 502", "curl", site={"home": Page(502)}),
    "https-only": Row("fail", "http://erp.example answers 200 without TLS", "return 308 https", site={"plain": Page(200)}),
    "certificate-trusted": Row("fail", "self-signed", "certbot --nginx -d erp.example", site={"tls": "self-signed certificate"}),
    "redirects-stay": Row("fail", "http://erp.example", "X-Forwarded-Proto", site={"home": Page(303, "http://erp.example/web")}),
    "sessions-outlive-workers": Row("fail", "memory", "session_store = file", conf={"session_store": "memory"}),
    "sessions-shared": Row("fail", "2 nodes", "ip_hash;", proxy=("upstream app {", "upstream app { server 10.0.0.2:8069;")),
    "filestore-shared": Row("fail", "10.0.0.2", "mount -t nfs4", proxy=("upstream app {", "upstream app { server 10.0.0.2:8069;")),
    "primary-one-at-a-time": Row("fail", "Patroni 3.0.2", "patroni[etcd3,psycopg3]", machine={"patroni": "3.0.2"}),
    "connection-budget": Row("warn", "11 processes × 64 = 704 connections, 97", "db_maxconn = 8", conf={"db_maxconn": "64"}),
    "connections-free": Row("fail", "99 of 100", "pg_stat_activity", database={"used": 99}),
    "pool-not-exhausted": Row("warn", "4 times", "grep -i", log={"pool_full": 4}),
    "pooling-by-session": Row("fail", "for a transaction only", "pool_mode = session", database={"pooled": "transaction"}),
    "autovacuum-on": Row(
        "fail", "autovacuum = off", "ALTER SYSTEM SET autovacuum = on;", database={"settings": {"autovacuum": "off"}}
    ),
    "autovacuum-keeps-up": Row(
        "warn", "sale: 90000 dead", "VACUUM (ANALYZE) sale;", database={"tables": (Table("sale", 9 * MIB, 100_000, 90_000),)}
    ),
    "no-wraparound": Row("fail", "1500 million", "vacuumdb --all --freeze", database={"age": 1_500_000_000}),
    "no-bloat": Row(
        "warn", "are empty", "VACUUM (FULL, ANALYZE) sale;", database={"tables": (Table("sale", GIB, 9, 0, wasted=GIB),)}
    ),
    "foreign-keys-indexed": Row(
        "warn",
        "line.order_id",
        "CREATE INDEX CONCURRENTLY ON line (order_id);",
        database={"unindexed": (("line", "order_id", 20_000),)},
    ),
    "custom-fields-indexed": Row(
        "warn", "line.x_code", "CREATE INDEX CONCURRENTLY ON line (x_code);", database={"custom": (("line", "x_code", 900),)}
    ),
    "old-records-archived": Row(
        "warn", "mail has 20 GiB", "ANALYZE VERBOSE mail;", database={"tables": (Table("mail", 20 * GIB, 10**8, 0),)}
    ),
    "transactions-short": Row(
        "warn",
        "idle in its transaction",
        "pg_terminate_backend(9)",
        database={"sessions": (Session(9, "bi", "idle in transaction", 900.0),)},
    ),
    "statements-counted": Row("warn", "is not there", "CREATE EXTENSION pg_stat_statements;", database={"statements": False}),
    "log-for-programs": Row("warn", "log_destination = ", "jsonlog", database={"settings": {"log_destination": "stderr"}}),
    "log-archived": Row("fail", "has failed", "pg_stat_archiver", database={"archived": False}),
    "backup-recent": Row("warn", "20 days", "pg_basebackup", database={"backup": 20 * 86_400.0}),
    "standbys-follow": Row("fail", "two is 1 GiB behind", "pg_stat_replication", database={"standbys": (Standby("two", GIB),)}),
    "slots-used": Row("warn", "1 GiB", "pg_drop_replication_slot('two')", database={"slots": (Standby("two", GIB),)}),
    "one-writer": Row("warn", "publishes", "pg_subscription", database={"two_ways": True}),
    "no-time-kills": Row("warn", "/report (1)", "limit_time_real = 240", incidents=(DAMAGE,)),
    "no-memory-kills": Row("warn", "1 in a day", "prefork incidents a1", incidents=(replace(DAMAGE, cause="limit_memory_hard"),)),
    "no-crashes": Row("fail", "3 in a day", "prefork incidents a1", incidents=(replace(DAMAGE, cause="crash"),) * 3),
    "no-kills-logged": Row("warn", "/report", "limit_time_real = 240", log={"killed": 2, "urls": ("/report",)}),
    "no-memory-errors": Row("warn", "2 in odoo.log", "workers = 8", log={"out_of_memory": 2}),
    "no-constant-recycling": Row("warn", "500 in 10 h", "limit_memory_hard = 1677721600", log={"recycled": 500}),
    "live-bound": Row("fail", "7 in odoo.log", "location /websocket", log={"unbound": 7}),
    "batches": Row("warn", "/web/call: 4000 queries", "grep -F ' /web/call' odoo.log", log={"costly": (("/web/call", 4000),)}),
    "computed-in-database": Row("warn", "/web/report: 90 s", "read_group", log={"slow": (("/web/report", 90.0),)}),
}


def evidence(place: Path, row: Row | None = None) -> Evidence:
    """Everything healthy, but for what a row changes."""
    row = row or Row("", "", "")
    options = {**CONF, **(row.conf or {})}
    file, site = place / "odoo.conf", place / "nginx.conf"
    file.write_text("".join(f"{name} = {value}\n" for name, value in options.items()))
    if row.proxy:
        assert row.proxy[0] in SITES
    site.write_text(SITES.replace(*row.proxy) if row.proxy else SITES)
    settings = {**DATABASE.settings, **(row.database or {}).get("settings", {})}
    live = Live({**STATUS, **(row.status or {})}, row.incidents, NOW) if row.status or row.incidents else None
    return Evidence(
        conf=conf.read(file, own=row.own),
        machine=replace(MACHINE, **(row.machine or {})),
        server=replace(SERVER, **(row.server or {})),
        live=live,
        log=replace(LOG, **(row.log or {})),
        proxy=nginx.read(site),
        site=replace(SITE, **(row.site or {})),
        database=replace(DATABASE, **{**(row.database or {}), "settings": settings}),
        version=18,
    )


def test_every_check_has_a_row() -> None:
    assert list(ROWS) == list(CHECKS)


def test_nothing_is_said_against_what_is_healthy(tmp_path: Path) -> None:
    seen = evidence(tmp_path).seen() | {"live": Live(STATUS, (), NOW)}
    said = {name: each.on(seen) for name, each in CHECKS.items()}
    assert {name: each for name, each in said.items() if each.verdict != "pass"} == {}
    assert [name for name, each in said.items() if not each.seen or each.fix] == []


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_is_told_with_what_was_seen_and_a_fix(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    found = CHECKS[name].on(evidence(tmp_path, row).seen())
    assert found.verdict == row.level, found
    assert row.seen in found.seen
    assert row.fix in found.fix


@pytest.mark.parametrize("each", CHECKS.values(), ids=lambda each: each.name)
def test_every_check_says_why_in_a_sentence_without_an_end(each: Any) -> None:
    assert len(each.why) > 20
    assert each.why[0].isupper() or each.why.startswith("nginx")
    assert not each.why.endswith(".")
    assert each.source.partition(",")[0] in DOCUMENTS


def test_what_lacks_its_evidence_is_not_run() -> None:
    report = examine(Evidence(log=LOG))
    assert {each.check.name for each in report.verdicts} == {name for name, each in CHECKS.items() if each.needs == ("log",)}
    assert len(report.verdicts) + len(report.unrun) == len(CHECKS)
    assert not report.blind


def test_what_was_asked_for_and_cannot_be_seen_is_a_failure() -> None:
    report = examine(Evidence(site=Unseen("https://erp.example does not answer")), {"site": "https://erp.example"})
    assert [each.told() for each in report.verdicts] == [
        {
            "check": "site-answers",
            "verdict": "fail",
            "seen": "https://erp.example does not answer",
            "why": "This is what users see",
            "fix": "curl -sv -o /dev/null https://erp.example",
        }
    ]
    assert report.blind
