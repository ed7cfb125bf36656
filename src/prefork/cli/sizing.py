"""`prefork size`: how many workers a machine can have, or users need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from prefork import config
from prefork.cli.numbers import Number, Whole
from prefork.cli.settings import as_lines
from prefork.cli.terminal import console
from prefork.config import quantities
from prefork.sizing import size as sizing
from prefork.sizing.database import Database
from prefork.sizing.machine import Machine
from prefork.sizing.plans import PLANS
from prefork.sizing.rules import RULES


class Size(click.ParamType[int]):
    """A size as the file has it."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes."""
        try:
            size = quantities.size(str(value).strip())
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if size < quantities.MIB:
            self.fail(f"{value} is less than a process has; write 300M or 8G", param, ctx)
        return size


@click.command()
@click.option("--cpus", type=Number(0, 4096, min_open=True), metavar="N", help="Processors; a fraction under a quota.")
@click.option("--memory", type=Size(), help="Memory of the machine, such as 8G.")
@click.option("--users", type=Whole(1, 10_000_000), metavar="N", help="Users at once. Without a machine: which one they need.")
@click.option("--plan", type=click.Choice(list(PLANS), case_sensitive=False), help="The plan, which may allow fewer workers.")
@click.option("--rule", type=click.Choice(list(RULES)), help="Which rule decides; all are shown.")
@click.option("--worker-memory", type=Size(), default="300M", show_default=True, help="What a worker usually takes.")
@click.option(
    "--role", type=click.Choice(["all", "web", "cron"]), default="all", help="What this node is for. web leaves jobs to cron."
)
@click.option("--nodes", type=Whole(1, 1000), metavar="N", help="Nodes that share users and database.")
@click.option("--max-connections", type=Whole(1, 262_143), default=100, show_default=True, help="PostgreSQL's setting.")
@click.option("--pool", type=Whole(1, 262_143), metavar="N", help="Connections that PgBouncer's pools open to PostgreSQL.")
@click.option("--clients", type=Whole(1, 1_000_000), default=1000, show_default=True, help="PgBouncer's max_client_conn.")
@click.option(
    "--write", "target", type=click.Path(path_type=Path), metavar="FILE", help="Set the options in a file; the rest stays."
)
@as_lines
def size(target: Path | None, rule: str | None, as_json: bool, **known: Any) -> None:
    """Say how many workers a machine can have, or users need.

    Without arguments it is about this machine, or what the control group allows of it. The reasons are in docs/sizing.md.
    """
    from prefork.config.editing import Unusable, rewrite
    from prefork.views import sizing as view

    demand, bound = demanded(**known)
    rules = {name: sizing.size(demand, name) for name in RULES}
    deciding, decision = (rule, f"{rule} was asked for") if rule else sizing.decisive(demand)
    chosen = rules[deciding]
    written: list[str] = []
    if target is not None:
        try:
            written = rewrite(target, {name: str(value) for name, value in chosen.options.items()})
        except Unusable as reason:
            raise click.ClickException(str(reason)) from None
    if as_json:
        import json

        click.echo(json.dumps(view.answer(chosen, rules, bound), indent=2))
        return
    console().print(*view.screen(chosen, rules, bound, decision), sep="\n")
    if target is not None:
        click.echo(f"\n{target}: {', '.join(written) or 'nothing'} changed.")


def demanded(
    cpus: float | None, memory: int | None, users: int | None, max_connections: int, pool: int | None, clients: int, **rest: Any
) -> tuple[sizing.Demand, str]:
    """What is asked for, and whose machine it is: what is not told of one is this machine's, unless users look for one."""
    here, machine, bound = config.read_machine(), None, "needed"
    if cpus or memory or not users:
        if memory is None and here.memory is None:
            raise click.UsageError("the memory of this machine cannot be read; give it, as in --memory 8G")
        machine = Machine(cpus or here.cpus, memory or here.memory or 0)
        bound = here.bound if cpus is None and memory is None else "given"
    database = Database(max_connections, pool=pool or 0, clients=clients)
    return sizing.Demand(machine, users=users, database=database, **rest), bound


VERBS = (size,)
