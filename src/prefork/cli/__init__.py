"""The command line: one verb, one function. It wires the rooms together and decides nothing by itself.

Exit codes of `serve`: 0 stopped, 1 configuration or address unusable, 3 nothing ever became ready. Of the commands to a running
server: 0 done, 1 refused or failed, 2 wrong usage, 4 no server reachable. Rooms are imported by the verb that needs them.
"""

from __future__ import annotations

import click

from prefork import __version__
from prefork.cli import (
    advice,
    application,
    around,
    console,
    database,
    doctor,
    importing,
    incidents,
    jobs,
    lab,
    monitors,
    running,
    sizing,
    top,
    usage,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="prefork", message="%(prog)s %(version)s")
def main() -> None:
    """Serve Python web applications with supervised worker processes that lose no request when one dies."""


ROOMS = (
    application,
    running,
    top,
    monitors,
    usage,
    advice,
    incidents,
    jobs,
    sizing,
    around,
    importing,
    doctor,
    database,
    console,
    lab,
)
for room in ROOMS:
    for verb in room.VERBS:
        main.add_command(verb)
