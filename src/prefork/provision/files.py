"""The text of an instance's files: its configuration, its site in nginx, the unit of all. Looks at Odoo's tree, and writes none."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefork.config import tree
from prefork.instances.changes import Invalid
from prefork.render.files import render
from prefork.render.topology import Node, Site, Topology, contradictions
from prefork.render.writing import text

if TYPE_CHECKING:
    from prefork.config import Settings
    from prefork.provision.grant import Grant
    from prefork.provision.wish import Wish

LOOPBACK = "127.0.0.1"


class Place(NamedTuple):
    """The directory of an instance. Its server writes to `data` below it, and to nothing else."""

    directory: Path

    @property
    def configuration(self) -> Path:
        """Its file."""
        return self.directory / "prefork.conf"

    @property
    def data(self) -> Path:
        """What it keeps."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """Its log, and what stands on standard error before it has one."""
        return self.data / "server.log"


def options(wish: Wish, grant: Grant, place: Place) -> dict[str, str]:
    """The options of its file, in their order."""
    asked = {
        "app": wish.app,
        "odoo": wish.odoo,
        "app_dir": wish.app_dir,
        "python": wish.python,
        "plan": wish.plan,
    }
    found = {name: value for name, value in asked.items() if value}
    found |= {
        "workers": str(grant.workers),
        "max_cron_threads": str(grant.cron),
        "limit_memory_soft": str(grant.soft),
        "limit_memory_hard": str(grant.hard),
        "limit_time_cpu": str(grant.time_cpu),
        "limit_time_real": str(grant.time_real),
        "http_interface": LOOPBACK,
        "http_port": str(grant.http_port),
        "websocket_port": str(grant.websocket_port),
        "data_dir": str(place.data),
        "logfile": str(place.log),
        "console": "False",
        "database_connections": str(grant.connections),
        "db_maxconn": str(grant.each),
    }
    if wish.domain:
        found |= {"proxy_mode": "True", "trusted_proxies": LOOPBACK}
    return {**found, **wish.options}


def configuration(name: str, found: dict[str, str]) -> str:
    """Its file. The console changes single lines of it later, and leaves the others as they are."""
    lines = [f"{option} = {value}" for option, value in found.items()]
    title = "".join(sign if sign.isprintable() else " " for sign in name)
    return "\n".join([f"; {title}: made by the console, which runs it", "[options]", *lines, ""])


def version(wish: Wish) -> str:
    """The version of the Odoo that a wish names, such as 18.0; empty for another application. Raises Invalid."""
    if not wish.odoo:
        return ""
    found = tree.version(Path(wish.odoo))
    if found is None:
        raise Invalid({"odoo": f"{wish.odoo} does not hold Odoo, as there is no odoo/release.py in it"})
    return f"{found[0]}.{found[1]}"


def site(identity: str, wish: Wish, settings: Settings, web: tuple[int, int]) -> str:
    """Its file for nginx: the routes of long-lived connections are those of its version of Odoo. Raises Invalid.

    `web` are the ports on which nginx listens, for HTTP and for HTTPS.
    """
    odoo = version(wish)
    at = Site(
        name=identity,
        domain=wish.domain or "",
        odoo=odoo,
        tree=wish.odoo or Site.tree,
        addons=tuple(part.strip() for part in wish.options.get("addons_path", "").split(",") if part.strip()),
        data_dir=str(settings.data_dir),
        filestore=str(settings.filestore),
        certificate=wish.certificate or "",
        certificate_key=wish.certificate_key or "",
        http_port=web[0],
        https_port=web[1],
    )
    here = Node(name="here", address=LOOPBACK, roles=("edge", "app", "websocket"))
    topology = Topology(site=at, nodes=(here,))
    if wrong := list(contradictions(topology)):
        raise Invalid({sentence.partition(":")[0].rpartition(".")[2]: sentence for sentence in wrong})
    return render(topology, settings)[here.name][f"etc/nginx/sites-available/{identity}.conf"]


def unit(command: list[str], instances: Path, account: str, pause: float) -> str:
    """The unit of systemd for all instances: `%i` is one's id. What ends is started again after `pause` seconds."""
    return text(
        "service/prefork@.service",
        {
            "command": " ".join(quoted(part) for part in command),
            "instances": quoted(str(instances)),
            "account": account,
            "pause": round(pause),
            "node": platform.node(),
        },
    )


def quoted(part: str) -> str:
    """A word of a unit's line, in which % begins a specifier."""
    return part.replace("%", "%%").replace("\\", "\\\\").replace(" ", "\\x20")
