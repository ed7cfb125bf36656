import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from prefork.config import ConfigurationError, Settings, Source, load, locate, restart_needed

Configure = Callable[..., Settings]
Problems = Callable[..., list[str]]


def test_flags_win_over_the_environment_and_that_over_the_file(configure: Configure) -> None:
    settings = configure(
        "workers = 3\nhttp_port = 1001\nqueue_size = 5", {"workers": "5"}, PREFORK_WORKERS="4", PREFORK_HTTP_PORT="1002"
    )
    assert (settings.workers, settings.http_port, settings.queue_size, settings.backlog) == (5, 1002, 5, 2048)
    assert [str(settings.source(name)) for name in ("workers", "http_port", "queue_size", "backlog")] == [
        "--workers",
        "PREFORK_HTTP_PORT",
        "odoo.conf:3",
        "default",
    ]


def test_the_file_is_the_one_asked_for_or_named_or_there(tmp_path: Path) -> None:
    for name, port in (("prefork.conf", 1001), ("named.conf", 1002), ("asked.conf", 1003)):
        (tmp_path / name).write_text(f"http_port = {port}")
    named = {"PREFORK_CONFIG": "named.conf"}
    assert load(None, {}, {"PREFORK_CONFIG": ""}, tmp_path).http_port == 1001
    assert load(None, {}, named, tmp_path).http_port == 1002
    assert load(Path("asked.conf"), {}, named, tmp_path).http_port == 1003
    (tmp_path / "prefork.conf").unlink()
    assert load(None, {}, {}, tmp_path).http_port == 8069


def test_the_settings_know_their_file(configure: Configure, tmp_path: Path) -> None:
    assert configure().file == tmp_path / "odoo.conf"
    assert load(None, {}, {"HOME": str(tmp_path)}, tmp_path).file is None


def test_a_file_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.conf: the file cannot be read: No such file"):
        load(Path("none.conf"), {}, {}, tmp_path)


@pytest.mark.parametrize("text", ["", "False", "none", "None", "FALSE"])
def test_unset_means_the_default(configure: Configure, text: str) -> None:
    settings = configure(f"workers = {text}\nlogfile = {text}\ntrusted_proxies = {text}\nlimit_memory_soft_gevent = {text}")
    assert settings == configure("")
    assert settings.source("workers") == Source("default")


def test_an_unset_variable_takes_back_what_the_file_says(configure: Configure) -> None:
    assert configure("workers = 7", PREFORK_WORKERS="").workers == 2


def test_an_empty_interface_means_every_address(configure: Configure) -> None:
    assert configure("http_interface =").http_interface == ("0.0.0.0",)
    assert configure("http_interface = False").http_interface == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("text", "value"), [("True", True), ("1", True), ("on", True), ("false", False), ("0", False), ("No", False)]
)
def test_booleans(configure: Configure, text: str, value: bool) -> None:
    settings = configure(f"proxy_mode = {text}\naccess_log = {text}")
    assert (settings.proxy_mode, settings.access_log) == (value, value)


@pytest.mark.parametrize("alias", ["gevent_port", "longpolling_port", "websocket_port"])
def test_aliases(configure: Configure, alias: str) -> None:
    assert configure(f"{alias} = 9072").websocket_port == 9072
    assert configure("", **{f"PREFORK_{alias.upper()}": "9073"}).websocket_port == 9073


def test_two_names_of_one_option_may_stand_together_if_they_agree(configure: Configure, problems: Problems) -> None:
    assert configure("longpolling_port = 0\ngevent_port = 9072\nxmlrpc_port = 9069\nhttp_port = 9069").websocket_port == 9072
    assert configure("gevent_port = 9072\nlongpolling_port = False").websocket_port == 9072
    assert problems("gevent_port = 9072\n\nlongpolling_port = 9073") == [
        "odoo.conf:3: longpolling_port: line 1 sets the same option, as gevent_port, to something else; remove one of the two"
    ]


def test_relative_paths_begin_at_the_file_or_at_the_current_directory(tmp_path: Path) -> None:
    (tmp_path / "etc" / "app").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    (tmp_path / "etc" / "x.conf").write_text("app_dir = app\nlogfile = ../x.log\npidfile = a.pid")
    settings = load(Path("../etc/x.conf"), {"pidfile": "b.pid"}, {"HOME": "/root"}, tmp_path / "work")
    assert settings.app_dir == tmp_path / "etc" / "app"
    assert settings.logfile == tmp_path / "x.log"
    assert settings.pidfile == tmp_path / "work" / "b.pid"


def test_the_interpreter_is_a_path_or_a_name(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    link = tmp_path / "env" / "bin" / "python"
    link.symlink_to(sys.executable)
    assert configure("python = env/bin/python").python == link
    assert configure("python = sh").python.name == "sh"
    assert configure("").python == Path(sys.executable)


def test_the_data_directory_follows_the_application(tmp_path: Path) -> None:
    app = tmp_path / "shop"
    app.mkdir()
    first = load(None, {}, {"HOME": "/root"}, app).data_dir
    assert first.parent == Path("/root/.local/share/prefork")
    assert first.name.startswith("shop-")
    assert len(first.name) == len("shop-") + 8
    assert load(None, {"app_dir": "shop"}, {"HOME": "/root"}, tmp_path).data_dir == first
    assert load(None, {}, {"HOME": "/root"}, tmp_path).data_dir != first
    assert load(None, {}, {"XDG_DATA_HOME": str(tmp_path)}, app).data_dir == tmp_path / "prefork" / first.name
    assert load(None, {"data_dir": "d"}, {}, app).control_socket == app / "d" / "prefork.sock"


def test_jitter_is_a_tenth_unless_it_is_set(configure: Configure) -> None:
    assert configure("limit_request = 1000").limit_request_jitter == 100
    assert configure("limit_request = 1000\nlimit_request_jitter = 0").limit_request_jitter == 0


def test_values_of_every_kind(configure: Configure) -> None:
    settings = configure(
        "app = a.b:make()\nlimit_memory_soft = 640M\nlimit_memory_hard = 768M\nlimit_time_real = 2m\numask = 077\n"
        "trusted_proxies = 10.0.0.7/8, 192.168.1.1,::1\nload = base,\n  web\nlog_level = debug_rpc\npreload = False\n"
        "http_interface = [::]"
    )
    assert settings.app == "a.b:make()"
    assert (settings.limit_memory_soft, settings.limit_time_real, settings.umask) == (671088640, 120.0, 0o077)
    assert settings.trusted_proxies == ("10.0.0.0/8", "192.168.1.1", "::1")
    assert settings.server_wide_modules == ("base", "web")
    assert (settings.log_level, settings.preload, settings.http_interface) == ("debug", "false", ("::",))


def test_odoos_own_keys_and_sections_are_kept_as_written(configure: Configure) -> None:
    settings = configure(
        "db_password = a # b\ndb_maxconn = 64  # max\naddons_path = /a,\n  /b\n[x]\nk = v ; w", PREFORK_DB_HOST="db1"
    )
    assert settings.host_options == {"db_password": "a # b", "db_maxconn": "64", "addons_path": "/a,\n/b", "db_host": "db1"}
    assert settings.host_sections == {"x": {"k": "v ; w"}}
    assert "a # b" not in repr(settings)


def test_all_problems_at_once_in_the_order_of_lines(problems: Problems) -> None:
    assert problems(
        "workers = four\nworkes = 9\nhttp_port = 80690\nnonsense\nqueue_timeout = 0\ndb_pasword = hunter2\nqqq = 1\nworkers = 5",
        {"backlog": "x"},
        PREFORK_UMASK="9",
    ) == [
        'odoo.conf:1: workers: "four" is not a whole number',
        "odoo.conf:2: workes: there is no such option; did you mean workers?",
        "odoo.conf:3: http_port: 80690 is above the highest value, 65535",
        "odoo.conf:4: the line is neither `key = value`, a [section] nor a comment; begin a comment with # or ;",
        "odoo.conf:5: queue_timeout: 0 s is below the lowest value, 1 ms",
        "odoo.conf:6: db_pasword: there is no such option; did you mean db_password?",
        "odoo.conf:7: qqq: there is no such option; `prefork serve --help` lists all options",
        "odoo.conf:8: workers: already set in line 1; remove one of the two",
        'PREFORK_UMASK: "9" is not a set of permissions; write three octal digits, such as 022 or 660',
        '--backlog: "x" is not a whole number',
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("app = shop", '"shop" names no application; write module:attribute, module:factory() or odoo:/path/of/odoo'),
        (
            "app = shop:make(1)",
            '"shop:make(1)" names no application; write module:attribute, module:factory() or odoo:/path/of/odoo',
        ),
        ("proxy_mode = maybe", '"maybe" is neither True nor False'),
        ("log_format = xml", '"xml" is not one of text, json'),
        ("http_interface = a b", '"a b" is neither an IP address nor a host name, nor a path such as unix:/run/site/http.sock'),
        ("http_interface = 127.0.0.1, ::1, 127.0.0.1", "127.0.0.1 is listed twice; name each address once"),
        ("http_interface = unix:", "unix: names no path; write one such as unix:/run/site/http.sock"),
        (
            "http_interface = unix:/" + "x" * 107,
            "/" + "x" * 107 + " has 108 bytes, a socket's path can have 107; choose a shorter one",
        ),
        ("http_interface = 0.0.0.0, ::, ::1", ":: includes ::1; name one of the two"),
        (
            "http_interface = 300.1.1.1",
            '"300.1.1.1" is neither an IP address nor a host name, nor a path such as unix:/run/site/http.sock',
        ),
        ("trusted_proxies = ::1, x", '"x" is neither an IP address nor a network such as 10.0.0.0/8'),
        ("limit_memory_soft = lots", '"lots" is not a size; write bytes, or a number with K, M, G or T, such as 640M or 2.5GiB'),
        (
            "body_timeout = -1",
            '"-1" is not a time; write seconds, or units from d, h, m, s and ms, such as 120, 2m, 1h30m or 250ms',
        ),
        ("limit_request = -1", "-1 is below the lowest value, 0"),
        ("app_dir = a\n  b", "'a\\nb' holds characters that a path should not; write it on one line"),
    ],
)
def test_sentences_about_values(problems: Problems, line: str, sentence: str) -> None:
    key = line.split(" ")[0]
    assert problems(line) == [f"odoo.conf:1: {key}: {sentence}"]


def test_a_misspelt_section_is_a_problem(problems: Problems) -> None:
    for name in ("option", "Options", "optoins", "prefork"):
        said = f"odoo.conf: the section [{name}] is not read; did you mean [options]?"
        assert problems(f"[{name}]\nworkers = 3") == [said]


def test_somebody_elses_section_is_theirs(configure: Configure) -> None:
    assert configure("[options_of_somebody]\nworkers = 3").host_sections == {"options_of_somebody": {"workers": "3"}}


def test_unknown_variables_are_remarks_and_those_of_kubernetes_nothing(configure: Configure) -> None:
    settings = configure(
        "", PREFORK_WORKES="1", PREFORK_SERVICE_HOST="x", PREFORK_PORT_8069_TCP_ADDR="y", PREFORK_PORT="tcp://x", PREFORKX=""
    )
    assert [str(remark) for remark in settings.remarks] == [
        "PREFORK_WORKES: the variable sets no option; did you mean PREFORK_WORKERS?"
    ]


def test_the_data_directory_is_found_in_a_file_that_is_being_edited(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("workers = four\ndata_dir = d\nfoo")
    assert locate(Path("x.conf"), {}, {}, tmp_path) == tmp_path / "d"
    assert locate(None, {"data_dir": "/e"}, {}, tmp_path) == Path("/e")
    for file, sentence in (("none.conf", "cannot be read"), ("bad.conf", "data_dir: 'a")):
        (tmp_path / "bad.conf").write_text("data_dir = a\n  b")
        with pytest.raises(ConfigurationError, match=sentence):
            locate(Path(file), {}, {}, tmp_path)


@pytest.mark.parametrize("text", ["data_dir = d\n# caf\xe9", None])
def test_no_data_directory_is_guessed_where_the_file_is_not_understood(tmp_path: Path, text: str | None) -> None:
    if text is None:
        os.mkfifo(tmp_path / "x.conf")
    else:
        (tmp_path / "x.conf").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=r"is not UTF-8 text|can be read once"):
        locate(Path("x.conf"), {}, {}, tmp_path)
    assert locate(Path("x.conf"), {"data_dir": "/e"}, {}, tmp_path) == Path("/e")


def test_an_empty_file_leaves_the_data_directory_to_the_rest(tmp_path: Path) -> None:
    assert locate(Path(os.devnull), {}, {"PREFORK_DATA_DIR": "/e"}, tmp_path) == Path("/e")


def test_options_whose_change_needs_a_restart(configure: Configure) -> None:
    old = configure("workers = 2\nhttp_port = 8069")
    assert restart_needed(old, configure("workers = 9\nboot_timeout = 1")) == ()
    assert restart_needed(old, configure("workers = 9\nhttp_port = 9000\npidfile = a.pid\numask = 077")) == ("http_port", "pidfile")


def test_settings_can_be_pickled_and_made_by_hand(configure: Configure) -> None:
    settings = configure("workers = 3\ndb_name = x")
    assert pickle.loads(pickle.dumps(settings)) == settings
    made = Settings(app="x:y", limit_request=50)
    assert (made.app_dir, made.limit_request_jitter, made.python) == (Path.cwd(), 5, Path(sys.executable))


def test_interfaces_are_a_list(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    settings = configure("http_interface = 127.0.0.1, [::1],\n  localhost, unix:run/x.sock")
    assert settings.http_interface == ("127.0.0.1", "::1", "localhost", f"unix:{tmp_path}/run/x.sock")
    assert settings.shown("http_interface") == f"127.0.0.1, ::1, localhost, unix:{tmp_path}/run/x.sock"


def test_the_permissions_of_sockets_follow_from_their_group(configure: Configure) -> None:
    assert configure("http_interface = ::1").http_socket_mode == 0o600
    assert configure("http_socket_group = 0").http_socket_mode == 0o660
    assert configure("http_socket_group = 0\nhttp_socket_mode = 0606").http_socket_mode == 0o606
