"""Topologies: what is understood, and in which sentences what is not."""

import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click import ClickException
from click.testing import CliRunner, Result

from prefork.cli import around, main
from prefork.render.topology import SHIPPED, Invalid, parse, shipped

SMALL = '[site]\nname = "shop"\n[nodes.one]\naddress = "10.0.0.1"\nroles = ["edge", "app"]\n'


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(Invalid) as raised:
        parse(text, "my.toml")
    return raised.value.sentences


def test_the_smallest_one() -> None:
    found = parse(SMALL, "my.toml")
    assert (found.site.name, found.site.version, found.nodes[0].memory) == ("shop", 0, 8 << 30)
    assert found.address("app") == "10.0.0.1"


def test_a_shared_address_stands_for_its_nodes() -> None:
    assert parse(shipped("enterprise"), "enterprise").address("pooler") == "10.0.0.40"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("[site]", "[site"), "my.toml: this is no TOML: "),
        (('name = "shop"', 'nam = "shop"'), "my.toml: site.nam: unknown key; did you mean name?"),
        (('name = "shop"', "name = 3"), "my.toml: site.name: this is a text, not 3"),
        (
            ('name = "shop"', 'domain = "x; rm"'),
            'my.toml: site.domain: "x; rm" cannot be used; it is a host name such as www.example.com',
        ),
        (('name = "shop"', 'filestore = "/a;b"'), 'my.toml: site.filestore: "/a;b" cannot be used; it is an absolute path'),
        (('name = "shop"', 'addons = ["relative"]'), 'my.toml: site.addons: "relative" cannot be used'),
        (
            ('name = "shop"', 'share = "/srv"'),
            'my.toml: site.share: "/srv" cannot be used; it is a directory of an NFS server such as',
        ),
        (('name = "shop"', 'odoo = "eighteen"'), 'my.toml: site.odoo: "eighteen" is no version of Odoo; write one such as 18.0'),
        (('name = "shop"', 'pooling = "statement"'), 'my.toml: site.pooling: "statement" is none of session, transaction'),
        (('"edge", "app"', '"edge"'), "my.toml: nodes: no node has the role app"),
        (('"edge", "app"', '"edge", "ap"'), 'my.toml: nodes.one.roles: "ap" is no role; did you mean app?'),
        (('"edge", "app"', '"edge", 4'), 'my.toml: nodes.one.roles: this is a list of texts, such as ["app", "cron"]'),
        (('address = "10.0.0.1"', ""), "my.toml: nodes.one: address is missing"),
        (('address = "10.0.0.1"', 'address = "a b"'), 'my.toml: nodes.one.address: "a b" is no address'),
        (('address = "10.0.0.1"', 'address = "a"\nmemory = "much"'), 'my.toml: nodes.one.memory: "much" is not a size'),
        (('[site]\nname = "shop"', "site = 3"), "my.toml: site: this is a table, [site]"),
        (('name = "shop"', "http_port = 0"), "my.toml: site.http_port: this is from 1 to 65535, not 0"),
        (('name = "shop"', 'app = "shop:app\\nuser = root"'), "my.toml: site.app: a value is one line"),
        (('address = "10.0.0.1"', 'address = "a"\ncpus = 0'), "my.toml: nodes.one.cpus: this is from 1 to 4096, not 0"),
        (
            ('address = "10.0.0.1"', 'address = "a"\nconf = "../../shadow"'),
            'my.toml: nodes.one.conf: "../../shadow" is no name of a file',
        ),
        (
            ('address = "10.0.0.1"', 'address = "a"\noptions = { workers = "many" }'),
            'my.toml: nodes.one.options.workers: "many" is not a whole number',
        ),
        (
            ('address = "10.0.0.1"', 'address = "a"\noptions = { workers = 9999 }'),
            "my.toml: nodes.one.options.workers: 9999 is above the highest value, 512",
        ),
        (
            ('address = "10.0.0.1"', 'address = "a"\noptions = { db_name = "a\\nuser = root" }'),
            "my.toml: nodes.one.options.db_name: a value is one line",
        ),
        (
            ('address = "10.0.0.1"', 'address = "a"\noptions = { "user = root\\nx" = 1 }'),
            r"my.toml: nodes.one.options: 'user = root\nx' is no name of an option",
        ),
        (
            ('address = "10.0.0.1"', 'address = "a"\noptions = { static = ["/a"] }'),
            "my.toml: nodes.one.options: options are a table of texts and numbers",
        ),
        (("[nodes.one]", "[shared]\nedge = 5\n[nodes.one]"), 'my.toml: shared.edge: "5" is no address'),
        (("[site]", "shared = 3\n[site]"), "my.toml: shared: this is a table, [shared]"),
        (("[nodes.one]", "[nodes.One]"), "my.toml: nodes.One: a name has small letters, digits and hyphens"),
        (("[nodes.one]", "[node.one]"), "my.toml: node: unknown key; did you mean nodes?"),
        (("[nodes.one]", '[shared]\npooler = "10.0.0.9"\n[nodes.one]'), "my.toml: shared.pooler: only edge and pooler can share"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(change: tuple[str, str], sentence: str) -> None:
    assert any(found.startswith(sentence) for found in problems(SMALL.replace(*change))), problems(SMALL.replace(*change))


def test_an_option_that_is_not_set_counts_as_its_default(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(SMALL + 'cpus = 3\noptions = { workers = "None", max_cron_threads = "" }\n')
    assert run(str(mine), "--out", str(tmp_path / "out")).exit_code == 0


def test_every_problem_is_said_at_once() -> None:
    text = SMALL.replace('"10.0.0.1"', '"a b"').replace('"shop"', '"Shop!"').replace('"app"', '"cron"')
    assert len(problems(text)) == 3


def test_two_databases_need_somebody_who_knows_the_primary() -> None:
    text = SMALL + '[nodes.a]\naddress = "a"\nroles = ["database"]\n[nodes.b]\naddress = "b"\nroles = ["database"]\n'
    assert [sentence.partition("; ")[0] for sentence in problems(text)] == [
        "my.toml: nodes: several databases need etcd to agree on the primary",
        "my.toml: nodes: several databases need nodes with the role pooler, which lead to the primary",
    ]


# The command.


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["render", *arguments], terminal_width=80)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_command_writes_what_it_names(name: str, tmp_path: Path) -> None:
    result = run(name, "--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    assert sorted(result.output.splitlines()) == sorted(str(each) for each in (tmp_path / "out").rglob("*") if each.is_file())


def test_a_topology_that_was_shown_and_changed_is_used(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(run("single", "--show").output.replace("www.example.com", "shop.example.org"))
    assert run(str(tmp_path / "mine.toml"), "--out", str(tmp_path / "out"), "--proxy", "apache").exit_code == 0
    assert "ServerName shop.example.org" in (tmp_path / "out/server/etc/apache2/sites-available/site.conf").read_text()


def test_a_directory_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    result = run("single", "--out", str(tmp_path))
    assert (result.exit_code, [each.name for each in tmp_path.iterdir()]) == (1, ["mine"])
    assert f"{tmp_path} is not empty" in result.output


def test_nothing_is_left_where_there_is_no_room_for_all_of_it(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        result = run("enterprise", "--out", str(tmp_path / "out"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.exit_code == 1
    assert result.output == f"Error: {tmp_path / 'out'} cannot be written: file too large\n"
    assert not os.listdir(tmp_path)


def test_a_directory_of_the_operators_is_left_as_it_was(tmp_path: Path) -> None:
    out, below = tmp_path / "out", tmp_path / "new" / "below"
    out.mkdir(0o700)
    trees = {"one": {"etc/a": "text", "b": "text"}, "two": {"b": "text", "b/c": "text"}}  # of which no tree can be made
    for place in (out, below):
        with pytest.raises(ClickException, match="cannot be written"):
            around.write(trees, place)
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
    assert (out.stat().st_mode & 0o777, list(out.iterdir())) == (0o700, [])


def test_what_somebody_else_puts_there_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = around.make

    def make(place: Path, text: str, done: list[Path]) -> None:
        made(place, text, done)
        (tmp_path / "out" / "theirs").touch()

    monkeypatch.setattr(around, "make", make)
    with pytest.raises(ClickException):
        around.write({"one": {"a": "text", "a/b": "text"}}, tmp_path / "out")
    assert [str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*")] == ["out", "out/theirs"]


def test_a_device_without_an_end_is_not_read_for_ever(tmp_path: Path) -> None:
    result = run("/dev/zero", "--out", str(tmp_path / "out"))
    assert (result.exit_code, "cannot be read: it is longer than 4194304 bytes" in result.output) == (1, True)


def test_a_topology_from_a_pipe_steers_no_terminal(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(pipe.write_text, '[site]\n"a\\u001b[2J" = 1\n')
        result = run(str(pipe), "--out", str(tmp_path / "out"))
    assert (result.exit_code, "\x1b" in result.output, r"\x1b[2J" in result.output) == (1, False, True)


def test_a_topology_that_is_none_is_said_in_sentences(tmp_path: Path) -> None:
    result = run("triple", "--out", str(tmp_path / "out"))
    assert (result.exit_code, "single, two-node, enterprise" in result.output) == (1, True)
    (tmp_path / "mine.toml").write_text("[site]\nnam = 3\n")
    result = run(str(tmp_path / "mine.toml"), "--out", str(tmp_path / "out"))
    assert (result.exit_code, result.output.count("error: ")) == (1, 2)
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("single", "--out", str(tmp_path / "file" / "below"))
    assert (result.exit_code, "Traceback" in result.output) == (1, False)


def test_where_to_write_must_be_said() -> None:
    assert run("single").exit_code == 2
