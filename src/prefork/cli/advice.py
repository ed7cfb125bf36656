"""`prefork advise` and `prefork simulate`: what the recorded requests of a running server say about the number of its workers."""

from __future__ import annotations

import sys
from typing import Any

import click

from prefork.cli.asking import told
from prefork.cli.numbers import NUMBER, Number, Whole
from prefork.cli.settings import FAILED, Meant, aimed, as_lines
from prefork.cli.terminal import console
from prefork.config import quantities
from prefork.sizing import advice
from prefork.sizing.prediction import obstacle, unlike
from prefork.sizing.simulate import simulate
from prefork.sizing.traffic import Traffic, Unreadable, traffic

MOST = 512  # workers


class Duration(click.ParamType[float]):
    """A time as the file has it."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        try:
            seconds = quantities.time(str(value).strip())
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return seconds


class Times(click.ParamType[float]):
    """How many times as much: 2, x2 or ×2."""

    name = "×N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The factor."""
        text = str(value).strip().lstrip("x×").strip()
        times = float(text) if NUMBER.fullmatch(text) else 0.0
        if not 0.01 <= times <= 100:
            self.fail(f"{value} is not from 0.01 to 100; write 2 or x2 for twice as many requests", param, ctx)
        return times


@click.command()
@aimed
@click.option("--target", type=Duration(), help="How long 95 % of the requests may wait for a worker; default: wait_target.")
@as_lines
def advise(target: float | None, as_json: bool, meant: Meant) -> None:
    """Say how many workers the traffic of a server needs.

    From its last requests: when they came, how long they took, how much processor time they used. It takes 1,000 requests and ten
    minutes. How it is found is in docs/advice.md.
    """
    from prefork.views import advice as view

    found = asked(meant)
    if missing := obstacle(found):
        refuse(missing, found, as_json=as_json)
    wanted = found.target if target is None else target
    question = advice.Question(found.recording(), found.place, found.caps, found.each, wanted)
    given = advice.advise(question)
    if as_json:
        import json

        click.echo(json.dumps(view.answer(given, question), indent=2))
    else:
        console().print(*view.screen(given, question), sep="\n")


def refuse(missing: str, found: Traffic, *, as_json: bool) -> None:
    """End the program without advice, and say what is missing for it."""
    if as_json:
        import json

        have = {"requests": found.requests, "seconds": round(found.seconds, 1)}
        need = {"requests": advice.LEAST_REQUESTS, "seconds": advice.LEAST_SECONDS}
        click.echo(json.dumps({"refused": missing, "recorded": have, "needed": need}, indent=2))
    else:
        click.echo(f"prefork: no advice: {missing}", err=True)
    sys.exit(FAILED)


@click.command("simulate")
@aimed
@click.option("--workers", type=Whole(1, MOST), multiple=True, required=True, metavar="N", help="How many; may be given again.")
@click.option("--arrivals", type=Times(), default=1.0, metavar="×N", help="So many times as many requests in the same time.")
@click.option("--cpus", type=Number(0, 4096, min_open=True), metavar="N", help="Other processors than the server has.")
@as_lines
def replay(workers: tuple[int, ...], arrivals: float, cpus: float | None, as_json: bool, meant: Meant) -> None:
    """Replay the last requests with other numbers of workers."""
    from dataclasses import replace

    from prefork.views import advice as view

    found = asked(meant)
    if found.concurrency:
        refuse(unlike(found), found, as_json=as_json)
    if not found.requests:
        refuse("no request is recorded yet", found, as_json=as_json)
    recorded, where = found.recording().faster(arrivals), replace(found.place, cpus=cpus or found.place.cpus)
    outcomes = [simulate(recorded.work, replace(where, workers=count)) for count in sorted(set(workers))]
    if as_json:
        import json

        click.echo(json.dumps(view.replayed(outcomes, recorded, where, arrivals), indent=2))
    else:
        console().print(*view.replay(outcomes, recorded, where, arrivals), sep="\n")


def asked(meant: Meant) -> Traffic:
    """What a server tells of its last requests, or the end of the program."""
    try:
        return traffic(told(meant, {"command": "trace"}))
    except Unreadable as error:
        raise click.ClickException(str(error)) from None


VERBS = (advise, replay)
