from collections.abc import Callable

import pytest
from tests.conftest import ROOT

from prefork.config import ConfigurationError, Machine, Settings, for_development, in_vain, unservable, warnings
from prefork.config.checks import contradictions

Configure = Callable[..., Settings]
Problems = Callable[..., list[str]]
LARGE = Machine(8, 1 << 40)
APP = "app = a:b\n"


def sentences(settings: Settings, machine: Machine = LARGE) -> list[str]:
    return [str(problem) for problem in warnings(settings, machine)]


def test_the_defaults_raise_no_doubt(configure: Configure) -> None:
    assert sentences(configure(APP)) == []


def test_contradictions_are_problems(problems: Problems) -> None:
    assert problems("limit_memory_soft = 3G") == [
        (
            "odoo.conf:1: limit_memory_soft: 3 GiB is above limit_memory_hard, 2.5 GiB (default); "
            "set it to 60 to 90 % of the hard limit"
        ),
    ]


def test_nothing_is_said_about_a_value_that_could_not_be_read(problems: Problems) -> None:
    assert problems("limit_memory_soft = 3G\nlimit_memory_hard = lots") == [
        'odoo.conf:2: limit_memory_hard: "lots" is not a size; write bytes, or a number with K, M, G or T, such as 640M or 2.5GiB'
    ]


def test_a_limit_of_zero_contradicts_nothing(configure: Configure) -> None:
    configure("limit_memory_soft = 640M\nlimit_memory_hard = 0")
    configure("limit_memory_soft = 0")


@pytest.mark.parametrize(
    ("soft", "warned"), [("59M", True), ("60M", False), ("90M", False), ("91M", True), ("100M", True), ("0", False)]
)
def test_the_soft_limit_is_60_to_90_percent_of_the_hard_one(configure: Configure, soft: str, warned: bool) -> None:
    found = sentences(configure(f"{APP}limit_memory_hard = 100M\nlimit_memory_soft = {soft}"))
    assert any("60 to 90 % leaves room" in sentence for sentence in found) is warned


def test_memory_that_cannot_fit_shows_its_numbers(configure: Configure) -> None:
    settings = configure(
        APP + "workers = 9\njob_source = a:c\nmax_cron_threads = 2\nlimit_memory_soft = 640M\nlimit_memory_hard = 768M"
    )
    sentence = (
        "(9 workers + 2 for scheduled jobs) × 640 MiB = 6.9 GiB do not fit the 4 GiB of this cgroup; lower workers or the limit"
    )
    assert f"odoo.conf:5: limit_memory_soft: {sentence}" in sentences(settings, Machine(8, 4 << 30, "cgroup"))
    assert not any("do not fit" in sentence for sentence in sentences(settings, Machine(8, 11 * 671088640)))
    assert not any("do not fit" in sentence for sentence in sentences(settings, Machine(8, None)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "workers = 1",
            "odoo.conf:2: workers: with one worker a single slow request holds up all others; use 2 or more in production",
        ),
        ("workers = 34", "odoo.conf:2: workers: 34 are more than 8 CPUs keep running; start from 2 × CPUs + 1 = 17"),
        (
            "limit_time_cpu = 3m",
            (
                "odoo.conf:2: limit_time_cpu: 3 min is above limit_time_real, 2 min (default), "
                "which is reached first; lower it or raise the other"
            ),
        ),
        ("http_port = 8072", "websocket_port: 8072 is the http_port as well; give each its own"),
        (
            "websocket_routes = /events/*\nwebsocket_workers = 0",
            "odoo.conf:2: websocket_routes: there is no websocket worker to serve them, HTTP workers will; set websocket_workers",
        ),
        (
            "keepalive_timeout = 60\nproxy_mode = True",
            (
                "odoo.conf:2: keepalive_timeout: 1 min is short, "
                "as nginx keeps idle connections for 60 s and may use one that was just closed; set 75"
            ),
        ),
        (
            "trusted_proxies = ::/0\nproxy_mode = True",
            "odoo.conf:2: trusted_proxies: every client is trusted and can forge its address; list your proxies only",
        ),
    ],
)
def test_doubts(configure: Configure, text: str, sentence: str) -> None:
    assert sentence in sentences(configure(APP + text))


@pytest.mark.parametrize("text", ["workers = 33", "keepalive_timeout = 1", "trusted_proxies = 0.0.0.0/0", "proxy_mode = True"])
def test_no_doubts(configure: Configure, text: str) -> None:
    assert sentences(configure(APP + text)) == []


def test_settings_that_nothing_can_be_served_with(configure: Configure) -> None:
    for text, sentence in (
        ("", "app: nothing to serve; name an application, as in `prefork serve module:attribute`"),
        ("http_enable = False", "odoo.conf:1: http_enable: False leaves nothing to run, as there are no jobs (option job_source)"),
        (
            "http_enable = False\njob_source = a:c\nmax_cron_threads = 0",
            "odoo.conf:1: http_enable: False leaves nothing to run, as max_cron_threads is 0",
        ),
        (
            f"http_enable = False\nodoo = {ROOT}/tests/stand_in\nmax_cron_threads = 0",
            "odoo.conf:1: http_enable: False leaves nothing to run, as max_cron_threads is 0",
        ),
    ):
        settings = configure(text)
        (problem,) = unservable(settings)
        assert str(problem).startswith(sentence)
        assert f"{problem}; `prefork serve` will not start" in sentences(settings)
    assert unservable(configure("http_enable = False\njob_source = a:c")) == []
    assert unservable(configure(APP)) == []


def test_threaded_mode_is_for_development(configure: Configure) -> None:
    settings = configure(APP + "workers = 0\nlimit_time_cpu = 0\nlimit_time_real_routes = /r/*:9\nlimit_time_worker = 9")
    vain = ("limit_memory_soft", "limit_memory_hard", "limit_time_real", "limit_time_real_routes")
    assert in_vain(settings) == vain
    assert [str(problem) for problem in for_development(settings)] == [
        (
            "odoo.conf:2: workers: 0 is threaded mode, for development: all requests share one process and its interpreter lock; "
            f"{', '.join(vain)} have no effect"
        )
    ]
    assert (settings.threaded, settings.processes) == (True, 1)
    assert unservable(settings) == []


def test_reloading_on_changes_is_for_development(configure: Configure) -> None:
    (problem,) = for_development(configure(APP + "dev = True"))
    assert str(problem) == "odoo.conf:2: dev: is for development: the server reloads whenever a file of the application changes"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("dev_mode = all", True),
        ("dev_mode = qweb, reload", True),
        ("dev_mode = qweb,xml", False),
        ("dev_mode = False", False),
        ("dev_mode = all\ndev = False", False),
        ("dev = True", True),
        ("", False),
    ],
)
def test_odoos_key_says_it_too(configure: Configure, text: str, wanted: bool) -> None:
    assert configure(text).dev is wanted


def test_without_limits_none_is_in_vain(configure: Configure) -> None:
    unlimited = "limit_memory_soft = 0\nlimit_memory_hard = 0\nlimit_time_cpu = 0\nlimit_time_real = 0\n"
    (problem,) = for_development(configure(APP + unlimited + "workers = 0"))
    assert problem.sentence.endswith("interpreter lock")


def test_the_defaults_are_not_for_development(configure: Configure) -> None:
    settings = configure(APP)
    assert (for_development(settings), in_vain(settings)) == ([], ())
    assert (settings.threaded, settings.processes) == (False, 2)
    assert configure(APP + "http_enable = False").processes == 0


def test_an_error_still_lets_the_other_options_be_doubted(configure: Configure) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configure(APP + "workers = x\nlimit_memory_soft = 10M\nbacklog = y")
    error = caught.value
    found = [problem.place for problem in warnings(error.settings, Machine(8, 1), error.broken)]
    assert found == ["odoo.conf:3: limit_memory_soft"]


def test_a_backlog_that_the_kernel_cuts(configure: Configure) -> None:
    machine = Machine(8, 1 << 40, somaxconn=1024)
    advice = "raise that (sysctl -w net.core.somaxconn=2048) or lower the backlog"
    assert sentences(configure(APP), machine) == [
        f"backlog: the kernel keeps only 1024 connections, its net.core.somaxconn; {advice}"
    ]
    assert sentences(configure(APP + "backlog = 1024"), machine) == []


def test_sqlite_is_for_threaded_mode(configure: Configure, problems: Problems) -> None:
    reason = "multi-processing mode requires PostgreSQL: SQLite does not support concurrent writes from multiple processes"
    assert problems("workers = 3\nstore_dsn = sqlite:/srv/store.db") == [
        f"odoo.conf:2: store_dsn: {reason}, and workers is 3 (odoo.conf:1); name a PostgreSQL database, or set workers = 0"
    ]
    assert configure("workers = 0\njobs = a\nstore_dsn = sqlite:///srv/store.db").store_address == "sqlite:/srv/store.db"
    assert problems("workers = 0\nstore_dsn = sqlite:store.db") == [
        "odoo.conf:2: store_dsn: name the file by its whole path, as in sqlite:/srv/shop/store.db"
    ]
    assert problems("workers = 0\nstore_dsn = sqlite:/srv/store.db\nsession_store = postgresql") == [
        "odoo.conf:3: session_store: postgresql means the store, and that is a SQLite file here; use file, or memory"
    ]


def test_threaded_mode_without_a_database_has_a_file_for_its_jobs(configure: Configure) -> None:
    settings = configure("workers = 0\njobs = a\ndata_dir = data")
    assert (settings.in_file, settings.embedded) == (True, False)
    assert settings.store_address == f"sqlite:{settings.data_dir}/store.db"
    assert not configure("workers = 0\njobs = a\ndb_name = shop").in_file
    assert configure("workers = 0\njobs = a\ndata_dir = /tmp/shop\nsession_store = postgresql").embedded
    assert configure("jobs = a\ndata_dir = /tmp/shop").embedded


class TestPlan:
    @pytest.mark.parametrize(("plan", "workers"), [("free", 1), ("base", 2), ("pro", 512), ("agency", 512), (None, 512)])
    def test_what_it_allows_is_allowed(self, plan: str | None, workers: int) -> None:
        assert contradictions(Settings(plan=plan, workers=workers, max_cron_threads=8)) == []

    @pytest.mark.parametrize(("plan", "said"), [("free", "1 HTTP worker, not 3"), ("base", "2 HTTP workers, not 3")])
    def test_more_is_refused(self, plan: str, said: str) -> None:
        (found,) = contradictions(Settings(plan=plan, workers=3))
        assert str(found) == f"workers: the plan {plan} allows {said} (default); lower workers, or change the plan"

    def test_a_node_for_jobs_has_no_http_workers_to_count(self) -> None:
        assert contradictions(Settings(plan="free", workers=2, http_enable=False)) == []

    def test_without_a_number_there_are_as_many_as_it_allows(self) -> None:
        assert [Settings(plan=plan).workers for plan in ("free", "base", "pro", None)] == [1, 2, 2, 2]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("interface = wsgi\nconcurrency = 2", "interface is wsgi (odoo.conf:1), of which a worker serves one request at a time"),
        ("workers = 100\nconcurrency = 64", "100 workers × 64 = 6400 are more than 2048"),
    ],
)
def test_places_that_there_cannot_be(problems: Problems, text: str, sentence: str) -> None:
    (problem,) = problems(text)
    assert sentence in problem
    assert "concurrency" in problem


@pytest.mark.parametrize(("workers", "places"), [(1, 128), (16, 128), (17, 120), (512, 4), (0, 128)])
def test_the_usual_places_are_no_more_than_there_can_be(configure: Configure, workers: int, places: int) -> None:
    assert configure(f"{APP}interface = asgi\nworkers = {workers}").at_a_time == places


def test_lanes_of_an_event_loop_share_its_places(configure: Configure) -> None:
    settings = configure(f"{APP}interface = asgi\nworkers = 2\nlanes = report:/report/*:3")
    assert not any("leave at least one" in sentence for sentence in sentences(settings))
