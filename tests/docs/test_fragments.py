"""Whatever a page tells people to type is understood by the program that it is for: nothing is run here.

`prefork …` is read by the real parser, values of options by the real configuration; `make …` has its target, Python compiles and
names what is there, JSON is JSON, and what stands in an nginx block nginx's grammar knows.
"""

import ast
import importlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
import crossplane
import pytest
from tests.conftest import ROOT
from tests.docs.pages import PAGES, Block, Command, blocks, commands

from prefork import cli
from prefork.cli.application import texts
from prefork.cli.flags import Configured
from prefork.config.layers import gather

BLOCKS = [block for page in PAGES for block in blocks(page)]
COMMANDS = [command for block in BLOCKS for command in commands(block)]
OURS = [command for command in COMMANDS if command.program == "prefork"]
WITH_EXAMPLES = ("start", "operate", "migrate", "odoo", "advice", "usage", "sizing", "around", "doctor", "metrics", "jobs", "asgi")
NGINX = {
    "upstream": "events {{}} http {{ {} }}",
    "location": "events {{}} http {{ server {{ {} }} }}",
}


def parsed(words: list[str]) -> click.Context:
    """What the words mean to the command that they name. Raises click.UsageError."""
    command: click.Command = cli.main
    context, rest = click.Context(command), list(words)
    while isinstance(command, click.Group):
        _, found, rest = command.resolve_command(context, rest)
        assert found
        command = found
    return command.make_context(command.name, rest)


@pytest.mark.parametrize("command", OURS, ids=str)
def test_every_command_of_ours_is_understood(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8000")  # what a platform sets
    context = parsed([os.path.expandvars(word) for word in command.words[1:]])
    if isinstance(context.command, Configured):
        flags = {key: value for key, value in context.params.items() if key not in {"application", "file", "explain"}}
        assert gather(None, texts(context.params["application"], flags), {}, tmp_path).problems == []


def test_the_pages_with_examples_are_read() -> None:
    """A page whose blocks are not found would pass."""
    assert {"README.md", *(f"docs/{page}.md" for page in WITH_EXAMPLES)} - {command.page for command in OURS} == set()


def test_every_target_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = [command for command in COMMANDS if command.program == "make"]
    assert made
    assert [command for command in made if not targets.issuperset(word for word in command.words[1:] if "=" not in word)] == []


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind in kinds], ids=str)


@of_kind("python")
def test_python_compiles_and_names_what_is_there(block: Block) -> None:
    assert [name for name in named(ast.parse(block.text)) if not found(name)] == []


def named(tree: ast.Module) -> Iterator[str]:
    """What is used of ours, in dots: `prefork.bus.publish`."""
    ours = {"prefork": "prefork"}
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] == "prefork":
                yield from (f"{module}.{each.name}" for each in node.names)
                ours.update({each.asname or each.name: f"{module}.{each.name}" for each in node.names})
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=first), attr=second) if first in ours:
                yield f"{ours[first]}.{second}"
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id=first), attr=second), attr=third) if first in ours:
                yield f"{ours[first]}.{second}.{third}"


def found(dotted: str) -> bool:
    """Whether such a thing is there."""
    try:
        importlib.import_module(dotted)
    except ImportError:
        owner, _, attribute = dotted.rpartition(".")
        try:
            return hasattr(importlib.import_module(owner), attribute)
        except ImportError:
            above, _, middle = owner.rpartition(".")
            return hasattr(getattr(importlib.import_module(above), middle, None), attribute)
    return True


@of_kind("json")
def test_json_is_json(block: Block) -> None:
    assert json.loads(block.text)


@of_kind("nginx")
def test_nginx_knows_the_directives(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text(NGINX[block.text.split()[0]].format(block.text))
    read = crossplane.parse(str(file), strict=True, check_ctx=True, check_args=True)
    assert read["errors"] == []
