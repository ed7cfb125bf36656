from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner, Result

import prefork.cli
import prefork.cli.asking
import prefork.config
from prefork import __version__, cgroups
from prefork.cli import sizing
from prefork.config import OPTIONS, ConfigurationError, Settings
from prefork.control.client import Absent, Unreachable
from prefork.testing import free_port

STATUS: dict[str, Any] = {
    "ok": True,
    "version": __version__,
    "pid": 4242,
    "state": "running",
    "uptime": 8000.5,
    "generation": 3,
    "app": "shop:app",
    "plan": None,
    "addresses": ["http://127.0.0.1:8069"],
    "threads": None,
    "concurrency": 0,
    "wanted": 2,
    "ready": 2,
    "cron": {"wanted": 0, "ready": 0},
    "websocket": {"wanted": 0, "ready": 0, "connections": 0},
    "queue": {"length": 3, "size": 1024, "oldest": 0.25},
    "dispatcher": {
        "pid": 4243,
        "cpu": None,
        "connections": 17,
        "requests": 1234567,
        "lent": 0,
        "retried": 2,
        "failed": 0,
        "refused": 1,
        "abandoned": 4,
        "classes": {"2xx": 1234560, "3xx": 0, "4xx": 7, "5xx": 0},
    },
    "lending": {"on": False, "obstacles": []},
    "occupied": {"workers": 1, "seconds": 7000.25, "at": 9000.5},
    "histograms": {"wait": [], "service": []},
    "wait": {"p50": 0.00012, "p95": 0.0123, "p99": 1.5},
    "service": {"p50": 0.0995, "p95": 0.25, "p99": 75.0},
    "lanes": [
        {
            "name": "default",
            "patterns": ["*"],
            "reserved": 0,
            "limit": None,
            "waiting": 3,
            "working": 1,
            "oldest": 0.25,
            "arrived": 1234570,
            "shed": 0,
            "served": 1234567,
            "wait": {"p50": 0.00012, "p95": 0.0123, "p99": 1.5},
            "service": {"p50": 0.0995, "p95": 0.25, "p99": 75.0},
        },
    ],
    "workers": [
        {
            "name": "http.1",
            "pool": "http",
            "pid": 4250,
            "generation": 3,
            "state": "busy",
            "requests": 12345,
            "age": 7200.0,
            "busy_for": 1.26,
            "job": None,
            "memory": 75 << 20,
            "in_flight": None,
            "lag": None,
        },
        {
            "name": "http.2",
            "pool": "http",
            "pid": 4251,
            "generation": 3,
            "state": "idle",
            "requests": 9,
            "age": 59.0,
            "busy_for": None,
            "job": None,
            "memory": None,
            "in_flight": None,
            "lag": None,
        },
    ],
    "incidents": 0,
    "autoscale": None,
    "fuse": {"path": "/sys/fs/cgroup/system.slice/mysite.service", "version": 2, "reason": None},
    "crash_loop": None,
}


def no_group(choice: str) -> NoReturn:
    raise cgroups.Unavailable("no group")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and no PREFORK_ variables of somebody else's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(cgroups, "find", no_group)
    monkeypatch.setattr(prefork.config, "read_machine", lambda: prefork.config.Machine(8, 1 << 40))
    return tmp_path


def run(*arguments: str, environ: dict[str, str] | None = None) -> Result:
    result = CliRunner().invoke(prefork.cli.main, arguments, env=environ, prog_name="prefork", terminal_width=80)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize("home", prefork.cli.VERBS)
def test_verbs_are_where_the_command_line_looks_for_them(home: str) -> None:
    module = import_module(f"prefork.cli.{home}")
    assert tuple(verb.name for verb in module.VERBS) == prefork.cli.VERBS[home]


def test_a_verb_brings_only_its_own_module(tmp_path: Path) -> None:
    said = "import sys; from prefork.cli import main; main(['check', '--help'], standalone_mode=False); print(*sys.modules)"
    asked = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True, cwd=tmp_path)
    imported = {name.removeprefix("prefork.cli.") for name in asked.stdout.split() if name.startswith("prefork.cli.")}
    assert imported & set(prefork.cli.VERBS) == {"application"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, dict[str, object]]]:
    """What a server was asked; its answer is good enough for every command."""
    questions: list[tuple[Path, dict[str, object]]] = []

    def ask(path: Path, request: dict[str, object], timeout: float) -> dict[str, Any]:
        questions.append((path, request))
        return STATUS | {"seconds": 1.25, "restart_needed": ["http_port", "pidfile"]}

    monkeypatch.setattr(prefork.cli.asking, "ask", ask)
    return questions


def answering(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> None:
    monkeypatch.setattr(prefork.cli.asking, "ask", lambda *_: answer)


def test_version() -> None:
    assert run("--version").output == f"prefork {__version__}\n"


def test_help_shows_every_option_within_80_columns() -> None:
    output = run("serve", "--help").output
    assert all(f"{each.name.replace('_', '-')}" in output for each in OPTIONS.values() if not each.secret)
    assert "db-password" not in output, "everybody can read command lines"
    assert [line for line in output.splitlines() if len(line) > 80] == []
    assert (
        "\nLimits:\n  --limit-request NUMBER\n      A worker is replaced after this many requests; 0 means never [65536]\n"
        in output
    )
    assert "  --server-wide-modules, --load NAMES\n" in output
    assert "  --[no-]proxy-mode\n" in output
    assert "[APP]\n  -c" not in output


def test_help_of_the_group_cuts_no_sentence() -> None:
    assert "..." not in run("--help").output.split("Commands:")[1]


def test_check_says_that_all_is_well() -> None:
    result = run("check", "shop:app")
    fuse = "Started from here, workers would get no fuse of the kernel's: no group.\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{fuse}The configuration can be used (0 warnings).\n", "")


def test_check_says_where_the_fuse_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cgroups,
        "find",
        lambda choice: cgroups.Ground(Path(choice), 1, crowded=False),
    )
    said = run("check", "shop:app", "--cgroup", "/sys/fs/cgroup/memory/mysite").stdout
    assert "workers would get a fuse: control groups below /sys/fs/cgroup/memory/mysite (version 1).\n" in said


def test_check_shows_errors_apart_from_warnings(place: Path) -> None:
    (place / "x.conf").write_text("workers = 1\nworkes = 2\nhttp_port = x\n")
    result = run("check", "shop:app", "-c", "x.conf", "--backlog", "none-at-all")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "warning: x.conf:1: workers: with one worker a single slow request holds up all others; use 2 or more in production",
        "error: x.conf:2: workes: there is no such option; did you mean workers?",
        'error: x.conf:3: http_port: "x" is not a whole number',
        'error: --backlog: "none-at-all" is not a whole number',
    ]


def test_check_warns_without_failing(place: Path) -> None:
    (place / "prefork.conf").write_text("limit_memory_soft = 1G")
    result = run("check")
    assert result.exit_code == 0
    assert "The configuration can be used (2 warnings).\n" in result.stdout
    assert "warning: prefork.conf:1: limit_memory_soft: 1 GiB is 40% of limit_memory_hard, 2.5 GiB; 60 to 90 %" in result.stderr


def test_explain_shows_value_source_and_meaning_but_no_secret(place: Path) -> None:
    (place / "x.conf").write_text(
        "limit_memory_soft = 640M\nlimit_memory_hard = 768M\ndb_password = hunter2\ndb_host = db1\n[queue_job]\na = b"
    )
    output = run("check", "-c", "x.conf", "--explain", "--no-proxy-mode", environ={"PREFORK_UMASK": "077"}).stdout
    assert (
        "  limit_memory_soft         640 MiB                     x.conf:1\n    A worker above this is replaced after its" in output
    )
    assert "  proxy_mode                False                       --no-proxy-mode\n" in output
    assert "  umask                     077                         PREFORK_UMASK\n" in output
    assert "  db_host                   db1                         x.conf:4\n" in output
    assert "  db_password               (not shown)                 x.conf:3\n" in output
    assert "Sections kept for the application: [queue_job]" in output
    assert "hunter2" not in output
    assert all(f"\n  {name} " in output for name in OPTIONS)


@pytest.fixture
def master(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, Any]]:
    """Stands in for the master: it notes its arguments and stops at once with status 3."""
    calls: list[tuple[Settings, Any]] = []
    module = ModuleType("prefork.master.serve")

    def serve(settings: Settings, reread: Any) -> int:
        calls.append((settings, reread))
        return 3

    module.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "prefork.master.serve", module)
    return calls


def test_serve_hands_settings_to_the_master_and_exits_as_it_says(master: list[tuple[Settings, Any]]) -> None:
    result = run("serve", "shop:app", "--workers", "3", "--proxy-mode", "--no-http-enable", "--http", "--load", "base,web")
    assert result.exit_code == 3
    settings = master[0][0]
    assert (settings.app, settings.workers, settings.proxy_mode, settings.http_enable) == ("shop:app", 3, True, True)
    assert settings.server_wide_modules == ("base", "web")


def test_serve_reads_again_what_it_read_first(master: list[tuple[Settings, Any]], place: Path) -> None:
    (place / "x.conf").write_text("workers = 3")
    run("serve", "shop:app", "-c", "x.conf", "--backlog", "7")
    settings, reread = master[0]
    assert reread() == settings
    (place / "x.conf").write_text("workers = 4")
    assert (reread().workers, reread().backlog) == (4, 7)
    (place / "x.conf").write_text("workers = four")
    with pytest.raises(ConfigurationError, match="is not a whole number"):
        reread()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 1, "error: app: nothing to serve; name an application, as in `prefork serve module:attribute`"),
        (["a:b", "--no-http"], 1, "error: --no-http-enable: False leaves nothing to run"),
        (["a:b", "--workers", "x"], 1, 'error: --workers: "x" is not a whole number'),
        (["a:b", "--workers", "x", "--stop-after-init"], 1, 'error: --workers: "x" is not a whole number'),
        (["--stop-after-init"], 1, "error: app: nothing to serve; name an application"),
        (["a:b", "--app", "c:d"], 2, "the application is named twice, as a:b and as --app c:d; name it once"),
        (["a:b", "--umask-x", "022"], 2, "Did you mean '--umask'?"),
    ],
)
def test_serve_that_does_not_start(master: list[tuple[Settings, Any]], arguments: list[str], code: int, sentence: str) -> None:
    result = run("serve", *arguments)
    assert (result.exit_code, master) == (code, [])
    assert sentence in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("word", "said"), [("stauts", "there is no command stauts; did you mean status?"), ("xyz", "there is no command xyz")]
)
def test_a_command_that_there_is_not(word: str, said: str) -> None:
    result = run(word)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_status_is_one_readable_screen(asked: list[tuple[Path, dict[str, object]]]) -> None:
    output = run("status", "--data-dir", "d").stdout
    assert [line.rstrip() for line in output.splitlines()] == [
        "● shop:app running for 2 h 13 min · generation 3",
        f"  Prefork {__version__}, pid 4242",
        "  http://127.0.0.1:8069",
        "",
        "Workers    2 of 2 ready, 1 busy",
        "Queue      3 of 1,024 places taken, the oldest for 0.2 s",
        "Waited     p50 0.1 ms    p95 12.3 ms   p99 1.5 s",
        "Served in  p50 100 ms    p95 250 ms    p99 1 min 15 s",
        "Requests   1,234,567 served · 2 retried · 0 failed · 1 refused · 4 abandoned",
        "Clients    17 connected",
        "Fuse       below /sys/fs/cgroup/system.slice/mysite.service (version 2)",
        "",
        "WORKER  STATE   PID  GEN  REQUESTS  MEMORY   AGE  BUSY FOR",
        "http.1  busy   4250    3    12,345  75 MiB   2 h     1.3 s",
        "http.2  idle   4251    3         9          59 s",
    ]
    assert asked == [(Path.cwd() / "d" / "prefork.sock", {"command": "status"})]


def test_status_of_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"p50": None, "p95": None, "p99": None}
    reports = {"name": "reports", "reserved": 0, "limit": 3, "working": 3, "oldest": 75.0}
    reports |= {"wait": nothing, "service": nothing, "served": 0}
    lane = STATUS["lanes"][0]
    kept = {"name": "a-name-of-12", "reserved": 1, "waiting": 0}
    answering(monkeypatch, STATUS | {"lanes": [lane | reports, lane | kept, lane | {"waiting": 0}]})
    lines = run("status").stdout.splitlines()
    assert "Queue      3 waiting, 1,024 places for each lane, the oldest for 0.2 s" in [line.rstrip() for line in lines]
    start = next(number for number, line in enumerate(lines) if line.startswith("LANE"))
    assert [line.rstrip() for line in lines[start : start + 5]] == [
        "LANE          WORKERS  BUSY  WAITING      OLDEST     SERVED  WAIT P95  TIME P95",
        "reports           0–3     3        3  1 min 15 s          0         –         –",
        "a-name-of-12       1+     1        0              1,234,567   12.3 ms    250 ms",
        "default            0+     1        0              1,234,567   12.3 ms    250 ms",
        "",
    ]


def test_status_of_websockets(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, STATUS | {"websocket": {"wanted": 2, "ready": 1, "connections": 1234}})
    assert "WebSockets  1 of 2 ready, 1234 connections" in [line.rstrip() for line in run("status").stdout.splitlines()]


def test_status_of_workers_for_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work = {"name": "cron.1", "pool": "cron", "state": "busy", "busy_for": 75.0, "job": "mail.send"}
    waiting = {"name": "cron.2", "pool": "cron", "state": "offline", "busy_for": None}
    worker = STATUS["workers"][0]
    answering(monkeypatch, STATUS | {"cron": {"wanted": 3, "ready": 2}, "workers": [worker, worker | at_work, worker | waiting]})
    lines = [line.rstrip() for line in run("status").stdout.splitlines()]
    assert lines[4:6] == ["Workers    2 of 2 ready, 1 busy", "For jobs   2 of 3 ready"]
    assert lines[-4:] == [
        "WORKER  STATE     PID  GEN  REQUESTS  MEMORY  AGE    BUSY FOR  JOB",
        "http.1  busy     4250    3    12,345  75 MiB  2 h       1.3 s",
        "cron.1  busy     4250    3    12,345  75 MiB  2 h  1 min 15 s  mail.send",
        "cron.2  offline  4250    3    12,345  75 MiB  2 h",
    ]


def test_a_worker_that_is_being_forked_has_no_pid(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = STATUS["workers"][0]
    coming = worker | {"name": "http.2", "pid": None, "state": "forking", "requests": 0, "memory": None, "busy_for": None}
    answering(monkeypatch, STATUS | {"workers": [worker, coming]})
    assert [line.rstrip() for line in run("status").stdout.splitlines()][-2:] == [
        "http.1  busy     4250    3    12,345  75 MiB  2 h     1.3 s",
        "http.2  forking          3         0          2 h",
    ]
    assert "http.2 is only just being started" in run("retire", "http.2").output
    assert "there is no worker None" in run("retire", "None").output


def test_status_of_many_workers_is_still_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, idle = STATUS["workers"]
    idles = [idle | {"name": f"http.{number}", "memory": number << 20} for number in range(2, 64)]
    answering(monkeypatch, STATUS | {"workers": [busy, *idles]})
    lines = [line.rstrip() for line in run("status").stdout.splitlines()]
    assert lines[-2].startswith("http.1  busy")
    assert lines[-1] == "and 62 idle, the largest has 63 MiB"


def test_status_as_json(asked: list[tuple[Path, dict[str, object]]]) -> None:
    assert json.loads(run("status", "--json").stdout).items() >= STATUS.items()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, "Scaling    from 2 to 9"),
        ({"held": True}, "Scaling    held by hand; `prefork scale auto` lets it go"),
        ({"bound": {"what": "memory", "workers": 4, "why": "little"}}, "Scaling    from 2 to 9, memory allows 4 now"),
        (
            {"last": {"before": 2, "workers": 4, "reason": "3 requests waited too long", "age": 75.0}},
            "Scaling    from 2 to 9; 2 → 4 1 min 15 s ago: 3 requests waited too long",
        ),
    ],
)
def test_status_of_a_number_that_the_server_finds(monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], line: str) -> None:
    scaling = {"min": 2, "max": 9, "held": False, "bound": {"what": "workers_max", "workers": 9, "why": ""}, "last": None}
    answering(monkeypatch, STATUS | {"autoscale": scaling | change})
    assert run("status").stdout.splitlines()[5].rstrip() == line


def test_status_of_a_crash_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = {"failures": 4, "next_try": 7.5, "traceback": "Traceback:\n  [bold]x[/] ImportError\n"}
    answering(monkeypatch, STATUS | {"ready": 0, "workers": [], "addresses": [], "app": "[red]:x", "crash_loop": loop})
    output = run("status").stdout
    assert "● [red]:x running" in output
    assert "not listening" in output
    assert output.endswith("\nCrash loop: 4 failures, next try in 7.5 s\nTraceback:\n  [bold]x[/] ImportError\n")


def test_commands(asked: list[tuple[Path, dict[str, object]]]) -> None:
    result = run("reload")
    assert result.stdout == "Reloaded in 1.2 s: the server is at generation 3.\n"
    assert result.stderr == "These changes take effect with a restart: http_port, pidfile.\n"
    assert run("scale", "3").output == "The server will have 3 workers.\n"
    assert run("scale", "0", "--pool", "cron").output == "The server will have 0 workers in pool cron.\n"
    assert run("stop").output == "The server is stopping.\n"
    assert [request for _, request in asked] == [
        {"command": "reload"},
        {"command": "scale", "pool": "http", "workers": 3},
        {"command": "scale", "pool": "cron", "workers": 0},
        {"command": "stop"},
    ]
    assert run("scale", "-1").exit_code == 2
    assert run("scale", "２").exit_code == 2
    assert run("scale", "AUTO").output == "The server finds the number of its workers again.\n"
    assert asked[-1][1]["workers"] == "auto"
    assert run("scale").exit_code == 2


def test_a_reload_that_failed_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, {"ok": False, "error": "the new code does not import", "traceback": "Traceback:\n  ImportError: x\n"})
    result = run("reload")
    assert (result.exit_code, result.stderr) == (1, "Traceback:\n  ImportError: x\nprefork: the new code does not import\n")


@pytest.mark.parametrize("command", ["status", "workers", "health", "usage", "metrics", "top --count 1", "retire http.1"])
def test_a_server_of_another_release_is_named(monkeypatch: pytest.MonkeyPatch, place: Path, command: str) -> None:
    worker = {name: value for name, value in STATUS["workers"][0].items() if name != "lag"}
    older = {name: value for name, value in STATUS.items() if name != "fuse"} | {"version": "0.0.9", "workers": [worker]}
    answering(monkeypatch, {**older, "distributions": {"lanes": [], "routes": []}})
    result = run(*command.split(), "--data-dir", "d")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"prefork: what the server in {place}/d says is not understood (workers.lag, fuse): it is Prefork 0.0.9, this is "
        f"Prefork {__version__}; restart what is older, or use the command line of the server's own release\n"
    )


@pytest.mark.parametrize("command", ["routes", "stacks", "reload"])
def test_neither_is_what_else_it_is_asked(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    answering(monkeypatch, {"ok": True, "version": "7.0"})
    result = run(command)
    assert (result.exit_code, "is not understood (" in result.stderr, "it is Prefork 7.0" in result.stderr) == (1, True, True)


def test_programs_get_what_a_server_of_another_release_says(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, {"ok": True, "version": "7.0", "ready": 2, "news": 1})
    assert json.loads(run("status", "--json").stdout) == {"ok": True, "version": "7.0", "ready": 2, "news": 1}


@pytest.mark.parametrize("command", [["status"], ["reload"], ["scale", "2"], ["stop"]])
def test_no_server_reachable(monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    def ask(path: Path, *_: object) -> dict[str, Any]:
        raise Absent(f"no server runs at {path}")

    monkeypatch.setattr(prefork.cli.asking, "ask", ask)
    result = run(*command, "--data-dir", "d")
    assert result.exit_code == 4
    assert result.stderr == (
        f"prefork: no server runs at {Path.cwd()}/d/prefork.sock\n"
        "Start one with `prefork serve`, or name the running one's file (-c FILE) or directory (--data-dir PATH).\n"
    )


def test_who_may_not_ask_is_not_told_to_start_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(path: Path, *_: object) -> dict[str, Any]:
        raise Unreachable(f"{path} belongs to another user")

    monkeypatch.setattr(prefork.cli.asking, "ask", ask)
    assert run("status", "--data-dir", "d").stderr == f"prefork: {Path.cwd()}/d/prefork.sock belongs to another user\n"


def test_commands_find_the_server_of_a_broken_file(asked: list[tuple[Path, dict[str, object]]], place: Path) -> None:
    (place / "x.conf").write_text("data_dir = there\nworkers = four")
    run("stop", "-c", "x.conf")
    run("stop", environ={"PREFORK_DATA_DIR": "elsewhere"})
    assert [path for path, _ in asked] == [place / "there" / "prefork.sock", place / "elsewhere" / "prefork.sock"]
    result = run("stop", "-c", "none.conf")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: none.conf: the file cannot be read: No such file or directory; check the path and its permissions\n",
    )


def test_a_current_directory_that_is_gone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "gone").mkdir()
    monkeypatch.chdir(place / "gone")
    (place / "gone").rmdir()
    result = run("check", "a:b")
    assert (result.exit_code, result.stderr) == (1, "Error: the current directory no longer exists; change to one that does\n")


# Sizing.


def sized(*arguments: str) -> dict[str, Any]:
    result = run("size", "--json", *arguments)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.output)
    return answer


def test_size_answers_by_the_names_of_options() -> None:
    answer = sized("--cpus", "4", "--memory", "8G")
    assert (answer["workers"], answer["max_cron_threads"], answer["binding"]) == (9, 1, "cpu")
    assert answer["limit_memory_soft"] * 10 == answer["limit_memory_hard"] * 8
    assert answer["reasons"]
    assert {name: each["workers"] for name, each in answer["rules"].items()} == {"formula": 9, "server-table": 8, "usage-table": 4}


@pytest.mark.parametrize(("rule", "workers"), [("formula", 9), ("server-table", 8), ("usage-table", 4)])
def test_size_by_the_rule_that_is_asked_for(rule: str, workers: int) -> None:
    answer = sized("--cpus", "4", "--memory", "8G", "--rule", rule)
    assert (answer["rule"], answer["workers"]) == (rule, workers)


@pytest.mark.parametrize(("plan", "workers"), [("Free", 1), ("base", 2), ("PRO", 9)])
def test_size_under_a_plan(plan: str, workers: int) -> None:
    assert sized("--cpus", "4", "--memory", "8G", "--plan", plan)["workers"] == workers


def test_size_without_arguments_is_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (sized()["workers"], sized()["machine"]["bound"]) == (17, "machine")
    group = prefork.config.Machine(8, 1 << 30, "cgroup")
    monkeypatch.setattr(prefork.config, "read_machine", lambda: group)
    answer = sized()
    assert (answer["workers"], answer["binding"], answer["machine"]["bound"]) == (1, "memory", "cgroup")


def test_size_of_users_names_a_machine() -> None:
    answer = sized("--users", "20")
    assert (answer["rule"], answer["workers"]) == ("usage-table", 4)
    assert answer["machine"] == {"cpus": 4, "memory": 8 << 30, "bound": "needed"}


def test_size_needs_to_know_a_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefork.config, "read_machine", lambda: prefork.config.Machine(8, None))
    result = run("size")
    assert result.exit_code == 2
    assert "the memory of this machine cannot be read; give it, as in --memory 8G" in result.output


@pytest.mark.parametrize("given", ["eight", "12", "-1G"])
def test_size_refuses_what_is_no_size(given: str) -> None:
    result = run("size", f"--memory={given}")
    assert result.exit_code == 2
    assert "--memory" in result.output


def test_size_fits_80_columns_and_ends_with_the_lines_for_the_file() -> None:
    result = run("size", "--users", "9000", "--plan", "base", "--nodes", "12")
    assert result.exit_code == 0
    assert max(len(line.rstrip()) for line in result.output.splitlines()) <= 80
    assert result.output.split("[options]\n")[1].splitlines()[0] == "workers = 2"
    assert "▶ Plan" in result.output


def test_size_writes_a_file_that_has_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "odoo.conf"
    file.write_text("; ours\nworkers = 2 ; two\n")
    result = run("size", "--cpus", "4", "--memory", "8G", "--write", str(file))
    assert result.exit_code == 0
    assert "odoo.conf: workers, max_cron_threads, limit_memory_soft" in result.output.replace("\n", "")
    assert file.read_text().startswith("; ours\nworkers = 9 ; two\nmax_cron_threads = 1\n")
    assert run("check", "-c", str(file)).exit_code == 0


def test_size_refuses_a_file_that_it_does_not_understand(tmp_path: Path) -> None:
    file = tmp_path / "odoo.conf"
    file.write_text("what\n")
    result = run("size", "--write", str(file))
    assert result.exit_code == 1
    assert "left as it is" in result.output
    assert file.read_text() == "what\n"


# Usage.


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose dispatcher has spoken, with workers that are nobody's."""

    def ask(path: Path, request: dict[str, object], timeout: float) -> dict[str, Any]:
        at = time.monotonic() + 1.0
        worker = STATUS["workers"][1]
        found = ((os.getpid(), "http"), (None, "http"), (os.getppid(), "cron"))
        rows = [worker | {"pid": pid, "pool": pool} for pid, pool in found]
        return {
            **STATUS,
            "uptime": at,
            "wanted": 4,
            "workers": rows,
            "occupied": {"workers": 4, "seconds": 4 * at, "at": at},
        }

    monkeypatch.setattr(prefork.cli.asking, "ask", ask)
    monkeypatch.setattr("prefork.usage.report.WINDOW", 0.0)


@pytest.mark.usefixtures("measured")
def test_usage_for_programs() -> None:
    result = run("usage", "--json")
    answer = json.loads(result.output)
    assert (answer["configured"], answer["in_flight"]["percent"], answer["level"]) == (4, 100.0, "critical")
    assert answer["recommendation"] == "users may experience slow responses"
    assert [each["pid"] for each in answer["workers"]] == [os.getpid()], "neither workers for jobs nor what has no pid yet"
    assert set(answer["health"]) == {"cpu", "memory", "swap", "disk", "pressure", "cgroup", "database"}


@pytest.mark.usefixtures("measured")
def test_usage_for_people() -> None:
    result = run("usage")
    assert result.output.startswith("● critical: users may experience slow responses\n")
    for word in ("In flight", "100.0 %", "4 of 4 busy", "Processor", "Memory", "Disk", "none is configured", "it looks idle"):
        assert word in result.output


@pytest.mark.usefixtures("measured")
def test_usage_says_why_the_database_cannot_be_asked(place: Path) -> None:
    (place / "prefork.conf").write_text("store_dsn = host=/nowhere dbname=shop\n")
    assert "cannot be used" in json.loads(run("usage", "--json").output)["health"]["database"]["error"]
    (place / "prefork.conf").write_text("wokers = 2\n")
    assert "there is no such option" in json.loads(run("usage", "--json").output)["health"]["database"]["error"]


def test_usage_of_nobody() -> None:
    result = run("usage", "--pid", "4194305")
    assert result.exit_code == 1
    assert "there is no process 4194305; give the pid of the server's master" in result.output


def test_usage_knows_how_many_workers_a_server_of_ours_has() -> None:
    result = run("usage", "--workers", "3")
    assert result.exit_code == 2
    assert "--workers belongs to --pid" in result.output


def run_with(streams: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command line with what a shell does to its streams."""
    command = ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", "prefork", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("streams", [">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_command_whose_streams_are_closed_does_what_it_is_told(streams: str) -> None:
    done = run_with(streams, "size")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("arguments", [["size"], ["size", "--json"], ["serve", "--help"]])
def test_an_output_that_takes_nothing_is_said_in_a_sentence(arguments: list[str]) -> None:
    done = run_with(">/dev/full", *arguments)
    assert (done.returncode, done.stderr) == (1, "prefork: the output cannot be written: no space left on device\n")


def test_a_reader_that_has_left_is_nobodys_fault() -> None:
    done = run_with("| true", "serve", "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_disk_that_is_full_elsewhere_is_not_said_of_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def demanded(**_: object) -> NoReturn:
        raise full

    monkeypatch.setattr(sizing, "demanded", demanded)
    result = CliRunner().invoke(prefork.cli.main, ["size"])
    assert result.exception is full
    assert result.output == ""


REFUSED = """
import errno, os, sys
from prefork.cli import main
from prefork.master import serve

def refused(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

serve.Master = refused
main(["serve", "app:app", "--data-dir", sys.argv[1], "--pidfile", sys.argv[1] + "/pid", "--http-port", sys.argv[2]])
"""


def test_what_the_system_refuses_a_server_at_its_start_is_a_sentence(place: Path) -> None:
    command = [sys.executable, "-c", REFUSED, str(place), str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "prefork: cannot start: no space left on device"
    assert "Traceback" not in done.stderr
    assert not (place / "pid").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("scale", "٣"),
        ("scale", "1_0"),
        ("size", "--users", "１００"),
        ("size", "--cpus", "４"),
        ("size", "--cpus", "nan"),
        ("size", "--nodes", "²"),
        ("top", "--json", "--interval", "１"),
        ("simulate", "--workers", "２"),
        ("simulate", "--workers", "2", "--arrivals", "x２"),
        ("metrics", "--listen", "127.0.0.1:８０７３"),
        ("console", "--data-dir", ".", "--ports", "８１００-8999"),
        ("console", "--data-dir", ".", "--port", "８０７１"),
        ("check", "app:app", "--workers", "２"),
        ("doctor", "--pid", "１"),
    ],
)
def test_numbers_have_the_digits_that_files_have(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, "Traceback" in result.output) == (1 if arguments[0] == "check" else 2, False)
    assert arguments[-1].lstrip("x") in result.output, "the sentence names it"


@pytest.mark.parametrize(("text", "cpus"), [("0.5", 0.5), (".5", 0.5), ("2.", 2.0), ("+3", 3.0)])
def test_a_fraction_is_written_as_people_do(text: str, cpus: float) -> None:
    assert json.loads(run("size", "--cpus", text, "--memory", "8G", "--json").stdout)["machine"]["cpus"] == cpus


def test_what_a_file_says_steers_no_terminal(place: Path) -> None:
    (place / "x.conf").write_text("workers = 2\0\nlimit_request = \x1b[31m9\nstrange\x1b = 1\nodoo = /nowhere\n", encoding="utf-8")
    result = run("check", "-c", "x.conf")
    assert result.exit_code == 1
    assert {"\0", "\x1b"}.isdisjoint(result.output)
    for said in (r'"2\x00" is not a whole number', r'"\x1b[31m9" is not a whole number', r"strange\x1b"):
        assert said in result.output


def test_neither_does_what_is_explained(place: Path) -> None:
    (place / "app.py").write_text("app = 1\n")
    (place / "x.conf").write_text("app = app:app\ndb_name = a\x1b[2Jb\n[mine\x1b]\nkey = 1\n", encoding="utf-8")
    result = run("check", "-c", "x.conf", "--explain", "--logfile", "a.log")
    assert result.exit_code == 0, result.output
    text = result.output
    for style in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[36m"):
        text = text.replace(style, "")
    assert "\x1b" not in text
    assert r"a\x1b[2Jb" in text
    assert r"[mine\x1b]" in text
