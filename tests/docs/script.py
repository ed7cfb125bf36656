"""A page as a script: each of its commands is typed, in the page's order, and what comes of it is looked at.

A test names the beginnings of the commands, the page has the rest. A command that the test does not type, or that the page does not
have, fails it. `UNTYPED` are those that no test types.
"""

import re
import shutil
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.docs.pages import holding, lines
from tests.docs.terminal import LOOKS, PATIENCE, PAUSE, READY, Terminal

from prefork.testing import free_port

OF_A_MACHINE = re.compile(r"(?<![\w./~-])/(srv|etc|opt|var)/")  # directories that are below the script's own here
REGISTRY = "packages of a registry, which tests/applications/environments.py installs once, with their versions"
RELEASE = "there is no release yet: make test-package installs the wheel with its extras"
MACHINE = "an account and a service of the machine: make test-machine does it word by word"
TRYTON = "it makes a database for two minutes: tests/applications/test_tryton.py types Tryton's page with one that is there"
LAB = "make test-lab does it, as root and with what it needs of Debian"
LAB_OF_ODOO = "the same, with an Odoo, which is not ours to install: make test-lab-odoo does it"
TESTS = "tests, of which this is one"
UNTYPED = {
    "make test": TESTS,
    "STORY_ROUNDS=10 .venv/bin/pytest tests/stories/test_reload.py": TESTS,
    ".venv/bin/pytest --full tests/stories/test_chaos.py": TESTS,
    ".venv/bin/pytest --lend tests/stories/test_kill.py": TESTS,
    ".venv/bin/python tests/soak.py precision chaos": TESTS,
    "PYTHONPATH=$PWD/src examples/shop/.venv/bin/python -m unittest discover -s examples/shop/tests": "make test begins with it",
    "make wheel": "half a minute: make test-package begins with it",
    "python3 -m venv ~/prefork": RELEASE,
    "~/prefork/bin/pip install 'dist/prefork-0.1.0-py3-none-any.whl[console,watch]'": RELEASE,
    "pip install 'prefork[console]'": RELEASE,
    "pip install 'prefork[lab]'": RELEASE,
    "python3 -m venv .venv && .venv/bin/pip install flask": REGISTRY,
    "python3 -m venv .venv && .venv/bin/pip install fastapi": REGISTRY,
    "python3 -m venv .venv && .venv/bin/pip install django": REGISTRY,
    "make example NAME=tryton": TRYTON,
    "curl -H 'Content-Type: application/json' http://127.0.0.1:8069/example/rpc/ -d "
    """'{"id": 0, "method": "common.db.login", "params": ["admin", {"password": "admin"}, "en"]}'""": TRYTON,
    ".venv/bin/prefork status -c examples/tryton/prefork.conf": TRYTON,
    ".venv/bin/prefork reload -c examples/tryton/prefork.conf": TRYTON,
    "useradd --system mysite": MACHINE,
    "python3 -m venv /opt/prefork": MACHINE,
    "/opt/prefork/bin/pip install 'prefork[console,postgres]'": MACHINE,
    "/opt/prefork/bin/prefork check -c /etc/mysite/prefork.conf": MACHINE,
    "systemctl enable --now mysite": MACHINE,
    "RUNLEVEL=1 apt-get install etcd-server haproxy iproute2 keepalived nftables nginx openssl pgbackrest pgbouncer postgresql-15 "
    "redis-server": LAB,
    "apt-get install uidmap": LAB,
    "prefork lab up": LAB,
    "prefork lab load --seconds 30 &": LAB,
    "prefork lab kill db1": LAB,
    "prefork lab status": LAB,
    "prefork lab up --odoo /opt/odoo/18.0 --python /opt/odoo/venv/bin/python": LAB_OF_ODOO,
    "make test-lab-odoo ODOO=/opt/odoo/18.0 PYTHON=/opt/odoo/venv/bin/python": LAB_OF_ODOO,
}


class Script(Terminal):
    """The commands of `page` that are still to be typed, in a directory."""

    def __init__(self, page: str, directory: Path, instead: Mapping[str, object], environment: Mapping[str, str]) -> None:
        super().__init__(directory, instead, environment)
        self.page = page
        self.root = directory
        self.left = [line for line in lines(page) if line not in UNTYPED]

    def next(self, begin: str) -> str:
        """The next command, which has to begin so."""
        assert self.left, f"{self.page} has no further command: {begin}"
        line = self.left.pop(0)
        assert line.startswith(begin), f"{self.page} has\n{line}\nwhere this types\n{begin}"
        return line

    def type(self, begin: str, says: str = "", status: int = 0, more: str = "") -> str:
        """Type the next command, with `more` behind it; what it says, in which the pattern `says` is found."""
        line = f"{self.next(begin)} {more}".rstrip()
        return self.look(line, says, status) if LOOKS.match(line) else self.right(line, says, status)

    def look(self, line: str, says: str, status: int = 0) -> str:
        """Type a line again and again until it says that."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(AssertionError):
                return self.right(line, says, status)
            threading.Event().wait(PAUSE)
        return self.right(line, says, status)

    def right(self, line: str, says: str, status: int = 0) -> str:
        """What a line says. Raises AssertionError where that is not what it has to say."""
        done = self.run(line)
        right = done.status == status and re.search(says, done.said, re.MULTILINE) is not None
        assert right, f"{self.page}: {line}\nends with {done.status} instead of {status}, or says no {says!r}:\n{done.said}"
        return done.said

    def start(self, begin: str, ready: str = READY) -> str:
        """Type the next command, which serves until it is stopped; what it says until then."""
        return self.serve(self.next(begin), ready)

    def get(self, path: str = "/", port: str = "8069") -> str:
        """What the page's port answers."""
        with urllib.request.urlopen(self.meant(f"http://127.0.0.1:{port}{path}"), timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
        return text

    def write(self, file: str, text: str) -> None:
        """Write the page's first block that has this text as a file."""
        self.put(file, holding(self.page, text))

    def put(self, file: str, text: str) -> None:
        """Write a file: below the directory where it is one of the machine's."""
        place = self.place(file)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self.meant(text))

    def place(self, path: str) -> Path:
        """Where a path of the page is here."""
        return self.directory / self.meant(path)

    def meant(self, text: str) -> str:
        """The text with what is meant here, and the machine's directories below this one's."""
        return OF_A_MACHINE.sub(rf"{self.root}/\1/", super().meant(text))


@contextmanager
def script(
    page: str, instead: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None, at: Path | None = None
) -> Iterator[Script]:
    """A page that is typed to its end, in a directory of its own or `at` another one. Servers get ports of their own."""
    place = at or Path(tempfile.mkdtemp(prefix="prefork-"))  # the path of a socket is short
    ports = {"8069": free_port(), "8070": free_port(), **(instead or {})}
    own = {
        "PREFORK_HTTP_PORT": str(ports["8069"]),
        "PREFORK_WEBSOCKET_PORT": str(free_port()),
        "PREFORK_CONSOLE": "False",  # it is looked at elsewhere, and takes a second to start
        "XDG_DATA_HOME": str(place),
    }
    try:
        with Script(page, place, ports, own | dict(environment or {})) as typing:
            yield typing
            assert typing.left == [], f"{page} has more commands"
    finally:
        if not at:
            shutil.rmtree(place, ignore_errors=True)
