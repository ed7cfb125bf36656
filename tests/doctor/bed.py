"""A healthy system to be harmed: a server, nginx with TLS before it, an odoo.conf, a PostgreSQL with an archive and a backup."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from tests.applications.postgres import Postgres
from tests.proxies.nginx import RenderedNginx

from prefork.config.editing import rewrite
from prefork.doctor import Asked, examine, gather
from prefork.testing import Server

VERSION = "18.0"
CONF = """\
# What an operator has written.
[options]
addons_path = {place}/addons
odoo = {tree}
admin_passwd = a-secret-of-the-file
data_dir = {place}/odoo
workers = 2
max_cron_threads = 1
limit_memory_soft = 671088640
limit_memory_hard = 805306368
limit_time_cpu = 60
limit_time_real = 120
http_port = {server.port}
gevent_port = {server.websocket_port}
proxy_mode = True
x_sendfile = True
db_maxconn = 8
server_wide_modules = base,web
logfile = {place}/odoo.log
"""
LOG = """\
2026-11-20 10:00:00,000 7 INFO ? odoo.service.server: HTTP service (werkzeug) running on erp:8069
2026-11-20 10:00:01,000 9 INFO ? odoo.service.server: Evented Service (longpolling) running on 0.0.0.0:8072
2026-11-20 10:01:00,000 8 INFO shop werkzeug: 10.0.0.9 - - [20/Nov/2026 10:01:00] "GET /web HTTP/1.1" 200 - 12 0.010 0.031
2026-11-20 14:01:00,000 8 INFO shop odoo.service.server: Worker (8) virtual memory limit (671190000) reached.
"""
POSTGRES = """
archive_mode = on
archive_command = 'true'
shared_preload_libraries = 'pg_stat_statements'
log_destination = 'stderr,jsonlog'
max_connections = 40
autovacuum_naptime = '1h'
"""
OPTION = re.compile(r"^(\w+) = (.*?)(?:\s{2,}#.*)?$", re.MULTILINE)
Verdicts = dict[str, dict[str, str]]


@dataclass
class Files:
    """odoo.conf and nginx's file, each with the text in which it is healthy."""

    conf: Path
    site: Path
    nginx: Path
    log: Path

    def __post_init__(self) -> None:
        self.healthy = {file: file.read_text() for file in (self.conf, self.site, self.log)}

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Whatever is done to the files, they are healthy again afterwards."""
        try:
            yield
        finally:
            for file, text in self.healthy.items():
                file.write_text(text)

    def replace(self, file: Path, old: str, new: str) -> None:
        """Harm, or heal, a file."""
        text = file.read_text()
        assert old in text, f"{file} has no {old!r}"
        file.write_text(text.replace(old, new))

    def paste(self, fix: str) -> None:
        """Do to odoo.conf what a fix says."""
        lines = dict(OPTION.findall(fix))
        assert lines, f"no line to paste: {fix}"
        rewrite(self.conf, lines)


@dataclass
class Bed:
    """All of it, running."""

    files: Files
    server: Server
    nginx: RenderedNginx
    postgres: Postgres
    name: str

    @property
    def dsn(self) -> str:
        return self.postgres.uri + self.name

    def sql(self, text: str) -> None:
        """Run statements one by one, as somebody who pastes them."""
        bare = "\n".join(line.partition("--")[0] for line in text.splitlines())
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for statement in filter(str.strip, bare.split(";")):
                connection.execute(statement.encode())


def verdicts(asked: Asked) -> Verdicts:
    """What doctor says, by the names of its checks."""
    report = examine(gather(asked), asked.places())
    return {told["check"]: told for told in (each.told() for each in report.verdicts)}


def alarms(found: Verdicts, *others: str) -> Verdicts:
    """All but what is fine, and but what this machine alone decides."""
    return {name: each for name, each in found.items() if each["verdict"] != "pass" and name not in others}
