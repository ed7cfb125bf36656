"""The Odoo under test: its tree and interpreter, databases made by its own command line, and a server of ours that serves it.

The tree and the interpreter are the caller's and are only read. Nothing of Odoo is imported here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.applications.postgres import Postgres

from prefork.testing import Server

ADDONS = Path(__file__).parent / "addons"
MODULES = ("base", "web", "mail", "contacts", "prefork_probe")
SEED = "seed"
INSTALL_TIMEOUT = 600


@dataclass(frozen=True)
class Installation:
    """An installed Odoo. Raises ValueError where there is none."""

    tree: Path
    python: Path

    def __post_init__(self) -> None:
        if not (self.tree / "odoo-bin").is_file():
            raise ValueError(
                f"{self.tree} does not hold Odoo, as there is no odoo-bin in it; say `make test-odoo ODOO=/its/directory`"
            )
        if not os.access(self.python, os.X_OK):
            raise ValueError(f"{self.python} is no interpreter; say `make test-odoo PYTHON=/one/that/has/Odoo's/requirements`")

    @property
    def version(self) -> int:
        """The major version."""
        found = re.search(r"^version_info = \(\D*(\d+)", (self.tree / "odoo" / "release.py").read_text(), re.MULTILINE)
        assert found, "odoo/release.py names no version"
        return int(found[1])

    def addons_path(self, *more: Path) -> str:
        """The option of that name."""
        return ",".join(map(str, (self.tree / "odoo" / "addons", self.tree / "addons", *more)))

    def runs_as_we_do(self) -> bool:
        """Whether its interpreter is of the version of this one."""
        asked = [self.python, "-c", "import sys; print(*sys.version_info[:2])"]
        return tuple(map(int, subprocess.check_output(asked, text=True).split())) == sys.version_info[:2]

    def run(self, *arguments: object) -> None:
        """Let Odoo's own command line do something."""
        command = [self.python, self.tree / "odoo-bin", *arguments]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False)
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"


@dataclass(frozen=True)
class Estate:
    """A PostgreSQL with a database, made once, of which every test gets copies; `data` is where its files are."""

    installation: Installation
    postgres: Postgres
    data: Path

    def build(self) -> None:
        """Make the database that all others are copies of."""
        self.postgres.query("postgres", "CREATE ROLE odoo LOGIN CREATEDB")
        flags = [f"--{name}={value}" for name, value in self.address().items()]
        modules = ["-d", SEED, "-i", ",".join(MODULES), f"--addons-path={self.installation.addons_path(ADDONS)}"]
        plain = [] if self.installation.version > 18 else ["--without-demo=all"]
        end = ["--stop-after-init", "--no-http", "--workers=0", f"--data-dir={self.data}"]
        self.installation.run(*flags, *modules, *plain, *end)

    def address(self) -> dict[str, object]:
        """Where the database is, as Odoo's options."""
        return {"db_host": "127.0.0.1", "db_port": self.postgres.port, "db_user": "odoo", "db_password": "odoo"}

    def copy(self, name: str, data: Path) -> None:
        """One more database, with its files below another data directory. A test that ended may have left one of this name."""
        self.postgres.query("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.postgres.query("postgres", f"CREATE DATABASE {name} OWNER odoo TEMPLATE {SEED}")
        files = self.data / "filestore" / SEED
        if files.is_dir():
            shutil.copytree(files, data / "filestore" / name)


class OdooServer(Server):
    """Prefork serving Odoo from an odoo.conf that has only Odoo's own options: those given, and what every server needs.

    Each of `databases` is a fresh copy. `arguments` are for the command line. The add-ons are a copy that a test may change.
    """

    def __init__(
        self, estate: Estate, databases: Sequence[str] = ("shop",), arguments: Sequence[str] = (), **options: object
    ) -> None:
        installation = estate.installation
        which = ["--odoo", str(installation.tree), "--python", str(installation.python)]
        super().__init__(arguments=[*which, *arguments], max_cron_threads=0)
        self.addons = Path(self.directory) / "addons"
        shutil.copytree(ADDONS, self.addons)
        for name in databases:
            estate.copy(name, Path(self.data_dir))
        port = "gevent_port" if installation.version > 15 else "longpolling_port"
        own = {"db_name": ",".join(databases), "addons_path": installation.addons_path(self.addons), port: self.websocket_port}
        self.configure(**{**estate.address(), **own, "websocket_port": None, "admin_passwd": "master", **options})

    def incident(self) -> dict[str, Any]:
        """The only one."""
        self.wait_for("incident_recorded", timeout=20)
        with open(os.path.join(self.data_dir, "incidents.jsonl"), encoding="utf-8") as lines:
            (found,) = map(json.loads, lines)
        recorded: dict[str, Any] = found
        return recorded
