"""`prefork console`: the console by itself, for servers that have none of their own; and a new password where one was lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefork import config
from prefork.cli.numbers import Whole
from prefork.cli.settings import FAILED, here
from prefork.config import addresses

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ports(click.ParamType[tuple[int, int]]):
    """Two ports, such as 8100-8999."""

    name = "ports"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The two."""
        first, last = (addresses.port(end) for end in str(value).partition("-")[::2])
        if first is None or last is None or first >= last:
            self.fail(f"{value} are no two ports, the lower one first, such as 8100-8999", param, ctx)
        return first, last


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    metavar="PATH",
    required=True,
    help="Where it keeps its things; a server's is one.",
)
@click.option("--interface", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=Whole(1, 65535), default=8071, show_default=True, help="The port to listen on.")
@click.option("--certificate", type=click.Path(exists=True), metavar="FILE", help="A certificate, with which it speaks TLS.")
@click.option("--key", type=click.Path(exists=True), metavar="FILE", help="Its key, where that is in another file.")
@click.option("--proxies", multiple=True, metavar="NETWORK", help="A proxy that brings TLS and whose word about clients counts.")
@click.option("--insecure", is_flag=True, help="Listen beyond loopback without any of these.")
@click.option(
    "--account", metavar="NAME", help="Have systemd run its servers, as this account. Without it they run as the console's own."
)
@click.option(
    "--sites",
    type=click.Path(exists=True, file_okay=False, path_type=Path, resolve_path=True),
    metavar="DIR",
    help="The directory that nginx includes: sites of instances with a domain are written there.",
)
@click.option(
    "--nginx",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True),
    metavar="FILE",
    help="nginx's own file, where that is not the usual one.",
)
@click.option("--web", type=Ports(), default="80-443", show_default=True, metavar="HTTP-HTTPS", help="The ports of nginx.")
@click.option("--ports", type=Ports(), default="8100-8999", show_default=True, metavar="A-B", help="The ports for instances.")
@click.option(
    "--max-connections", type=Whole(10), default=100, show_default=True, help="What PostgreSQL has; instances share them."
)
@click.option("--reset", metavar="NAME", help="Do not run: give this user a new password, and print it.")
def console(
    data_dir: Path,
    interface: str,
    port: int,
    certificate: str | None,
    key: str | None,
    proxies: tuple[str, ...],
    insecure: bool,
    account: str | None,
    sites: Path | None,
    nginx: Path | None,
    web: tuple[int, int],
    ports: tuple[int, int],
    max_connections: int,
    reset: str | None,
) -> None:
    """Run the console by itself, for servers of its own and others.

    A server runs one of its own unless it is told not to (option console). The servers of this one go on when it ends.
    """
    place = here() / data_dir
    if reset is not None:
        click.echo(new_password(place, reset))
        return
    if not (insecure or certificate or proxies or config.is_loopback(interface)):
        raise click.UsageError(f"{interface} can be reached by others: give --certificate or --proxies, or say --insecure")
    if account is not None:
        check_account(account)
    means = {"account": account, "sites": sites, "main": nginx, "web": web, "ports": ports, "max_connections": max_connections}
    run(place, interface, port, (certificate, key, proxies, insecure), means)


def check_account(name: str) -> None:
    """Raises UsageError where systemd cannot be told to run anything as an account."""
    from prefork.provision.premises import Account
    from prefork.provision.systemd import is_ours

    if not is_ours():
        raise click.UsageError("--account needs root, and a machine that systemd runs; leave it out elsewhere")
    try:
        Account.named(name)
    except KeyError:
        raise click.UsageError(f"--account: there is no account {name}") from None


def new_password(place: Path, name: str) -> str:
    """Somebody's new password."""
    from prefork.instances import users
    from prefork.instances.database import Database, Unusable, file_in

    file = file_in(place)
    if not os.path.exists(file):
        raise click.ClickException(f"no console has been in {place}; name its data directory")
    try:
        with Database(file) as db:
            found = users.named(db, name)
            if found is None:
                raise click.ClickException(f"there is no user {name}")
            password = users.generated()
            users.set_password(db, found.id, password)
            return password
    except Unusable as error:
        raise click.ClickException(str(error)) from None


def run(
    place: Path,
    interface: str,
    port: int,
    manner: tuple[str | None, str | None, tuple[str, ...], bool],
    means: Mapping[str, Any],
) -> None:
    """Answer until a signal ends it."""
    try:
        from prefork.console.serving import Manner, Means, standing
    except ImportError as error:
        raise click.ClickException(f"{error.name} is missing; install prefork[console]") from None
    from prefork.instances.database import Unusable
    from prefork.provision.nginx import Nginx

    nginx = Nginx(means["sites"], means["main"], means["web"]) if means["sites"] else None
    first, last = means["ports"]
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(
            f"{place} cannot be made: {(error.strerror or str(error)).lower()}; choose another one"
        ) from None
    try:
        premises = Means(means["account"], nginx, range(first, last + 1), means["max_connections"])
        standing(place, interface, port, Manner(*manner), premises)
    except (OSError, Unusable) as error:
        click.echo(f"prefork: {error}", err=True)
        sys.exit(FAILED)


VERBS = (console,)
