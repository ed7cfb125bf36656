"""What a node has besides its rendered tree: what the files' first lines ask an operator to make.

Reads the accounts of the machine, and makes the certificate; all else is pure.
"""

from __future__ import annotations

import pwd
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import prefork
from prefork import config
from prefork.lab.services import PATRONI, services
from prefork.render.files import render

if TYPE_CHECKING:
    from prefork.lab.estate import Estate
    from prefork.lab.odoo import Odoo
    from prefork.render.topology import Node

ACCOUNT = 64_777  # the number of the site's account, where the machine has none of its name
SHELL = "/usr/sbin/nologin"


def furnish(estate: Estate, node: Node, machine: Path = Path("/")) -> dict[str, Any]:
    """Everything that the keeper of a node is told: files, links, shared directories, services."""
    topology, site = estate.topology, estate.topology.site
    rendered = render(topology, config.Settings())[node.name]
    files = [file(f"/{path}", estate.fitted.text(text)) for path, text in rendered.items()]
    links: dict[str, str] = {}
    shared: list[tuple[str, str]] = []
    if "edge" in node.roles:
        both = (estate.shared("certificate.pem")).read_text()
        files += [file(site.certificate, both, mode=0o600), file(site.certificate_key, both, mode=0o600)]
    if "edge" in node.roles and node.proxy == "nginx":
        links[f"/etc/nginx/sites-enabled/{site.name}.conf"] = f"../sites-available/{site.name}.conf"
    if "database" in node.roles:
        files.append(file("/etc/patroni/secrets.env", patroni(estate), "postgres", 0o600))
        shared.append((str(estate.shared("pgbackrest")), "/var/lib/pgbackrest"))
        if not (machine / PATRONI[1:]).exists():
            links[PATRONI] = str(Path(sys.executable).parent)
    if "pooler" in node.roles:
        files.append(file("/etc/pgbouncer/userlist.txt", f'"pgbouncer" "{estate.secrets["pgbouncer"]}"\n', "postgres", 0o640))
    if node.serves:
        files += accounts(site.user, site.data_dir, machine)
        files.append(file(f"/etc/{site.name}/session.secret", f"{estate.secrets['session']}\n", site.user, 0o600))
        files.append(file(f"{site.data_dir}/.pgpass", f"*:*:*:{site.user}:{estate.secrets['site']}\n", site.user, 0o600))
        shared.append((str(estate.shared("filestore")), site.filestore))
    return {
        "files": files,
        "links": links,
        "shared": shared,
        "programs": programs(estate.fitted.odoo),
        "services": [asdict(each) for each in services(topology, node)],
        "below": below(estate),
    }


def below(estate: Estate) -> str:
    """Where the machine's files are that a node has its own over; empty for the machine itself."""
    place = estate.shared("machine")
    return str(place) if place.exists() else ""


def file(path: str, text: str, account: str = "root", mode: int = 0o644) -> dict[str, Any]:
    """A file of a node."""
    return {"path": path, "text": text, "account": account, "mode": mode}


def patroni(estate: Estate) -> str:
    """The variables that its file's first lines name."""
    names = ("superuser", "replication", "rewind", "restapi")
    passwords = "".join(f"PATRONI_{name.upper()}_PASSWORD={estate.secrets[name]}\n" for name in names)
    return f"PATRONI_RESTAPI_USERNAME=patroni\n{passwords}"


def accounts(user: str, home: str, machine: Path) -> list[dict[str, Any]]:
    """The machine's accounts, and the site's where it has none of that name."""
    known, groups = (machine / "etc/passwd").read_text(), (machine / "etc/group").read_text()
    if any(line.startswith(f"{user}:") for line in known.splitlines()):
        return []
    return [
        file("/etc/passwd", f"{known}{user}:x:{ACCOUNT}:{ACCOUNT}::{home}:{SHELL}\n"),
        file("/etc/group", f"{groups}{user}:x:{ACCOUNT}:\n"),
    ]


def numbers(account: str) -> tuple[int, int]:
    """The numbers of an account and its group, on this machine or on nodes."""
    try:
        found = pwd.getpwnam(account)
    except KeyError:
        return ACCOUNT, ACCOUNT
    return found.pw_uid, found.pw_gid


def programs(odoo: Odoo | None) -> list[str]:
    """The directories of our interpreter, its packages, Prefork and Odoo, without those inside one another."""
    found = sorted({sys.prefix, sys.base_prefix, str(Path(prefork.__file__).parent.parent)} | (odoo.places() if odoo else set()))
    return [each for each in found if not any(each != other and each.startswith(f"{other}/") for other in found)]


def certify(estate: Estate) -> None:
    """Make the certificate of the site, with its key in the same file."""
    place, domain = estate.shared("certificate.pem"), estate.topology.site.domain
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={domain}", "-addext", f"subjectAltName=DNS:{domain}"]
    made = subprocess.run(
        ["openssl", "req", "-x509", *curve, "-days", "30", *names, "-keyout", "-", "-out", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch(0o600)
    place.write_text(made.stdout)
