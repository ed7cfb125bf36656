"""`manage.py runprefork`: serves this project with Prefork, as `runserver` does with Django's own server.

The project is checked, its settings become flags of `prefork serve`, and this process becomes that program.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from prefork.django import project

if TYPE_CHECKING:
    from typing import Any


class Parser(CommandParser):
    """Leaves what it does not know in `flags`, for `prefork serve`.

    The address is the first word or none at all: a later one may be the value of a flag that is not known here.
    """

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """What is known, with the rest."""
        words = list(args or ())
        address = words.pop(0) if words and not words[0].startswith("-") else ""
        known, known.flags = self.parse_known_args(words, namespace)
        known.address = address
        return known


class Command(BaseCommand):
    """The command."""

    help = "Serves this project with Prefork. Flags that are not listed here are those of `prefork serve`, as in --workers 4 --dev."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """One that lets flags of Prefork through. They are never abbreviated, so that none is taken for one of Django's."""
        usage = "%(prog)s [[ADDRESS:]PORT] [FLAG ...]"
        parser = super().create_parser(prog_name, subcommand, usage=usage, allow_abbrev=False, **kwargs)
        parser.__class__ = Parser
        return parser

    def add_arguments(self, parser: Any) -> None:
        """Its own arguments."""
        parser.add_argument("-c", "--config", default="", metavar="FILE", help=f"default: {project.FILE} beside manage.py, if any")
        parser.add_argument(
            "--interface", choices=("wsgi", "asgi"), default="", help="default: asgi where ASGI_APPLICATION is set, else wsgi"
        )
        parser.add_argument("--prefork", metavar="PROGRAM", help="default: that of this environment, or the one on PATH")

    def handle(self, *_arguments: Any, flags: Any = (), **options: Any) -> None:
        """Become the server."""
        self.check_migrations()
        environment = surroundings(options["pythonpath"] or "")
        try:
            program = project.program(options["prefork"])
            said = project.flags(described(), directory(), options["config"], options["address"], options["interface"])
        except project.Unserved as error:
            raise CommandError(str(error)) from None
        self.stdout.flush()
        os.execve(program, [program, "serve", *said, *flags], environment)  # noqa: S606 - a list, no shell


def described() -> project.Project:
    """The settings that count."""
    return project.Project(
        wsgi=settings.WSGI_APPLICATION or "",
        asgi=getattr(settings, "ASGI_APPLICATION", None) or "",
        debug=bool(settings.DEBUG),
        static_files="django.contrib.staticfiles" in settings.INSTALLED_APPS,
        static_url=settings.STATIC_URL or "",
        static_root=str(settings.STATIC_ROOT or ""),
    )


def surroundings(path: str) -> dict[str, str]:
    """The environment of this process, with what `--pythonpath` says and without the time zone that Django has put there.

    The server's log is in the machine's time; the project gets its own zone again when it is imported.
    """
    with open("/proc/self/environ", "rb") as stream:
        first = dict(entry.partition("=")[::2] for entry in os.fsdecode(stream.read()).split("\0"))
    environment = {name: value for name, value in os.environ.items() if name != "TZ"}
    if "TZ" in first:
        environment["TZ"] = first["TZ"]
    if path:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (path, environment.get("PYTHONPATH"))))
    return environment


def directory() -> str:
    """That of manage.py, or the current one where it was `django-admin`."""
    script = os.path.abspath(sys.argv[0])
    return os.path.dirname(script) if os.path.basename(script) == "manage.py" else os.getcwd()
