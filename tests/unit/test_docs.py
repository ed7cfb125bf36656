"""The documentation is true: what it names exists, and what exists is named."""

import ast
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from prefork import catalogue, cli, events
from prefork.cli import running, settings
from prefork.config import OPTIONS
from prefork.config.layers import gather
from prefork.http.pages import WORDS
from prefork.master import front, loop, serve
from prefork.master.signals import HEARD
from prefork.metrics import FAMILIES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md"))
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
SOURCES = sorted((ROOT / "src" / "prefork").rglob("*.py"))
VARIABLES_OF_THE_TESTS = {"STORY_ROUNDS", "STORY_SEED"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[\s`(/])prefork[ \t]+([a-z]+)([^`\n#]*)", re.MULTILINE)


def each_page() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def heading(page: Path, title: str) -> str:
    """The text below a heading, to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no heading {title!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of a table's lines, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def spans(text: str) -> list[str]:
    """What is written as code inside a line."""
    return re.findall(r"`([^`]+)`", text)


def anchors(page: Path) -> set[str]:
    """The fragments that the headings of a page can be reached by, as the hosting sites make them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def syntax(path: str) -> ast.Module:
    return ast.parse((ROOT / "src" / "prefork" / path).read_text())


@cache
def texts() -> str:
    """Every text in the source, those of f-strings in pieces, with a line feed after each."""
    nodes = (node for file in SOURCES for node in ast.walk(ast.parse(file.read_text())))
    return "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


# Events.


def test_the_page_of_events_is_the_generated_one() -> None:
    assert (DOCS / "events.md").read_text() == catalogue.page(), "run `python -m prefork.catalogue > docs/events.md`"


def test_the_page_of_events_names_every_event_with_its_fields() -> None:
    for event in events.CATALOGUE:
        section = heading(DOCS / "events.md", event.name())
        assert event.wording in section
        assert event.fields.keys() <= set(spans(section))


def test_every_event_that_is_a_warning_or_worse_has_advice() -> None:
    worrying = {event.name() for event in events.CATALOGUE if events.LEVELS[event.level] >= events.LEVELS["warning"]}
    advised = {spot for row in rows(heading(DOCS / "errors.md", "In the log")) for spot in re.findall(r"events\.md#(\w+)", row[0])}
    assert advised == worrying


# Options.


def test_every_option_is_documented() -> None:
    text = (DOCS / "configuration.md").read_text()
    assert [name for name in OPTIONS if f"| `{name}` |" not in text] == []


def test_the_options_that_need_a_restart_are_named() -> None:
    found = re.search(r"\*\*What needs a restart:\*\*(.*?)\. Changed", heading(DOCS / "operate.md", "Reload"), re.DOTALL)
    assert found
    assert set(spans(found[1])) == {name for name, each in OPTIONS.items() if each.applies == "restart"}


@each_page()
def test_configuration_files_in_the_documentation_have_no_problem(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    indented = re.findall(r"^    \[options\]\n((?:    .+\n)+)", text, re.MULTILINE)
    for number, block in enumerate([body for kind, body in FENCE.findall(text) if kind == "ini"] + indented):
        file = tmp_path / f"{number}.conf"
        file.write_text("".join(line.removeprefix("    ") + "\n" for line in block.splitlines()))
        assert gather(file, {}, {}, tmp_path).problems == []


def test_units_in_the_documentation_are_understood_by_systemd(tmp_path: Path) -> None:
    """Its verifier complains in words only; where there is no systemd, the units are at least those that the text speaks of."""
    service, passing = [body for kind, body in FENCE.findall((DOCS / "operate.md").read_text()) if kind == "systemd"]
    allowed = re.search(r"^WatchdogSec=(\d+)$", service, re.MULTILINE)
    assert "Type=notify\n" in service
    assert allowed
    assert int(allowed[1]) > 2 * front.STUCK_AFTER, "the master replaces a dispatcher that hangs before systemd restarts it all"
    (tmp_path / "mysite.service").write_text(service.replace("/opt/prefork/bin/prefork", "/bin/true"))
    (tmp_path / "mysite.socket").write_text(passing)
    if verifier := shutil.which("systemd-analyze"):
        command = [verifier, "verify", "--man=no", *map(str, tmp_path.iterdir())]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (said.returncode, said.stderr) == (0, "")


# Steering.


def test_every_signal_that_the_master_hears_is_documented() -> None:
    named = {name for row in rows(heading(DOCS / "operate.md", "Signals to the master")) for name in spans(row[0])}
    assert {signal.Signals[f"SIG{name}"] for name in named} == set(HEARD)


def test_every_command_of_the_command_line_is_documented() -> None:
    named = [spans(row[0])[0].split()[1] for row in rows(heading(DOCS / "operate.md", "Commands"))]
    assert sorted(named) == sorted(cli.HOMES)


def test_every_command_of_the_control_socket_is_documented() -> None:
    compared = (node.comparators[0] for node in ast.walk(syntax("master/commands.py")) if isinstance(node, ast.Compare))
    commands = {node.value for node in compared if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    named = re.findall(r'\{"command": "(\w+)"', heading(DOCS / "operate.md", "The control socket"))
    assert commands
    assert sorted(named) == sorted(commands)


def test_every_field_of_the_status_is_documented() -> None:
    keys = {
        key.value
        for node in ast.walk(syntax("master/status.py"))
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    assert keys - set(spans(heading(DOCS / "operate.md", "The control socket"))) == set()


def test_every_exit_status_is_documented() -> None:
    table = {int(row[0]): row for row in rows(heading(DOCS / "operate.md", "Exit statuses"))}
    usage = click.UsageError.exit_code
    assert set(table) == {0, usage, serve.UNUSABLE, loop.NOT_READY, settings.FAILED, running.UNREACHABLE}
    of_serve = {status for status, row in table.items() if row[1]}
    assert of_serve == {0, usage, serve.UNUSABLE, loop.NOT_READY}


def test_every_health_page_is_documented() -> None:
    pages = {
        node.value.decode()
        for node in ast.walk(syntax("dispatcher/health.py"))
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and node.value.startswith(b"/_prefork/")
    }
    named = {spans(row[0])[0] for row in rows(heading(DOCS / "operate.md", "Health"))}
    assert named == pages - {"/_prefork/"}


def test_every_metric_is_documented_as_it_is() -> None:
    table = rows(heading(DOCS / "metrics.md", "What there is"))
    told = [(spans(row[0])[0], row[1], row[3]) for row in table]
    assert told == [(family.name, family.kind, family.help) for family in FAMILIES]


# Errors.


def test_every_sentence_on_the_page_of_errors_is_in_the_source() -> None:
    invented = [piece for piece in pieces() if piece not in texts()]
    assert invented == []


def pieces() -> Iterator[str]:
    """The fixed parts of the messages that the page quotes."""
    page = DOCS / "errors.md"
    tables = {
        "When a server is started": 0,
        "In the configuration": 0,
        "When a command is given": 0,
        "In the log": 1,
        "What clients see": 1,
    }
    for title, column in tables.items():
        sentences = [span for row in rows(heading(page, title)) for span in spans(row[column])]
        assert sentences
        for sentence in sentences:
            yield from (piece.strip() for piece in sentence.split("…") if re.search(r"\w", piece))


def test_every_status_that_the_server_answers_by_itself_is_documented() -> None:
    refused = {
        node.args[0].value
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Refused"
        and isinstance(node.args[0], ast.Constant)
    }
    named = {int(row[0]) for row in rows(heading(DOCS / "errors.md", "What clients see")) if row[0].isdigit()}
    assert named == refused | set(WORDS)


# All pages.


@each_page()
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        target, _, fragment = link.partition("#")
        if re.match(r"\w+:", target):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (fragment and fragment not in anchors(file)):
            lost.append(link)
    assert lost == []


@each_page()
def test_variables_exist(page: Path) -> None:
    known = {each.environment for each in OPTIONS.values()} | {"PREFORK_CONFIG"} | VARIABLES_OF_THE_TESTS
    assert set(re.findall(r"\bPREFORK_[A-Z_]*[A-Z]\b", page.read_text())) - known == set()


@each_page()
def test_commands_and_flags_exist(page: Path) -> None:
    text = page.read_text()
    for verb, rest in COMMAND.findall(text):
        if verb in cli.HOMES:
            ours = rest.partition(" -- ")[0]  # what follows is for the application's command line
            assert set(re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", ours)) <= flags(verb), f"prefork {verb}{rest}"
    alone = {span.split()[0] for span in spans(FENCE.sub("", text)) if span.startswith("--")}
    assert alone - {flag for verb in cli.HOMES for flag in flags(verb)} == set()


def flags(verb: str) -> set[str]:
    """The flags of a command, the two of every command included."""
    command = cli.main.get_command(click.Context(cli.main), verb)
    assert command is not None
    commands = command.commands.values() if isinstance(command, click.Group) else [command]
    return {"-h", "--help", *(flag for one in commands for each in one.params for flag in (*each.opts, *each.secondary_opts))}


@each_page()
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^    |^\$ )make ([a-z]+)", page.read_text(), re.MULTILINE)) - targets == set()
