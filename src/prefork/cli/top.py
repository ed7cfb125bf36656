"""`prefork top`: measures again and again. In a terminal a screen that keys steer, over a pipe a line of JSON each time."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from prefork import config
from prefork.cli.asking import MOMENT, told, understood
from prefork.cli.numbers import Number, Whole
from prefork.cli.settings import Meant, aimed, as_lines
from prefork.control.answers import explained, lacking
from prefork.control.client import Unreachable, ask
from prefork.usage.rates import between, is_later

if TYPE_CHECKING:
    from collections.abc import Iterator

METRICS = {"command": "metrics"}
ARROWS = {b"\x1b[A": "up", b"\x1b[B": "down", b"\x1bOA": "up", b"\x1bOB": "down"}


@click.command()
@aimed
@click.option("--interval", type=Number(0.25, 3600), default=1.0, show_default=True, metavar="SECONDS", help="From line to line.")
@click.option("--count", type=Whole(1), metavar="N", help="End after N lines of JSON.")
@as_lines
def top(meant: Meant, interval: float, count: int | None, as_json: bool) -> None:
    """Watch a server's workers, queue and routes.

    Over a pipe, or with --json, each measurement is one line of JSON.
    """
    first = asked(meant)
    with suppress(KeyboardInterrupt):
        if as_json or count or not (sys.stdin.isatty() and sys.stdout.isatty()):
            report(meant, first, interval, count)
        else:
            watch(meant, first)


def asked(meant: Meant) -> dict[str, Any]:
    """The server's answer, or the end of the program."""
    return understood("metrics", told(meant, METRICS), name(meant))


def name(meant: Meant) -> str:
    """The server, for sentences."""
    return f"the server in {meant.data_dir}"


def report(meant: Meant, before: dict[str, Any], interval: float, count: int | None) -> None:
    """Print lines for programs until there are enough, or nobody reads them."""
    import json

    printed = 0
    while count is None or printed < count:
        time.sleep(interval)
        now = asked(meant)
        if is_later(before, now):
            click.echo(json.dumps(between(before, now, time.time())))
            printed += 1
        before = now


def watch(meant: Meant, before: dict[str, Any]) -> None:
    """Show lines to people until they have seen enough."""
    from rich.console import Console, Group
    from rich.live import Live

    from prefork.views.top import LONGEST, Choice, screen

    console = Console(highlight=False)
    choice, trouble = Choice(), ""
    lines: deque[dict[str, Any]] = deque(maxlen=LONGEST)
    with keyboard() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        due = time.monotonic() + choice.seconds
        while not choice.ended:
            live.update(Group(*screen(lines, choice, console.width, console.height, trouble)), refresh=True)
            pressed = press(keys, max(0.0, due - time.monotonic()))
            for key in pressed:
                choice = choice.press(key)
            if time.monotonic() < due:
                continue
            due = time.monotonic() + choice.seconds
            if choice.paused:
                continue
            now, trouble = measured(meant)
            if now and is_later(before, now):
                lines.append(between(before, now, time.time()))
            before = now or before


def measured(meant: Meant) -> tuple[dict[str, Any] | None, str]:
    """The server's answer, or why there is none: it may be in the middle of a restart."""
    try:
        answer = ask(meant.data_dir / config.CONTROL_SOCKET, METRICS, MOMENT)
    except Unreachable as error:
        return None, str(error)
    if answer.get("ok") is not True:
        return None, str(answer.get("error"))
    if lacks := lacking("metrics", answer):
        return None, explained(name(meant), lacks, answer.get("version"))
    return answer, ""


@contextmanager
def keyboard() -> Iterator[int]:
    """The terminal's keys one by one, and not on the screen."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield terminal
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def press(terminal: int, seconds: float) -> list[str]:
    """The keys that are pressed within so many seconds; a terminal that has gone is a wish to end."""
    if not select.select([terminal], [], [], seconds)[0]:
        return []
    read = os.read(terminal, 64)
    if not read:
        return ["q"]
    return [ARROWS[read]] if read in ARROWS else list(read.decode(errors="replace"))


VERBS = (top,)
