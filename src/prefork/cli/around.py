"""What stands around a server: `prefork render`."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prefork import config
from prefork.cli.settings import FAILED, here, loaded, unwritable
from prefork.config import texts
from prefork.config.problems import plain
from prefork.render.topology import PROXIES, SHIPPED, Invalid, Topology, parse, shipped

if TYPE_CHECKING:
    from prefork.render.files import Rendered


@click.command()
@click.argument("topology", metavar="TOPOLOGY")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The directory to write; new or empty.")
@click.option(
    "-c", "--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="Ports, limits and times as in this file."
)
@click.option("--proxy", type=click.Choice(PROXIES), help="The proxy of every edge.")
@click.option("--show", is_flag=True, help="Print the topology, to be changed and given back as a file.")
def render(topology: str, out: Path | None, file: Path | None, proxy: str | None, show: bool) -> None:
    """Write the configuration of everything around the server.

    TOPOLOGY is single, two-node, enterprise or kubernetes, or a TOML file with nodes and their roles.
    """
    if show:
        click.echo(text_of(topology), nl=False)
        return
    from prefork.render import files

    if out is None:
        raise click.UsageError("name the directory to write with --out DIR")
    meant = understood(topology)
    if proxy:
        meant = replace(meant, nodes=tuple(replace(node, proxy=proxy) for node in meant.nodes))
    settings = loaded(lambda: config.load(file, {}, os.environ, here()))
    trees = files.render(meant, settings)
    write(trees, out)
    for node, tree in trees.items():
        for path in tree:
            click.echo(str(out / node / path))


def text_of(topology: str) -> str:
    """The TOML of a topology: one that travels with Prefork, or a file."""
    if topology in SHIPPED:
        return shipped(topology)
    try:
        return texts.text(topology)
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is no text"
        known = ", ".join(SHIPPED)
        raise click.ClickException(f"{topology} is none of {known}, and as a file it cannot be read: {reason}") from None


def understood(topology: str) -> Topology:
    """The topology, or the end of the program with everything that is wrong with it."""
    try:
        return parse(text_of(topology), topology)
    except Invalid as error:
        for sentence in error.sentences:
            click.echo(f"{click.style('error', fg='red', bold=True)}: {plain(sentence)}", err=True)
        raise click.exceptions.Exit(FAILED) from None


def write(trees: Rendered, out: Path) -> None:
    """Write every file, or none: a directory that holds something already is left alone."""
    try:
        if out.exists() and any(out.iterdir()):
            raise click.ClickException(f"{out} is not empty; name a new directory, and compare the two before you copy")
    except OSError as error:
        unwritable(out, error)
    made: list[Path] = []
    try:
        for node, tree in trees.items():
            for path, text in tree.items():
                make(out / node / path, text, made)
    except OSError as error:
        for each in reversed(made):
            with suppress(OSError):  # somebody else has put something there, or taken it away
                if each.is_dir():
                    each.rmdir()
                else:
                    each.unlink()
        unwritable(out, error)


def make(place: Path, text: str, made: list[Path]) -> None:
    """Write a new file, and note it in `made` with each directory that it needed. Raises OSError."""
    for folder in reversed([each for each in place.parents if not each.exists()]):
        folder.mkdir()
        made.append(folder)
    with place.open("x", encoding="utf-8") as file:
        made.append(place)
        file.write(text)


VERBS = (render,)
