"""What a Django project's settings are as flags of `prefork serve`, and which program that is.

What the configuration file beside manage.py says goes before what the settings say.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

FILE = "prefork.conf"
ASSIGNMENT = re.compile(r"^(\w+)\s*[=:]", re.MULTILINE)
DJANGO = "django.core.wsgi:get_wsgi_application()"
DEBUGGING = {"wsgi": "prefork.django.debugging:wsgi()", "asgi": "prefork.django.debugging:asgi()"}


class Unserved(Exception):
    """It cannot be served like this; the sentence says what to do."""


class Project(NamedTuple):
    """The settings that count; empty texts where one is not set. `static_files`: `django.contrib.staticfiles` is installed."""

    wsgi: str
    asgi: str
    debug: bool
    static_files: bool
    static_url: str
    static_root: str


def program(named: str | None) -> str:
    """The `prefork` to run: the one that is named, that of this environment, or one on PATH. Raises Unserved."""
    if named:
        if found := shutil.which(named):
            return found
        raise Unserved(f"{named}: there is no such program")
    beside = os.path.join(os.path.dirname(sys.executable), "prefork")
    # An environment that has the package for this command only (pip install --no-deps) has a program that does not start.
    if os.access(beside, os.X_OK) and find_spec("click") and find_spec("httptools"):
        return beside
    found = shutil.which("prefork")
    if not found or found == beside:
        raise Unserved(
            "Prefork's server is neither in this environment nor on PATH: `pip install prefork` here, or `pipx install prefork` "
            "for an environment of its own, or name its program with --prefork /path/to/bin/prefork"
        )
    return found


def flags(project: Project, directory: str, file: str, address: str, interface: str) -> list[str]:
    """What to say to `prefork serve`. `file`, `address` and `interface` are empty where nobody has named any. Raises Unserved."""
    if not file and os.path.isfile(os.path.join(directory, FILE)):
        file = os.path.join(directory, FILE)
    written = options_in(file) if file else frozenset()
    values = {**served(project, interface, written), "app_dir": directory, "python": sys.executable}
    said = [f"--{name.replace('_', '-')}={value}" for name, value in values.items() if name not in written]
    said += [f"--interface={interface}"] if interface else []
    return [*(["-c", file] if file else []), *said, *(listening(address) if address else [])]


def options_in(file: str) -> frozenset[str]:
    """The names of the options that a configuration file sets; `prefork serve` is who judges them. Raises Unserved."""
    try:
        with open(file, encoding="utf-8") as stream:
            return frozenset(ASSIGNMENT.findall(stream.read()))
    except (OSError, UnicodeDecodeError) as error:
        raise Unserved(f"{file}: it cannot be read: {getattr(error, 'strerror', None) or error}") from error


def served(project: Project, interface: str, written: Collection[str]) -> dict[str, str]:
    """The application, and the static files where they have been collected."""
    interface = interface or ("asgi" if project.asgi else "wsgi")
    if interface == "asgi" and not project.asgi and "app" not in written:
        raise Unserved("ASGI_APPLICATION is not set: name the application in the settings, as in mysite.asgi.application")
    if project.debug and project.static_files and not {"app", "static"} & set(written):
        return {"app": DEBUGGING[interface]}
    module, _, attribute = (project.asgi if interface == "asgi" else project.wsgi).rpartition(".")
    values = {"app": f"{module}:{attribute}" if module else DJANGO}
    if project.static_files and project.static_url.startswith("/") and os.path.isdir(project.static_root):
        values["static"] = f"{project.static_url.rstrip('/')}={project.static_root}"
    return values


def listening(address: str) -> list[str]:
    """A port, or an address with one, as `runserver` takes it. Raises Unserved."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise Unserved(f'"{address}" is no port, nor an address with a port as in 127.0.0.1:8000')
    return [*([f"--http-interface={host.strip('[]')}"] if host else []), f"--http-port={port}"]
