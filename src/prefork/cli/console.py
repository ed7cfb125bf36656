"""`prefork console`: the console by itself, for servers that have none of their own; and a new password where one was lost."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from prefork import config
from prefork.cli.settings import FAILED, here


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    metavar="PATH",
    required=True,
    help="Where it keeps its things; a server's is one.",
)
@click.option("--interface", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8071, show_default=True, help="The port to listen on.")
@click.option("--certificate", type=click.Path(exists=True), metavar="FILE", help="A certificate, with which it speaks TLS.")
@click.option("--key", type=click.Path(exists=True), metavar="FILE", help="Its key, where that is in another file.")
@click.option("--proxies", multiple=True, metavar="NETWORK", help="A proxy that brings TLS and whose word about clients counts.")
@click.option("--insecure", is_flag=True, help="Listen beyond loopback without any of these.")
@click.option("--reset", metavar="NAME", help="Do not run: give this user a new password, and print it.")
def console(
    data_dir: Path,
    interface: str,
    port: int,
    certificate: str | None,
    key: str | None,
    proxies: tuple[str, ...],
    insecure: bool,
    reset: str | None,
) -> None:
    """Run the console by itself, for servers that it is told of.

    A server runs one of its own unless it is told not to (option console).
    """
    place = here() / data_dir
    if reset is not None:
        click.echo(new_password(place, reset))
        return
    if not (insecure or certificate or proxies or config.is_loopback(interface)):
        raise click.UsageError(f"{interface} can be reached by others: give --certificate or --proxies, or say --insecure")
    run(place, interface, port, (certificate, key, proxies, insecure))


def new_password(place: Path, name: str) -> str:
    """Somebody's new password."""
    from prefork.instances import users
    from prefork.instances.database import NAME, Database, Unusable

    if not (place / NAME).exists():
        raise click.ClickException(f"no console has been in {place}; name its data directory")
    try:
        with Database(place / NAME) as db:
            found = users.named(db, name)
            if found is None:
                raise click.ClickException(f"there is no user {name}")
            password = users.generated()
            users.set_password(db, found.id, password)
            return password
    except Unusable as error:
        raise click.ClickException(str(error)) from None


def run(place: Path, interface: str, port: int, manner: tuple[str | None, str | None, tuple[str, ...], bool]) -> None:
    """Answer until a signal ends it."""
    try:
        from prefork.console.serving import Manner, standing
    except ImportError as error:
        raise click.ClickException(f"{error.name} is missing; install prefork[console]") from None
    from prefork.instances.database import Unusable

    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        standing(place, interface, port, Manner(*manner))
    except (OSError, Unusable) as error:
        click.echo(f"prefork: {error}", err=True)
        sys.exit(FAILED)


VERBS = (console,)
