"""A topology on one machine, to be hit: `prefork lab`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefork.cli.around import text_of
from prefork.cli.numbers import Number
from prefork.cli.settings import FAILED, as_lines
from prefork.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefork.lab.estate import Estate
    from prefork.lab.probes import Condition

PATH = click.Path(path_type=Path)
IMPOSSIBLE = 2  # the exit code where the machine cannot do what is asked


class AsRoot(click.Group):
    """Verbs that are root's. An account that is not has them said again in the namespace in which it is."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Keep what was said."""
        said = tuple(args)
        made = super().make_context(info_name, args, parent, **extra)
        made.obj = said
        return made


def placed(function: Callable[..., None]) -> Callable[..., None]:
    """Add which lab is meant, and be root in it."""

    @wraps(function)
    def within(directory: Path, **given: Any) -> None:
        from prefork.lab import account, estate

        hub = 0
        with suppress(PermissionError):  # of which `found` has a sentence
            hub = estate.holder(directory / "nodes" / estate.HUB / "lock")
        if (function.__name__ == "up" or directory.exists()) and (way := account.way_in(hub)):
            said = click.get_current_context().find_object(tuple)
            raise click.exceptions.Exit(subprocess.call([*way, programs()[1], "lab", *(said or ())]))
        function(directory=directory, **given)

    return click.option(
        "--dir",
        "directory",
        type=click.Path(path_type=Path, resolve_path=True),  # a node's process starts at /
        metavar="DIR",
        default=lambda: Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share", "prefork", "lab"),
        show_default="lab in Prefork's data directory",
        help="The directory that the lab keeps.",
    )(within)


@click.group(cls=AsRoot)
def lab() -> None:
    """Run a rendered topology on this machine, and break it."""


@lab.command()
@click.argument("topology", metavar="[TOPOLOGY]", required=False)
@click.option(
    "--synchronous/--asynchronous", default=None, help="Whether a commit waits for the standby; else as the topology says."
)
@click.option(
    "--odoo", type=PATH, metavar="TREE", help="Serve the Odoo in this directory, with chat, instead of the lab's own application."
)
@click.option("--python", type=PATH, metavar="PYTHON", help="Odoo's interpreter, which has its requirements.")
@placed
def up(topology: str | None, directory: Path, synchronous: bool | None, odoo: Path | None, python: Path | None) -> None:
    """Start every node of a topology (enterprise), or those that are down."""
    from prefork.lab import estate, stages
    from prefork.lab.odoo import found as installed

    if (odoo is None) != (python is None):
        raise click.UsageError("--odoo and --python belong together: a directory, and the interpreter that has its requirements")
    with sentences():
        if os.path.exists(directory / "lab.json") and topology is None and synchronous is None and odoo is None:
            found = estate.found(directory)
        else:
            name = topology or "enterprise"
            served = installed(odoo, python) if odoo and python else None
            found = estate.make(directory, text_of(name), name, programs(), synchronous=synchronous, served=served)
        click.echo("Not as rendered:")
        for each in found.fitted.changes:
            click.echo(f"  {each}")
        stages.bring_up(found, click.echo)
        draw(found)


def programs() -> tuple[str, str]:
    """Our interpreter and our command."""
    return sys.executable, str(Path(sys.executable).with_name("prefork"))


@lab.command()
@as_lines
@placed
def status(directory: Path, as_json: bool) -> None:
    """Show what runs where, and how it is."""
    with sentences():
        found = entered(directory)
        if not as_json:
            draw(found)
            return
        from prefork.lab.probes import look

        click.echo(json.dumps([asdict(each) | {"well": each.well} for each in look(found)]))


@lab.command()
@click.argument("node")
@placed
def kill(node: str, directory: Path) -> None:
    """Have a node fail, as when its power does."""
    from prefork.lab import estate, power

    with sentences():
        power.switch_off(estate.found(directory), node)
        click.echo(f"{node} is down")


@lab.command()
@click.argument("node")
@placed
def start(node: str, directory: Path) -> None:
    """Start a node that is down; it keeps its files."""
    from prefork.lab import estate, power

    with sentences():
        found = estate.found(directory)
        if found.pid(found.node(node).name):
            click.echo(f"{node} is up")
            return
        power.switch_on(found, node)
        click.echo(f"{node} is started; prefork lab status says when it is well")


@lab.command()
@click.argument("one")
@click.argument("other")
@placed
def cut(one: str, other: str, directory: Path) -> None:
    """Let nothing pass between two nodes."""
    from prefork.lab import estate, network

    with sentences():
        found = estate.found(directory)
        hub, numbers = found.hub, (found.number(one), found.number(other))
        if not network.can_cut(hub):
            click.echo(
                "links cannot be cut: this kernel filters no bridge, or nftables is missing (apt-get install nftables)", err=True
            )
            raise click.exceptions.Exit(IMPOSSIBLE)
        network.cut(hub, *numbers)
        click.echo(f"nothing passes between {one} and {other}")


@lab.command()
@placed
def heal(directory: Path) -> None:
    """Let everything pass again."""
    from prefork.lab import estate, network

    with sentences():
        network.heal(estate.found(directory).hub)
        click.echo("everything passes")


@lab.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@placed
@click.argument("node")
@click.argument("command", nargs=-1)
def enter(directory: Path, node: str, command: tuple[str, ...]) -> None:
    """Run a command on a node, or a shell."""
    from prefork.lab import estate, probes

    with sentences():
        found = estate.found(directory)
        pid = found.pid(found.node(node).name)
        if not pid:
            raise estate.Missing(f"{node} is down; start it with: prefork lab start {node}")
    raise click.exceptions.Exit(subprocess.call(probes.entered(pid, list(command or ("bash",)))))


@lab.command()
@click.option("--seconds", type=Number(min=1), default=30.0, show_default=True, help="How long.")
@as_lines
@placed
def load(directory: Path, seconds: float, as_json: bool) -> None:
    """Write orders and read pages through the edge, and account for every one."""
    with sentences():
        found = entered(directory)
        if found.fitted.odoo:
            raise click.UsageError("orders are written in the lab's own application, and this lab serves Odoo")
        from prefork.lab.door import door
        from prefork.lab.load import Load

        with Load(door(found)) as running:
            with suppress(KeyboardInterrupt):
                time.sleep(seconds)
            account = running.stop()
    click.echo(json.dumps(asdict(account)) if as_json else "\n".join(account.sentences()))


@lab.command()
@placed
def down(directory: Path) -> None:
    """End everything, and delete the lab's directory."""
    from prefork.lab import estate

    estate.remove(directory)
    click.echo(f"nothing is left of the lab in {directory}")


def entered(directory: Path) -> Estate:
    """The lab, whose network this process is in from now on."""
    from prefork.lab import estate, network

    found = estate.found(directory)
    network.join(found.hub)
    return found


def draw(found: Estate) -> None:
    """What runs where."""
    from rich.table import Table

    from prefork.lab.probes import look

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("NODE", "ADDRESS", "RUNS", "STATE"):
        table.add_column(head)
    for node, each in zip(found.topology.nodes, look(found), strict=True):
        table.add_row(node.name, "\n".join((node.address, *each.addresses)), runs(each), state(each))
    console().print(table)


def runs(condition: Condition) -> str:
    """The services of a node, with what there is to say of them."""
    return ", ".join(f"{each.service} ({each.word})" if each.word and each.well else each.service for each in condition.services)


def state(condition: Condition) -> str:
    """How a node is."""
    if not condition.up:
        return "[red]down[/red]"
    return (
        "; ".join(f"[yellow]{each.service}: {each.word or 'no answer'}[/yellow]" for each in condition.services if not each.well)
        or "well"
    )


@contextmanager
def sentences() -> Iterator[Any]:
    """End the program with the sentence of what is wrong."""
    from prefork.lab import changes, estate, network, power
    from prefork.render.topology import Invalid

    try:
        yield
    except (Invalid, changes.Unfit, estate.Missing, network.Unconnected, power.Failed) as error:
        for line in str(error).splitlines():
            click.echo(f"{click.style('error', fg='red', bold=True)}: {line}", err=True)
        raise click.exceptions.Exit(FAILED) from None


VERBS = (lab,)
