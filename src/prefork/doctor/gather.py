"""Gathers what there is to look at: what was asked for, and a Prefork that runs with the same file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prefork.config import tree
from prefork.config.dsn import without_password
from prefork.doctor.evidence import Conf, Evidence, Live, Log, Site, Unseen
from prefork.doctor.probes import conf, database, live, log, machine, nginx, server, site
from prefork.doctor.routing import Place, Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

DISK = Path("/var/lib")


@dataclass(frozen=True)
class Asked:
    """What somebody wants to have looked at."""

    file: Path | None = None
    url: str | None = None
    nginx: Path | None = None
    dsn: str | None = None
    pid: int | None = None
    data_dir: Path | None = None

    @property
    def remote(self) -> bool:
        """Whether nothing of it says that the server is on this machine."""
        return not (self.file or self.pid or self.nginx or self.data_dir) and bool(self.url or self.dsn)

    def places(self) -> dict[str, str]:
        """What was named for each kind of evidence, as it may be shown."""
        named = {
            "conf": self.file,
            "site": self.url,
            "proxy": self.nginx,
            "database": without_password(self.dsn) if self.dsn else "",
            "server": self.pid,
        }
        return {name: str(value) for name, value in named.items() if value}


def gather(asked: Asked) -> Evidence:
    """Look at everything, one thing after the other."""
    place = None if asked.remote else asked.data_dir or conf.locate(asked.file)
    running = live.read(place) if place and os.path.exists(place / "prefork.sock") else None
    if running is None and asked.data_dir:
        running = live.read(asked.data_dir)
    started = running.started if isinstance(running, Live) else None
    file = conf.read(asked.file, own=isinstance(running, Live), started=started) if asked.file else None
    pid = asked.pid or (int(running.status["pid"]) if isinstance(running, Live) else None)
    process = server.read(pid) if pid else None
    proxy = nginx.read(asked.nginx) if asked.nginx else None
    known = version_of(file, pid)
    page = site.read(asked.url, known) if asked.url else None
    return Evidence(
        conf=file,
        machine=None if asked.remote else machine.read(home(file)),
        server=process,
        live=running,
        log=read_logs(file, proxy),
        proxy=proxy,
        site=page,
        database=database.read(asked.dsn) if asked.dsn else None,
        version=known or (page.version if isinstance(page, Site) else None),
    )


def home(file: Conf | Unseen | None) -> Path:
    """A path on the disk that matters."""
    return file.data_dir if isinstance(file, Conf) else DISK


def version_of(file: Conf | Unseen | None, pid: int | None) -> int | None:
    """The first number of Odoo's version, where something here tells it."""
    if isinstance(file, Conf) and file.settings.odoo and (found := tree.version(file.settings.odoo)):
        return found[0]
    return server.version(pid) if pid else None


def read_logs(file: Conf | Unseen | None, proxy: Proxy | Unseen | None) -> Log | None:
    """The server's log and that of nginx's errors, where files name them."""
    files = [file.settings.logfile] if isinstance(file, Conf) and file.settings.logfile else []
    return log.read([*files, *(dict.fromkeys(error_logs(proxy)) if isinstance(proxy, Proxy) else ())])


def error_logs(proxy: Proxy) -> Iterator[Path]:
    """Where nginx writes its errors."""
    top = Place((proxy.tree,), "nginx", proxy.file)
    for place in (top, *(top.inside(each, "http") for each in proxy.tree if each.name == "http"), *proxy.servers()):
        for each in place.own("error_log"):
            if each.args and each.args[0].startswith("/"):
                yield Path(each.args[0])
