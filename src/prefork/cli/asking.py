"""One question to a running server over its control socket: the answer, or the end of the program with what went wrong."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from prefork import config
from prefork.cli.settings import FAILED, Meant
from prefork.control.answers import explained, lacking
from prefork.control.client import Absent, Unreachable, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

UNREACHABLE = 4  # the exit code where no server answers
ABSENT = "Start one with `prefork serve`, or name the running one's file (-c FILE) or directory (--data-dir PATH)."
MOMENT = 10.0  # seconds a server may take to answer a question
RELOAD_LIMIT = 3600.0  # seconds a reload may take: the server's own time limits decide long before


def told(meant: Meant, request: Mapping[str, object], timeout: float = MOMENT) -> dict[str, Any]:
    """The server's answer to a command, or the end of the program with what went wrong."""
    try:
        answer = ask(meant.data_dir / config.CONTROL_SOCKET, request, timeout)
    except Unreachable as error:
        click.echo(f"prefork: {error}", err=True)
        if isinstance(error, Absent):
            click.echo(ABSENT, err=True)
        sys.exit(UNREACHABLE)
    if answer.get("ok") is not True:
        if answer.get("traceback"):
            click.echo(str(answer["traceback"]).rstrip(), err=True)
        click.echo(f"prefork: {answer.get('error', 'the server refused without a reason')}", err=True)
        sys.exit(FAILED)
    return answer


def understood(command: str, answer: dict[str, Any], who: str) -> dict[str, Any]:
    """The answer of a server, or the end of the program where one of another release does not say what is relied on."""
    if lacks := lacking(command, answer):
        click.echo(f"prefork: {explained(who, lacks, answer.get('version'))}", err=True)
        sys.exit(FAILED)
    return answer
