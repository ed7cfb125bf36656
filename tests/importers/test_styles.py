"""Configurations of other servers become files that are accepted and mean the same, and nothing of them is lost silently."""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from prefork.cli import main
from prefork.config import Settings, load
from prefork.config.reader import read_text
from prefork.importers import Draft, Unreadable, Verdict, gunicorn, kind_of, read, sandbox, text
from prefork.testing import Server, free_port

from .expected import STYLES, Style

TEXTS = Path(__file__).parent / "styles"
APPLICATION = """
from wsgiref.validate import validator

@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"shop"]


application = app


def make():
    return app
"""
LOOPED = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"shop"})
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """What the files talk of."""
    for name in ("static", "run", "log", "venv/bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(sys.executable)
    (tmp_path / "shop.py").write_text(APPLICATION)
    (tmp_path / "conf.py").write_text("workers = 7\nbacklog = 99\n")
    return tmp_path


def put(value: Any, place: Path) -> Any:
    """A text, or what is made of texts, with the directory in it."""
    if isinstance(value, str):
        return value.replace("{place}", str(place))
    if isinstance(value, dict):
        return {key: put(each, place) for key, each in value.items()}
    return tuple(put(each, place) for each in value) if isinstance(value, tuple) else value


def bare(value: Any) -> Any:
    """Settings as plain values."""
    if isinstance(value, Path):
        return str(value)
    return tuple(bare(each) for each in value) if isinstance(value, tuple) else value


def test_there_are_ten_of_each() -> None:
    files = [Path(style.file).name for style in STYLES]
    assert (files.count("gunicorn.conf.py"), files.count("uwsgi.ini"), files.count("unit.json"), len(files)) == (10, 10, 10, 40)
    kept = {str(file.relative_to(TEXTS)) for file in TEXTS.glob("*/*")}
    assert {style.file for style in STYLES} == kept, "what lies there is tested"


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.file)
def test_a_style_becomes_a_file_that_is_accepted_and_means_the_same(style: Style, place: Path) -> None:
    draft, settings = imported(style, place)
    assert {name: bare(getattr(settings, name)) for name in style.settings} == put(style.settings, place)
    fates = {verdict: {each.setting.name for each in draft.findings if each.verdict is verdict} for verdict in Verdict}
    assert set(style.changed) <= fates[Verdict.CHANGED]
    assert set(style.left) <= fates[Verdict.LEFT]
    assert all(each.sentence for each in draft.findings if each.verdict is not Verdict.CARRIED), "who loses something is told why"


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.file)
def test_what_was_imported_serves_with_the_same_workers_at_the_same_places(style: Style, place: Path) -> None:
    draft, settings = imported(style, place)
    (place / "shop.py").write_text(LOOPED if settings.interface == "asgi" else APPLICATION)
    (place / "static/shop.css").write_text("shop")
    port = free_port()  # theirs may be somebody else's here
    elsewhere = {"http_port": port, "logfile": None}  # the kit reads what is printed
    with Server(**{"app_dir": place, **draft.defaults, **draft.options, **elsewhere}) as server:
        assert server.status()["wanted"] == (settings.workers_min if settings.workers == "auto" else settings.workers)
        for interface in settings.http_interface:
            assert asked(interface, port, "/") == (200, b"shop")
        for path, _directory in settings.static:
            assert asked(settings.http_interface[0], port, f"{path}/shop.css") == (200, b"shop")


def imported(style: Style, place: Path) -> tuple[Draft, Settings]:
    """What becomes of a style's file, and what that means once it has been written."""
    file, out = place / Path(style.file).name, place / "prefork.conf"
    file.write_text(put((TEXTS / style.file).read_text(), place))
    draft = read(file, kind_of(file), {})
    out.write_text(text(draft, file))
    return draft, load(out, {}, {"PREFORK_DATA_DIR": str(place / "data")}, place)


def asked(interface: str, port: int, target: str) -> tuple[int, bytes]:
    """Status and body of what is answered at a place where the server listens."""
    connection = http.client.HTTPConnection("::1" if interface == "::1" else "127.0.0.1", port, timeout=10)
    if interface.startswith("unix:"):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(10)
        connection.sock.connect(interface.removeprefix("unix:"))
    try:
        connection.request("GET", target, headers={"Host": "shop"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


# The command.


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["import", *map(str, words)])


def test_it_writes_a_new_file_and_shows_what_became_of_each_line(place: Path) -> None:
    (place / "gunicorn.conf.py").write_text("workers = 2\nthreads = 4\n")
    out = place / "prefork.conf"
    done = run(place / "gunicorn.conf.py", "--out", out, "--app", "shop:app")
    assert done.exit_code == 0, done.output
    assert "workers = 2" in done.output
    assert "left out: a worker serves one request at a time" in " ".join(done.output.split())
    assert "2 carried over, 0 changed, 1 left out." in done.output
    assert (out.stat().st_mode & 0o777, load(out, {}, {}, place).app) == (0o640, "shop:app")


def test_a_file_that_is_there_is_left_alone(place: Path) -> None:
    (place / "gunicorn.conf.py").write_text("workers = 2\n")
    (place / "prefork.conf").write_text("mine")
    done = run(place / "gunicorn.conf.py", "--out", place / "prefork.conf")
    assert (done.exit_code, (place / "prefork.conf").read_text()) == (1, "mine")
    assert "is there already; name a new file" in done.output


def test_no_half_of_a_file_is_left_where_there_is_no_room(place: Path) -> None:
    (place / "gunicorn.conf.py").write_text("workers = 2\n")
    out = place / "prefork.conf"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        done = run(place / "gunicorn.conf.py", "--out", out, "--app", "shop:app")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (done.exit_code, done.output, out.exists()) == (1, f"Error: {out} cannot be written: file too large\n", False)


@pytest.mark.parametrize("kind", ["uwsgi", "unit", "procfile", "supervisor", "gunicorn", None])
def test_a_device_without_an_end_is_not_read_for_ever(kind: str | None) -> None:
    done = run("/dev/zero", *(["--from", kind] if kind else []))
    assert (done.exit_code, done.output) == (1, "Error: /dev/zero: it cannot be read: it is longer than 4194304 bytes\n")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("--from uwsgi", r"[uwsgi]\nprocesses = 3\n"),
        ("", r"[uwsgi]\nprocesses = 3\n"),
        ("", r"[program:shop]\ncommand = gunicorn -w 3 shop:app\n"),
        ("--from gunicorn", r"workers = sum([1, 2])\n"),
        ("--from odoo", r"[options]\nworkers = 3\n"),
    ],
)
def test_what_a_shell_gives_by_a_pipe_is_read(words: str, given: str, place: Path) -> None:
    """Once: whoever looks whose file it is, or runs it, would find nothing any more."""
    done = piped(words, given, place)
    assert done.returncode == 0, done.stderr
    assert "\nworkers = 3\n" in done.stdout


@pytest.mark.parametrize(
    ("words", "given", "line"),
    [
        ("--from procfile", r"web: gunicorn -c conf.py shop:app\n", "workers = 3"),
        ("--from procfile", r"web: uwsgi --ini shop.ini\n", "workers = 5"),
        ("", r"[program:shop]\ncommand = gunicorn shop:app\ndirectory = %%(here)s/code\n", "app_dir = {}/code"),
        ("", r"[uwsgi]\nmodule = shop:app\nchdir = %%dcode\n", "app_dir = {}/code"),
        ("--from gunicorn", r"import os\nchdir = os.path.dirname(os.path.abspath(__file__))\n", "app_dir = {}"),
        ("--from gunicorn", r"import os\nchdir = os.getcwd()\n", "app_dir = {}"),
    ],
    ids=["gunicorn's file", "uWSGI's file", "here", "%d", "__file__", "the current directory"],
)
def test_what_comes_out_of_a_pipe_counts_as_a_file_of_the_current_directory(words: str, given: str, line: str, place: Path) -> None:
    (place / "conf.py").write_text("workers = 3\n")
    (place / "shop.ini").write_text("[uwsgi]\nprocesses = 5\n")
    done = piped(words, given, place)
    assert done.returncode == 0, done.stderr
    assert line.format(place) in done.stdout.splitlines(), done.stdout


def test_a_pipe_has_the_name_that_the_shell_gave_it(place: Path) -> None:
    assert piped("", "x = 1", place).stderr.startswith("Error: /dev/fd/63: whose file this is cannot be told")


def piped(words: str, given: str, place: Path) -> subprocess.CompletedProcess[str]:
    """The command with words, and a file that a shell makes of what is printed."""
    script = f'prefork=$1; "$prefork" import {words} <(printf "{given}")'
    prefork = Path(sys.executable).parent / "prefork"
    return subprocess.run(["bash", "-c", script, "bash", prefork], capture_output=True, text=True, check=False, cwd=place)


def test_what_a_file_says_steers_no_terminal(place: Path) -> None:
    (place / "uwsgi.ini").write_text("[uwsgi]\nprocesses = 2\x1b[2J\nmaster = 1\x00\nstats\x1b = 1\n")
    done = run(place / "uwsgi.ini", "--out", place / "new.conf")
    assert {"\x1b", "\0"}.isdisjoint(done.output)
    assert r"2\x1b[2J" in done.output


def test_the_text_alone_is_for_a_pipe(place: Path) -> None:
    (place / "Procfile").write_text("web: gunicorn shop:app\n")
    done = run(place / "Procfile")
    assert done.exit_code == 0
    assert read_text(done.stdout, "stdout").entries[0].key == "app"
    assert "carried over" in done.stderr


def test_programs_get_json(place: Path) -> None:
    (place / "uwsgi.ini").write_text("[uwsgi]\nmodule = shop:app\ncheaper = 2\n")
    told = json.loads(run(place / "uwsgi.ini", "--json").stdout)
    assert (told["from"], told["options"]["app"]) == ("uwsgi", "shop:app")
    assert [each["verdict"] for each in told["findings"] if each["setting"] == "cheaper"] == ["changed"]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("gunicorn.conf.py", "workers = (", "gunicorn.conf.py:1: it is not Python"),
        ("unit.json", '{"listeners": ', "unit.json:1: it is not JSON"),
        ("unit.json", "{}", 'it has no "applications"'),
        ("unit.json", '{"applications": {"a": {"type": "php"}}}', "none of its applications is in Python"),
        ("uwsgi.ini", "[uwsgi]\n", "it has no options below [uwsgi]"),
        ("uwsgi.ini", "[uwsgi\nmodule = shop:app\n", "uwsgi.ini:1: the name of a section does not end"),
        ("Procfile", "web: node server.js\n", "no line of it starts gunicorn"),
        ("Procfile", 'web: gunicorn "shop:app\n', "line 1: no shell understands this command: no closing quotation"),
        ("shop.conf", "command = x\n[program:shop]\n", "shop.conf:1: this stands below no section"),
        ("shop.conf", "[program:shop]\ncommand = x\nwhat is this\n", "shop.conf:3: this is neither NAME=VALUE"),
        ("some.conf", "what is this", "whose file this is cannot be told; say so with --from"),
        ("none.ini", None, "it cannot be read: No such file or directory"),
        ("gunicorn.conf.py", b"\xff", "it cannot be read: it is not UTF-8 text"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(file: str, content: str | bytes | None, said: str, place: Path) -> None:
    if content is not None:
        (place / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run(place / file, "--out", place / "prefork.conf")
    assert (done.exit_code, (place / "prefork.conf").exists()) == (1, False)
    assert said in done.output
    assert isinstance(done.exception, SystemExit), "a sentence, no traceback"


@pytest.mark.parametrize(("text", "said"), [('"many"', "is not a whole number"), ("[1, 2]", "is not a whole number")])
def test_a_value_that_makes_no_sense_is_left_out_and_said(text: str, said: str, place: Path) -> None:
    (place / "gunicorn.conf.py").write_text(f"workers = {text}\n")
    draft = read(place / "gunicorn.conf.py", "gunicorn", {})
    assert [(each.verdict, said in each.sentence) for each in draft.findings] == [(Verdict.LEFT, True)]
    assert draft.defaults["workers"] == "1"


@pytest.mark.parametrize(
    ("file", "content", "options"),
    [
        ("uwsgi.ini", "[uwsgi]\ncheaper = 3\nworkers = 9\n", {"workers": "auto", "workers_min": "3", "workers_max": "9"}),
        ("uwsgi.ini", "[uwsgi]\ncheaper = 0\nworkers = 9\n", {"workers": "9"}),
        (
            "unit.json",
            '{"applications": {"a": {"type": "python", "processes": {"max": 4, "spare": 0}, "protocol": "asgi"}}}',
            {"workers": "auto", "workers_min": "1", "workers_max": "4", "interface": "asgi"},
        ),
        ("gunicorn.conf.py", 'worker_class = "asgi"\n', {"interface": "asgi"}),
        ("Procfile", "web: uvicorn --interface asgi3 shop:app\n", {"app": "shop:app", "interface": "asgi"}),
        ("Procfile", "web: uvicorn --interface wsgi shop:app\n", {"app": "shop:app", "interface": "wsgi"}),
    ],
)
def test_a_number_that_follows_the_load_and_an_interface_that_is_said(
    file: str, content: str, options: dict[str, str], place: Path
) -> None:
    (place / file).write_text(content)
    assert read(place / file, kind_of(place / file), {}).options == options


@pytest.mark.parametrize(("signal", "verdict"), [("TERM", Verdict.CARRIED), ("SIGINT", Verdict.CARRIED), ("QUIT", Verdict.LEFT)])
def test_a_signal_that_does_not_stop_the_server_is_not_carried_over(signal: str, verdict: Verdict, place: Path) -> None:
    file = place / "shop.conf"
    file.write_text(f"[program:shop]\ncommand = gunicorn shop:app\nstopsignal = {signal}\n")
    found = {each.setting.name: each.verdict for each in read(file, "supervisor", {}).findings}
    assert found["stopsignal"] is verdict


@pytest.mark.parametrize(
    ("line", "beside"),
    [
        ("DEBUG=0 exec gunicorn shop:app -w 3", {"DEBUG": "0"}),
        ("python manage.py migrate && gunicorn shop:app -w 3", {"web": "python manage.py migrate"}),
        ("sh -c 'python manage.py migrate; exec gunicorn shop:app -w 3'", {"web": "python manage.py migrate"}),
    ],
)
def test_what_a_line_does_beside_its_server_is_said(line: str, beside: dict[str, str], place: Path) -> None:
    (place / "Procfile").write_text(f"web: {line}\n")
    draft = read(place / "Procfile", "procfile", {})
    assert (draft.options["app"], draft.options["workers"]) == ("shop:app", "3")
    assert {each.setting.name: each.setting.text for each in draft.findings if each.verdict is Verdict.LEFT} == beside


def test_supervisors_placeholders_are_filled_in_and_its_words_for_a_log_are_no_files(place: Path) -> None:
    file = place / "shop.conf"
    log = "stdout_logfile = /var/log/%(program_name)s.log\nstderr_logfile = AUTO\n"
    file.write_text(f"[program:shop]\ncommand = gunicorn shop:app -b :%(ENV_PORT)s\ndirectory = %(here)s/%(what)s\n{log}")
    with file.open("a") as more:
        more.write('environment = KEY="%(ENV_KEY)s"\n')
    draft = read(file, "supervisor", {"PORT": "8123", "KEY": "secret"})
    assert "secret" not in text(draft, file)
    assert (draft.options["http_port"], draft.options["logfile"]) == ("8123", "/var/log/shop.log")
    assert draft.options["app_dir"] == f"{place}/%(what)s", "nobody knows that one"


# A program is run only where its text does not tell, and then apart.


def settings_of(place: Path, program: str) -> list[tuple[str, object, bool]]:
    (place / "gunicorn.conf.py").write_text(program)
    return [(each.name, each.value, each.ran) for each in gunicorn.read_file(place / "gunicorn.conf.py", os.environ, place)]


def test_what_the_text_tells_is_not_run(place: Path) -> None:
    program = f"open({str(place / 'trace')!r}, 'w')\nworkers = 1 + 2\n"
    assert settings_of(place, program) == [("workers", 3, False)]
    assert not (place / "trace").exists()


def test_what_only_running_tells_is_found_apart(place: Path) -> None:
    program = "import socket\nworkers = sum([1, 2])\nprint('noise')\n"
    assert settings_of(place, program) == [("workers", 3, True)]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("import os; os.write(os.open('trace', os.O_CREAT | os.O_WRONLY), b'x')", "File too large"),
        ("while True: pass", "it ended with -"),
        ("'x' * (1 << 30)", "MemoryError"),
        ("raise SystemExit('no')", "no"),
        ("import nowhere", "No module named 'nowhere'"),
    ],
)
def test_a_program_that_misbehaves_is_a_sentence(harm: str, said: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SECONDS", 50)  # where others compute, the five of the processor take longer
    with pytest.raises(Unreadable, match=re.escape(said)):
        settings_of(place, f"workers = sum([1, 2])\n{harm}\n")
